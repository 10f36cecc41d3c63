"""Convolutions that treat every channel on its own, whether or not they say so by their groups."""

from collections.abc import Sequence
from math import prod

from harness.graph.convolution import Convolution
from harness.graph.flow import data_reads
from harness.graph.operators import OPS
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.field import Field

# What leaves every channel what it is.
_KEEPS = frozenset(
    {
        "view",
        "permute",
        "identity",
        "elementwise",
        "batch_norm",
        "dropout",
        "pad",
        "number",
        "channel_shuffle",
    }
)
_PARTS = frozenset({"slice", "split", "select"})
_JOINS = frozenset({"cat", "stack", "scatter"})


def channelwise(measured: Measured, convolutions: Sequence[Convolution]) -> tuple[Convolution, ...]:
    """List the depthwise convolutions, and those that come to the same.

    Several of one channel each, over parts of a map or its channels taken for images; and one whose groups
    have a single channel of the image each, beside copies of it and constants.
    """
    single = [c for c in convolutions if c.is_spatial and c.channels == 1 and _is_part(measured, c)]
    grouped = [c for c in convolutions if c.is_spatial and c.window.groups == _different(measured, c) > 1]
    chosen = {c.node.name for c in (*grouped, *(single if len(single) > 1 else ()))}
    chosen |= {c.node.name for c in single if _holds_channels_as_images(measured, c)}
    return tuple(c for c in convolutions if c.is_depthwise or c.node.name in chosen)


# Private functions


def _is_part(measured: Measured, convolution: Convolution) -> bool:
    """Return whether a convolution of one channel reads a part of a map of more."""
    return _origin(measured, convolution)[1] or _holds_channels_as_images(measured, convolution)


def _holds_channels_as_images(measured: Measured, convolution: Convolution) -> bool:
    (field, *_) = measured.sources(convolution.node)
    return bool(field.layout) and any(letter == "c" for letter, _ in (field.layout or ((),))[0])


def _different(measured: Measured, convolution: Convolution) -> int:
    """Count the channels of the image that a convolution reads: no constants, and no copies."""
    name, _ = _origin(measured, convolution)
    node = measured.by_name.get(name)
    if node is None:
        return 0
    reads = [ref for ref in data_reads(node) if ref in measured.fields]
    is_joint = OPS.get(node.op) in (*_JOINS, "pad")
    return sum(_channels(measured.fields[ref]) for ref in dict.fromkeys(reads)) if is_joint else 0


def _origin(measured: Measured, convolution: Convolution) -> tuple[str, bool]:
    """Walk back to where channels were put together or taken apart; say whether it is the latter."""
    name = convolution.node.refs[0]
    while (node := measured.by_name.get(name)) is not None:
        reads = [ref for ref in data_reads(node) if ref in measured.fields]
        if not reads:
            break
        before, after = measured.fields[reads[0]], measured.fields[name]
        is_same_place = (before.h, before.w) == (after.h, after.w)
        if OPS.get(node.op) in _PARTS and is_same_place and _channels(before) > 1:
            return name, True
        if OPS.get(node.op) == "pad" and is_same_place and 1 < _channels(before) < _channels(after):
            return name, False
        if OPS.get(node.op) not in _KEEPS or len(reads) != 1:
            return name, False
        name = reads[0]
    return name, False


def _channels(field: Field) -> int:
    layout = field.layout or ()
    return prod(size or 1 for dimension in layout for letter, size in dimension if letter not in "nhw")
