"""The rule about dilated convolutions."""

from typing import Annotated

from pydantic import Field

from harness.analysis.naming import layers
from harness.analysis.view import View
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, not_judged, passed


@rule(asks="dilated convolutions, where they belong", needs="influence")
class Dilation(NetworkRule):
    """Check that there are dilated convolutions, where and in which order the variant wants them."""

    class Settings(RuleSettings):
        """How many different dilations > 1 there must be, and where or in which order."""

        distinct_at_least: Annotated[int, Field(ge=0)]
        after_last_strided: bool = False
        never_decreasing: bool = False

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        return network.by_influence(lambda view: _dilation(view, settings))


# Private functions

Settings = Dilation.Settings


def _dilation(view: View, limits: Settings) -> Verdict:
    wanted = limits.distinct_at_least
    expected = (
        f"at least {wanted} different dilations > 1" if wanted > 1 else f"at least {wanted} dilation > 1"
    )
    expected += ", one after the last strided convolution" if limits.after_last_strided else ""
    expected += ", never decreasing" if limits.never_decreasing else ""
    found = view.dilated
    actual = ", ".join(f"{c.dilation} in {c.node.layer}" for c in found) or "no dilated convolution"
    nodes = [c.node for c in found]
    if len({c.dilation for c in found}) < limits.distinct_at_least:
        return failed(expected, actual, *nodes, advice=_dilation_advice(view, limits))
    if limits.never_decreasing and any(c.dilation < view.dilation_before(c) for c in found):
        order = sorted(c.dilation for c in found)
        advice = f"Order the dilations so that they grow: {', '.join(map(str, order))}."
        return failed(expected, actual, *nodes, advice=advice)
    if limits.after_last_strided:
        if not view.strided:
            return not_judged(
                expected,
                f"{actual}; but no convolution has a stride (see downsampling)",
                *nodes,
                cause="student",
                advice="Make downsampling pass first.",
            )
        last = view.strided[-1]
        if not any(view.is_after_last_strided(c) for c in found):
            advice = f"Put a dilated 3x3 convolution after {last.node.layer}, the last strided one."
            return failed(expected, f"{actual}; none after {last.node.layer}", *nodes, advice=advice)
    return passed(expected, actual, *nodes)


def _dilation_advice(view: View, limits: Settings) -> str:
    if view.dead_convolutions:
        return f"The output does not depend on {layers(view.dead_convolutions)}: use what they compute."
    free = [c for c in view.convolutions if c.is_spatial and c not in view.strided and c not in view.dilated]
    if limits.after_last_strided and view.strided:
        last = view.strided[-1]
        free = [c for c in free if view.is_after_last_strided(c)]
        if not free:
            return f"Add a 3x3 convolution with dilation 2 (and padding 2) after {last.node.layer}."
    if not free:
        return "Add a 3x3 convolution with another dilation, and padding equal to it, near the end."
    return f"Give {free[-1].node.layer} dilation {_next_dilation(view)}, and padding equal to it."


def _next_dilation(view: View) -> int:
    return 2 * max((c.dilation for c in view.dilated), default=1)
