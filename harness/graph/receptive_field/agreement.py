"""The receptive field computed from the graph against the one measured by gradients.

The two share no formula: the first follows spans through the operators
(`harness.graph.receptive_field.engine`), the second runs the linearised graph and looks where the gradient of
one position is not zero (`harness.training.probe.gradients`). Here they are compared; a difference is a
defect of the harness.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.base.tables import Frozen
from harness.graph.receptive_field.span import Span
from harness.graph.view import View
from harness.record.facts import SecondMeasurement

Pair = tuple[int, int]


class Extent(Frozen):
    """The pixels that one position of a feature map was measured to see.

    Pairs are (h, w); `rows` and `columns` are first and last pixel, both included.
    """

    value: str
    """Name of the map in the eval graph."""
    input_px: Pair
    position: Pair
    rows: Pair
    columns: Pair


class Extents(Frozen):
    """All positions that were measured; `reason` says why there are none."""

    measured: tuple[Extent, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class _Side:
    """One extent along one axis, measured and computed."""

    lo: int
    hi: int
    input_px: int
    span: Span
    position: int

    @property
    def expected(self) -> Pair:
        """First and last pixel by the formulas; they may lie outside the image."""
        start = self.span.start + self.position * self.span.jump
        return math.floor(start), math.ceil(start + self.span.rf_px - 1)

    @property
    def is_cut(self) -> bool:
        """Whether the border of the image hides how far the position could see."""
        lo, hi = self.expected
        return lo <= 0 or hi >= self.input_px - 1

    @property
    def verdict(self) -> Literal["agrees", "differs", "not_measured"]:
        """Compare the ends.

        Where the formulas give an upper bound, or the border cuts off an end, to see less is no
        difference; but at least one end must then be where it should be.
        """
        lo, hi = self.expected
        if self.lo < lo or self.hi > hi:
            return "differs"
        if self.span.exact and not self.is_cut:
            return "agrees" if (lo, hi) == (self.lo, self.hi) else "differs"
        if not self.span.exact:
            return "agrees"
        return "agrees" if lo == self.lo or hi == self.hi else "not_measured"


def agreement(view: View, extents: Extents) -> SecondMeasurement:
    """Compare the receptive field of the last feature maps with what was measured."""
    if not extents.measured:
        return SecondMeasurement(status="not_measured", note=extents.reason)
    sides = {axis: _sides(view, extents.measured, axis) for axis in "hw"}
    every = [*sides["h"], *sides["w"]]
    wrong = next((side for side in every if side.verdict == "differs"), None)
    if wrong is not None:
        (lo, hi), found = wrong.expected, wrong.hi - wrong.lo + 1
        note = (
            f"computed: pixels {lo} to {hi}, measured: {wrong.lo} to {wrong.hi} of {wrong.input_px}, "
            f"by position {wrong.position}"
        )
        return SecondMeasurement(status="differs", px=None if wrong.is_cut else found, note=note)
    if not any(side.is_cut for side in every):
        smaller = min(max(side.hi - side.lo + 1 for side in one) for one in sides.values())
        return SecondMeasurement(status="agrees", px=smaller)
    image = f"a {every[0].input_px}x{every[-1].input_px} px image"
    if all(any(side.verdict == "agrees" for side in one) for one in sides.values()):
        return SecondMeasurement(status="agrees", note=f"as far as the border of {image} shows")
    return SecondMeasurement(status="not_measured", note=f"it is too wide to be seen in {image}")


def targets(view: View) -> tuple[str, ...]:
    """List the maps worth measuring; none where the receptive field is not known."""
    return () if view.unknown else view.head.maps


# Private functions


def _sides(view: View, extents: Sequence[Extent], axis: str) -> list[_Side]:
    index = "hw".index(axis)
    return [
        _Side(
            *(extent.columns if index else extent.rows),
            input_px=extent.input_px[index],
            span=view.measured.fields[extent.value].span(axis),
            position=extent.position[index],
        )
        for extent in extents
    ]
