"""The rule about how much of the image the last map sees, within limits or for the record."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated

from pydantic import Field, model_validator

from harness.graph.advice import LARGEST_DILATION, Place, field_at, wider
from harness.graph.changed_network import reshaped
from harness.graph.convolution import Convolution
from harness.graph.ir import Node
from harness.graph.naming import layers, placed
from harness.graph.view import View
from harness.record.facts import SecondMeasurement
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.mends import Mend, insert, tried
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, not_judged, passed, unknown_operator, without_head

_Pixels = Annotated[int, Field(ge=0)]


@rule(asks="the receptive field is within its limits", needs="influence", depends=("downsampling",))
class ReceptiveField(NetworkRule):
    """Check that the receptive field of the last feature map lies within limits, or record it."""

    class Settings(RuleSettings):
        """The receptive field at `place` must be larger than `above_px` and smaller than `below_px`."""

        above_px: _Pixels | None = None
        below_px: _Pixels | None = None
        place: Place = "before_pool"
        record_only: bool = False
        """Whether it is only shown, and nothing is asked for."""

        @model_validator(mode="after")
        def _asks_for_something(self) -> "ReceptiveField.Settings":
            limits = [limit for limit in (self.above_px, self.below_px) if limit is not None]
            if bool(limits) == self.record_only:
                raise ValueError("expected above_px or below_px, or else record_only = true")
            if len(limits) == 2 and limits[1] - limits[0] < 2:
                raise ValueError(
                    f"above_px is {limits[0]} and below_px {limits[1]}: no number is between them"
                )
            return self

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone; eval by gradients and by changed pixels too."""
        verdict = network.by_influence(judged_by_size(network, settings))
        if settings.record_only:
            return replace(verdict, status="passed", help="", cause=None)
        return verdict

    def mends(self, network: Network, settings: Settings) -> Iterator[Mend]:
        """Yield what would make the receptive field large enough."""
        return mends_by_size(network, settings)


def mends_by_size(network: Network, limits: ReceptiveField.Settings) -> Iterator[Mend]:
    """Yield dilations that would make the receptive field large enough, or convolutions that would."""
    view = network.failing(judged_by_size(network, limits))
    above, now = limits.above_px, field_at(view, limits.place)
    if above is None or now is None or now > above or not view.jumps:
        return
    for chosen, dilation, new in wider(view, above, limits.place):
        yield from tried(_said(now, chosen, dilation, new), reshaped(view, chosen, dilation=dilation))
    needed = -(-(above + 1 - now) // (2 * view.jumps[0]))
    largest = max((c.dilation for c in view.dilated), default=1)
    for dilation in dict.fromkeys(min(d, LARGEST_DILATION) for d in (needed, max(needed, largest))):
        for name in view.head.maps[:1]:
            yield from insert(view, view.measured.by_name[name], dilation=dilation)


def judged_by_size(network: Network, limits: ReceptiveField.Settings) -> Callable[[View], Verdict]:
    """Return the function that judges one graph."""

    def judged(view: View) -> Verdict:
        second = network.second if view is network.evaluation else None
        reach_px = network.shown.reach_px if view.is_eval and network.probe else None
        return _receptive_field(view, limits, second, reach_px)

    return judged


# Private functions

Settings = ReceptiveField.Settings


def _receptive_field(
    view: View, limits: Settings, second: SecondMeasurement | None, reach_px: tuple[int, int] | None
) -> Verdict:
    expected = _expected(limits)
    before, after = view.receptive_field_px, view.receptive_field_with_pool_px
    rf = before if limits.place == "before_pool" else after
    if view.unknown:
        return unknown_operator(expected, view.unknown)
    if before is None:
        return without_head(expected, view)
    if second is not None and second.status == "differs":
        return _disputed(expected, view, second)
    actual = f"{before} px" + (f" ({after} px counting the pool)" if after is not None else "")
    if view.measured.global_layers:
        actual += f"; {', '.join(view.measured.global_layers[:3])} looks at the whole image and adds nothing"
    if rf is None:
        return failed(expected, f"{actual}; no global pool", advice="End in a global average pool.")
    seen = None if reach_px is None else min(reach_px) + rf - before
    return _limited(view, limits, expected, actual, rf, seen)


def _limited(view: View, limits: Settings, expected: str, actual: str, rf: int, seen: int | None) -> Verdict:
    """Compare a receptive field with the limits; `seen` is what changed pixels show of it."""
    above, below = limits.above_px, limits.below_px
    if above is not None and rf <= above:
        return failed(expected, actual, *_last(view), advice=_wider(view, above, limits.place))
    if above is not None and seen is not None and seen <= above:
        moved = seen - rf + (view.receptive_field_px or 0)
        text = f"{moved} px move the last map, when pixels are changed; {actual} by the graph"
        advice = "Pixels at the rim of what the graph says have no influence: use what reads them."
        return failed(expected, text, *_last(view), advice=advice)
    too_large = below is not None and rf >= below
    if not view.is_exact and (above is not None or too_large):
        return not_judged(
            expected,
            f"at most {rf} px: interpolation in {layers(view.inexact)} leaves only an upper bound",
            *view.inexact,
            cause="harness",
            advice="Replace the interpolation, or ask the teacher to judge this rule by hand.",
        )
    if too_large:
        advice = "Use fewer convolutions, smaller kernels or dilations, or less downsampling before them."
        return failed(expected, actual, *_last(view), advice=advice)
    return passed(expected, actual, *_last(view))


def _wider(view: View, above_px: int, place: Place) -> str:
    now = field_at(view, place)
    for chosen, dilation, new in wider(view, above_px, place) if now is not None else ():
        return _said(now or 0, chosen, dilation, new)
    return "Add 3x3 convolutions on the path to the head, or give them a dilation."


def _said(now: int, chosen: Convolution, dilation: int, new: int) -> str:
    layer, more = placed(chosen.node), new - now
    gives = f"dilation {dilation} (and padding {dilation}) in {layer} would add {more}: {new}"
    return f"The receptive field is {now}; {gives}."


def _expected(limits: Settings) -> str:
    place = "before the global pool" if limits.place == "before_pool" else "counting the global pool"
    above = f"more than {limits.above_px} px" if limits.above_px is not None else ""
    below = f"fewer than {limits.below_px} px" if limits.below_px is not None else ""
    return f"{' and '.join(filter(None, [above, below])) or 'any number of px, for the record,'} {place}"


def _disputed(expected: str, view: View, second: SecondMeasurement) -> Verdict:
    """Return an open verdict, where two measurements of one number differ."""
    return not_judged(
        expected,
        f"{view.receptive_field_px} px computed from the graph, but gradients show otherwise ({second.note})",
        *_last(view),
        cause="harness",
        advice="If a frozen weight is mostly zeros, make it trainable. Otherwise the harness is mistaken: "
        "please report it, and ask the teacher to judge this rule by hand.",
    )


def _last(view: View) -> list[Node]:
    """Return the last sliding convolution before the head, where the receptive field is complete."""
    spatial = [c.node for c in view.convolutions if c.is_spatial]
    return spatial[-1:]
