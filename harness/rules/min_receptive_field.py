"""The rule about how much of the image the last map sees."""

from typing import Annotated

from pydantic import Field

from harness.analysis.advice import Place, wider
from harness.analysis.graph import Node
from harness.analysis.naming import layers
from harness.analysis.view import View
from harness.record import SecondMeasurement
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, not_judged, opaque, passed, without_head


@rule(asks="the last map sees enough of the image", needs="influence")
class MinReceptiveField(NetworkRule):
    """Check that the last feature map sees enough of the image."""

    class Settings(RuleSettings):
        """The receptive field must be larger than `above_px`, measured at `place`."""

        above_px: Annotated[int, Field(ge=0)]
        place: Place = "before_pool"

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone; eval by gradients and by changed pixels too."""

        def judged(view: View) -> Verdict:
            second = network.second if view is network.evaluation else None
            reach_px = network.shown.reach_px if view.is_eval and network.probe else None
            return _min_receptive_field(view, settings, second, reach_px)

        return network.by_influence(judged)


# Private functions

Settings = MinReceptiveField.Settings


def _min_receptive_field(
    view: View, limits: Settings, second: SecondMeasurement | None, reach_px: tuple[int, int] | None
) -> Verdict:
    place = "before the global pool" if limits.place == "before_pool" else "counting the global pool"
    expected = f"more than {limits.above_px} px {place}"
    before, after = view.receptive_field_px, view.receptive_field_with_pool_px
    rf = before if limits.place == "before_pool" else after
    if view.unknown:
        return opaque(expected, view.unknown)
    if before is None:
        return without_head(expected, view)
    if second is not None and second.status == "differs":
        return _disputed(expected, view, second)
    actual = f"{before} px" + (f" ({after} px counting the pool)" if after is not None else "")
    if view.measured.global_layers:
        actual += f"; {', '.join(view.measured.global_layers[:3])} looks at the whole image and adds nothing"
    if rf is None:
        return failed(expected, f"{actual}; no global pool", advice="End in a global average pool.")
    if rf <= limits.above_px:
        advice = wider(view, limits.above_px, limits.place)
        return failed(expected, actual, *_last(view), advice=advice)
    if reach_px is not None and min(reach_px) + rf - before <= limits.above_px:
        seen = f"{min(reach_px)} px move the last map, when pixels are changed; {actual} by the graph"
        advice = "Pixels at the rim of what the graph says have no influence: use what reads them."
        return failed(expected, seen, *_last(view), advice=advice)
    if not view.is_exact:
        return not_judged(
            expected,
            f"at most {rf} px: interpolation in {layers(view.inexact)} leaves only an upper bound",
            *view.inexact,
            cause="harness",
            advice="Replace the interpolation, or ask the teacher to judge this rule by hand.",
        )
    return passed(expected, actual, *_last(view))


def _disputed(expected: str, view: View, second: SecondMeasurement) -> Verdict:
    """Leave the rule open where two measurements of one number differ."""
    return not_judged(
        expected,
        f"{view.receptive_field_px} px computed from the graph, but gradients show otherwise ({second.note})",
        *_last(view),
        cause="harness",
        advice="If a frozen weight is mostly zeros, make it trainable. Otherwise the harness is mistaken: "
        "please report it, and ask the teacher to judge this rule by hand.",
    )


def _last(view: View) -> list[Node]:
    """Name the last sliding convolution before the head, where the receptive field is complete."""
    spatial = [c.node for c in view.convolutions if c.is_spatial]
    return spatial[-1:]
