"""The rule about dilated convolutions."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from harness.graph.changed_network import reshaped
from harness.graph.convolution import Convolution
from harness.graph.naming import layers, placed
from harness.graph.view import View
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.mends import Mend, insert, reshape, tried
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, not_judged, passed

_TRIED = 5
"""Convolutions tried, from the last one backwards."""


@rule(asks="dilated convolutions, where they belong", needs="influence", depends=("downsampling",))
class Dilation(NetworkRule):
    """Check that there are dilated convolutions, where and in which order the variant wants them."""

    class Settings(RuleSettings):
        """The number of different dilations > 1, and where or in which order."""

        distinct_at_least: Annotated[int, Field(ge=0)]
        after_last_strided: bool = False
        never_decreasing: bool = False

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        return network.by_influence(lambda view: _dilation(view, settings))

    def mends(self, network: Network, settings: Settings) -> Iterator[Mend]:
        """Yield convolutions that could take a dilation, or where to add one."""
        view = network.failing(lambda one: _dilation(one, settings))
        found = view.dilated
        if view.dead_convolutions:
            return
        if settings.never_decreasing and any(c.dilation < view.dilation_before(c) for c in found):
            yield from _in_order(view, found)
        requested = (2, _next_dilation(view), 3)
        for chosen in _free(view, settings):
            for dilation in dict.fromkeys(requested):
                yield from reshape(view, chosen, dilation=dilation)
        if len(found) > 1 or (found and not settings.after_last_strided):
            yield from reshape(view, found[-1], dilation=_next_dilation(view))
        for name in view.head.maps[:1]:
            for dilation in dict.fromkeys(requested):
                yield from insert(view, view.measured.by_name[name], dilation=dilation)


# Private functions

Settings = Dilation.Settings


def _dilation(view: View, limits: Settings) -> Verdict:
    least = limits.distinct_at_least
    expected = f"at least {least} different dilations > 1" if least > 1 else f"at least {least} dilation > 1"
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
            advice = f"Put a dilated 3x3 convolution after {placed(last.node)}, the last strided one."
            return failed(expected, f"{actual}; none after {last.node.layer}", *nodes, advice=advice)
    return passed(expected, actual, *nodes)


def _dilation_advice(view: View, limits: Settings) -> str:
    if view.dead_convolutions:
        return f"The output does not depend on {layers(view.dead_convolutions)}: use what they compute."
    if limits.after_last_strided and view.strided:
        last = view.strided[-1]
        return f"Add a 3x3 convolution with dilation 2 (and padding 2) after {placed(last.node)}."
    return "Add a 3x3 convolution with another dilation, and padding equal to it, near the end."


def _free(view: View, limits: Settings) -> list[Convolution]:
    """List the convolutions that may take a dilation, from the end of the network to its start."""
    free = [c for c in view.convolutions if c.is_spatial and c not in view.strided and c not in view.dilated]
    if limits.after_last_strided:
        free = [c for c in free if view.is_after_last_strided(c)]
    return free[: -_TRIED - 1 : -1]


def _in_order(view: View, found: tuple[Convolution, ...]) -> Iterator[Mend]:
    """Yield the mends that reorder the dilations there are, so that they grow."""
    order = sorted(c.dilation for c in found)
    requested = {c.node.name: d for c, d in zip(sorted(found, key=view.depth), order, strict=True)}
    named = [f"{placed(c.node)} dilation {requested[c.node.name]}" for c in found]
    here: View | None = view
    for name, dilation in requested.items():
        chosen = [c for c in (here.convolutions if here else ()) if c.node.name == name]
        new = reshaped(here, chosen[0], dilation=dilation) if here and chosen else None
        here = View(new, new.eval if view.is_eval else new.train) if new else None
    advice = f"Order the dilations so that they grow: give {', '.join(named)}, and padding equal to it."
    yield from tried(advice, here.measured.architecture if here else None)


def _next_dilation(view: View) -> int:
    return 2 * max((c.dilation for c in view.dilated), default=1)
