"""Convolutions as they are executed over feature maps."""

from collections.abc import Iterator
from dataclasses import dataclass

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
