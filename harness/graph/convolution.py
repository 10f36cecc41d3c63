"""Convolutions as they are executed over feature maps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from harness.graph.flow import data_reads
from harness.graph.ir import Node
from harness.graph.operators import OPS
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.field import Field
from harness.graph.receptive_field.layout import Unmeasurable, places
from harness.graph.receptive_field.window import Window


@dataclass(frozen=True, eq=False)
class Convolution:
    """One executed convolution that slides over a feature map; equal to itself alone."""

    node: Node
    window: Window
    channels: int
    """Input channels."""
    sides: tuple[int, ...]
    """Those of the window's dimensions that slide along rows or columns."""

    @property
    def is_spatial(self) -> bool:
        """Whether its kernel is larger than 1x1."""
        return any(self.window.kernel[side] > 1 for side in self.sides)

    @property
    def is_depthwise(self) -> bool:
        """Whether every channel has its own kernel, larger than 1x1."""
        return self.is_spatial and self.window.groups == self.channels > 1

    @property
    def is_pointwise(self) -> bool:
        """Whether it is a 1x1 convolution over all channels."""
        return set(self.window.kernel) == {1} and self.window.groups == 1

    @property
    def dilation(self) -> int:
        """Return the largest dilation along a side where the kernel is larger than 1."""
        window = self.window
        return max((window.dilation[i] for i in self.sides if window.kernel[i] > 1), default=1)


def find_convolutions(measured: Measured) -> Iterator[Convolution]:
    """Find the live convolutions that slide over a feature map, in order of execution."""
    for node in measured.nodes:
        if OPS.get(node.op) not in ("conv", "conv_transpose"):
            continue
        sources = measured.sources(node)
        # Behind a global pool it is a matrix product, and belongs to the head or to a gate.
        if not sources or (sources[0].layout is not None and not sources[0].is_map):
            continue
        try:
            window = measured.window(node)
        except Unmeasurable:
            continue
        weight = measured.weight_shape(node)
        per_group = weight[1] if OPS[node.op] == "conv" else weight[0]
        if isinstance(per_group, int):
            groups = window.groups if OPS[node.op] == "conv" else 1
            yield Convolution(node, window, per_group * groups, _sides(sources[0], window))


def _sides(field: Field, window: Window) -> tuple[int, ...]:
    """Return the dimensions of a window that lie along rows or columns; all where that is not known."""
    along = (field.layout or ())[-window.rank :]
    found = tuple(i for i, dimension in enumerate(along) if places(dimension))
    return found if field.layout is not None else tuple(range(window.rank))


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
