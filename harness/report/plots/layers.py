"""The executed graph as a column of boxes: what `harness.report.plots.architecture` draws.

A box is an operator that mixes places or channels, or joins branches; what works on every element by
itself (normalisation, activation, dropout) is named in the box it follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.graph.convolution import Convolution
from harness.graph.flow import data_reads
from harness.graph.ir import Node
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.layout import Unmeasurable
from harness.graph.receptive_field.span import pixels
from harness.graph.view import View

_FOLDED = frozenset({"elementwise", "identity", "batch_norm", "norm", "dropout", "view", "softmax", "number"})
_SILENT = frozenset({"identity", "view", "number"})
_WORDS = {"batch_norm": "BN", "relu": "ReLU", "gelu": "GELU", "silu": "SiLU"}
_POOLS = {"adaptive_avg_pool": "average pool", "adaptive_max_pool": "maximum pool"}


@dataclass
class Box:
    """One layer; `reads` are the places of the boxes it reads, -1 for the image.

    `kernel` is () for what is no sliding window; `shape` is that of its result without the batch.
    """

    name: str
    what: str
    shape: tuple[int | str, ...]
    channels: tuple[int, int] | None = None
    kernel: tuple[int, ...] = ()
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    depthwise: bool = False
    rf_px: int | None = None
    reads: tuple[int, ...] = ()
    then: list[str] = field(default_factory=list)

    @property
    def block(self) -> str:
        """The part of the layer's path that it shares with its neighbours: "c1a" of "c1a.conv"."""
        return self.name.rpartition(".")[0]


def boxes_of(view: View) -> list[Box]:
    """Arrange the live nodes of a graph as boxes, in order of execution."""
    measured = view.measured
    convolutions = {c.node.name: c for c in view.convolutions}
    boxes: list[Box] = []
    at: dict[str, int] = {}
    for node in measured.nodes:
        places = tuple(
            dict.fromkeys(at.get(name, -1) for name in data_reads(node) if name in measured.fields)
        )
        family = OPS.get(node.op, "check")
        if family in _FOLDED and len(places) == 1:
            at[node.name] = places[0]
            if places[0] >= 0:
                _continue(boxes[places[0]], node, family)
            continue
        at[node.name] = len(boxes)
        boxes.append(_box(measured, node, convolutions, places))
    return boxes


# Private functions


def _continue(box: Box, node: Node, family: str) -> None:
    if family == "view" and node.shape is not None:
        box.shape = tuple(node.shape[1:])
    if family not in _SILENT:
        name = short_name(node.op).rstrip("_")
        box.then.append(_WORDS.get(name, name))


def _box(
    measured: Measured, node: Node, convolutions: Mapping[str, Convolution], places: tuple[int, ...]
) -> Box:
    box = Box(node.layer, _what(node), tuple((node.shape or ())[1:]), reads=places, rf_px=_rf(measured, node))
    found = convolutions.get(node.name)
    weight = measured.weight_shape(node)
    if found is not None:
        window, out = found.window, (node.shape or (0, 0))[1]
        box.kernel, box.groups = window.kernel, window.groups
        box.stride, box.dilation = max(window.stride), found.dilation
        box.channels = (found.channels, out if isinstance(out, int) else 0)
        box.depthwise = found.is_depthwise
        box.what = _convolution(found)
    elif OPS[node.op] == "linear" and len(weight) == 2:
        rows, columns = weight
        if isinstance(rows, int) and isinstance(columns, int):
            box.channels = (columns, rows)
    elif OPS[node.op] in ("avg_pool", "max_pool"):
        _window(box, measured, node)
    return box


def _window(box: Box, measured: Measured, node: Node) -> None:
    try:
        window = measured.window(node)
    except Unmeasurable:
        return
    box.kernel, box.stride = window.kernel, max(window.stride)


def _what(node: Node) -> str:
    family = OPS.get(node.op)
    if family in _POOLS:
        return f"global {_POOLS[family]}" if node.shape and set(node.shape[2:]) == {1} else _POOLS[family]
    return short_name(node.op).rstrip("_") or node.op


def _convolution(found: Convolution) -> str:
    if found.is_depthwise:
        kind = "depthwise"
    elif found.is_pointwise:
        kind = "pointwise"
    else:
        kind = f"{found.window.groups} groups" if found.window.groups > 1 else "convolution"
    return kind


def _rf(measured: Measured, node: Node) -> int | None:
    """Return the receptive field of a map in pixels, its smaller side; None behind the global pool."""
    here = measured.fields[node.name]
    if here.unknown or not here.is_map:
        return None
    return min(pixels(here.span(axis).rf_px) for axis in "hw")
