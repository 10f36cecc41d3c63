"""The rule that counts layers of one family."""

from typing import Literal

from pydantic import model_validator

from harness.base.tables import Positive
from harness.graph.ir import Node
from harness.graph.kinds import Kinds
from harness.graph.naming import layers
from harness.graph.receptive_field.field import Unknown
from harness.graph.stages import jumps, stage
from harness.graph.view import View
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.families import Found, Layers, find, nearly
from harness.rules.limits import Limits
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator, without_head

_ORDINALS = ("first", "second", "third")


@rule(asks="the right number of layers of a family", needs="influence")
class Count(NetworkRule):
    """Check how many layers of one family are executed, in the whole network or in a part of it."""

    counts_layers = True

    class Settings(RuleSettings, Layers, Limits):
        """The layers, where, and how many: `exactly`, or `at_least` and `at_most`."""

        where: Literal["network", "before_downsampling", "after_downsampling", "head"] = "network"
        nth: Positive | Literal["last"] | None = None
        """Which downsampling is meant; the first where none is given."""

        @model_validator(mode="after")
        def _nth_of_something(self) -> "Count.Settings":
            if self.nth is not None and not self.where.endswith("downsampling"):
                raise ValueError("nth belongs to before_downsampling and after_downsampling: leave it out")
            return self

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone; a dropout by the graph of training."""
        pools = network.shown.pools

        def judged(view: View) -> Verdict:
            seen = network.train if settings.family == "dropout" and view.is_eval else view
            return _count(Kinds(seen, pools), settings)

        return network.by_influence(judged)


def by_number(
    kinds: Kinds, found: Found, requested: Layers, limits: Limits, expected: str, actual: str
) -> Verdict:
    """Judge how many layers were found; those that may be such leave it open where they would decide."""
    nodes, most = found.nodes, len(found.nodes) + len(found.doubtful)
    numbers = range(len(nodes), most + 1)
    if all(limits.allows(number) for number in numbers):
        return passed(expected, actual, *nodes)
    if any(limits.allows(number) for number in numbers):
        return unknown_operator(expected, found.doubtful[0])
    if most < limits.smallest:
        return failed(expected, actual, *nodes, advice=_more(kinds, requested, limits.smallest - len(nodes)))
    some = f" {len(nodes) - (limits.largest or 0)} of" if limits.largest else ""
    do = "Change or remove" if requested.is_narrow else "Remove"
    return failed(expected, actual, *nodes, advice=f"{do}{some} {layers(nodes)}.")


def expected_number(limits: Limits, requested: Layers) -> str:
    """Return the expected number: "exactly 3 convolutions with kernel 3", "no max-pool"."""
    if limits.largest == 0:
        return f"no {requested.words()}"
    last = limits.smallest if limits.largest is None else limits.largest
    return f"{limits.said} {requested.words(last)}"


def listed(nodes: tuple[Node, ...]) -> str:
    """Return the number of layers found, and their names: "2: s1, s2"."""
    return f"{len(nodes)}: {layers(nodes)}" if nodes else "none"


# Private functions

Settings = Count.Settings


def _count(kinds: Kinds, limits: Settings) -> Verdict:
    expected = expected_number(limits, limits) + _place(limits)
    if limits.where == "head" and not kinds.view.head.maps:
        return without_head(expected, kinds.view)
    found = _there(kinds, find(limits, kinds), limits)
    actual = listed(found.nodes)
    if limits.where.endswith("downsampling"):
        several = len(jumps(kinds.view)) - 1
        actual += f"; the maps are made smaller {several} time{'' if several == 1 else 's'}"
    return by_number(kinds, found, limits, limits, expected, actual)


def _place(limits: Settings) -> str:
    if limits.where == "network":
        return ""
    if limits.where == "head":
        return " in the head"
    nth = limits.nth or 1
    which = nth if nth == "last" else _ORDINALS[nth - 1] if nth <= len(_ORDINALS) else f"{nth}th"
    return f" {limits.where.removesuffix('_downsampling')} the {which} downsampling"


def _there(kinds: Kinds, found: Found, limits: Settings) -> Found:
    """Drop layers that stand elsewhere; one whose place is not known may be there."""
    places = {node.name: _is_there(kinds.view, node, limits) for node in found.nodes}
    places |= {reason.node.name: _is_there(kinds.view, reason.node, limits) for reason in found.doubtful}
    nodes = tuple(node for node in found.nodes if places[node.name])
    unplaced = [Unknown(n, "where it stands is not known") for n in found.nodes if places[n.name] is None]
    doubtful = (reason for reason in found.doubtful if places[reason.node.name] is not False)
    return Found(nodes, (*unplaced, *doubtful))


def _is_there(view: View, node: Node, limits: Settings) -> bool | None:
    if limits.where == "network":
        return True
    if limits.where == "head":
        return node in view.head.nodes
    at = stage(view, node)
    if at is None:
        return None
    nth = len(jumps(view)) - 1 if limits.nth == "last" else (limits.nth or 1)
    return at < nth if limits.where == "before_downsampling" else at >= nth


def _more(kinds: Kinds, requested: Layers, missing: int) -> str:
    dead = kinds.view.dead_convolutions
    if dead and requested.family in (
        "convolution",
        "depthwise",
        "pointwise",
        "grouped",
        "separable",
        "weighted",
    ):
        return f"The output does not depend on {layers(dead)}: use what they compute."
    near, add = nearly(requested, kinds), f"Add {missing} {requested.words(missing)}."
    return near if near and missing == 1 else f"{add} {near}".strip()
