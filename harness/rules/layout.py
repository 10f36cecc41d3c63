"""The rule about the order of layers: a pattern over the path from the image to the logits."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, model_validator

from harness.base.tables import Identifier, meant
from harness.graph.flow import data_reads
from harness.graph.ir import Node
from harness.graph.kinds import Kind, Kinds
from harness.graph.naming import layers
from harness.graph.operators import OPS
from harness.graph.receptive_field.field import Unknown
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.families import Layers, described
from harness.rules.network import Network
from harness.rules.patterns import Pattern, letters_of, pattern_of
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator

_PLACES: frozenset[Kind] = frozenset(
    {
        "convolution", "transposed", "linear", "recurrent", "max_pool", "average_pool", "global_average_pool",
        "interpolation", "attention", "residual_add", "concatenation",
    }
)  # fmt: skip
"""Families that always take a place; others do where a letter names them."""
_MOVING = frozenset({"slice", "gather", "pixel_shuffle", "pixel_unshuffle", "max_pool"})
"""Operators of no family that take a place where they change the size of the map."""
_ON_A_SHORTCUT: frozenset[Kind] = frozenset(
    {"pointwise", "normalisation", "activation", "dropout", "average_pool", "max_pool"}
)


@rule(asks="the layers in the given order", needs="influence")
class Layout(NetworkRule):
    """Check that the executed layers come in the order that a pattern gives."""

    counts_layers = True

    class Settings(RuleSettings):
        """A pattern of letters, as in ``"C C c P (C c)+ GAP"``, and which layers each letter stands for."""

        pattern: str
        letters: Annotated[dict[Identifier, Layers], Field(min_length=1)]

        @model_validator(mode="after")
        def _pattern_is_of_letters(self) -> "Layout.Settings":
            named = letters_of(self.pattern)
            for letter in named:
                if letter not in self.letters:
                    known = meant(letter, self.letters, "letters").rstrip(".")
                    raise ValueError(f"the pattern has {letter}, which letters does not define. {known}")
            unused = set(self.letters) - set(named)
            if unused:
                raise ValueError(f"the pattern does not use the letters {', '.join(sorted(unused))}")
            return self

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        return network.by_influence(lambda view: _layout(Kinds(view, network.shown.pools), settings))


# Private functions

Settings = Layout.Settings


def _layout(kinds: Kinds, limits: Settings) -> Verdict:
    """Judge one graph: the places on its longest path, and what stands beside it."""
    expected = limits.pattern
    families = _PLACES | {one.family for one in limits.letters.values()}
    if kinds.view.is_eval:
        families -= {"dropout"}
    places, beside = _path(kinds, families)
    doubtful = [Unknown(n, "it may take a place") for n in kinds.nodes if _may_be(kinds, n, families)]
    verdict, deviates = _matched(kinds, limits, places, expected)
    first = doubtful[0].node if doubtful else None
    is_open = first is not None and (deviates is None or not _is_before(kinds, deviates, first))
    if verdict.status == "failed" and is_open:
        return unknown_operator(expected, doubtful[0])
    stray = [node for node in beside if not _may_stand_beside(kinds, node, limits.letters)]
    if verdict.status == "passed" and stray:
        advice = f"Make it a chain: remove {layers(stray)}, or put it in its place on the path."
        return failed(expected, f"{layers(stray)} runs beside the path", *stray, advice=advice)
    return unknown_operator(expected, doubtful[0]) if verdict.status == "passed" and doubtful else verdict


def _path(kinds: Kinds, families: frozenset[Kind]) -> tuple[list[Node], list[Node]]:
    """Find the places on the path from the image to the output that has most of them, and all others."""
    measured = kinds.view.measured
    moving = {node.name for node in kinds.view.resampling if OPS.get(node.op) in _MOVING}
    places = [n for n in measured.nodes if n.name in moving or kinds.of(n).surely & families]
    named = {node.name for node in places}
    spatial = {c.node.name for c in kinds.view.convolutions if c.is_spatial}
    most: dict[str, tuple[int, int]] = {}
    before: dict[str, str] = {}
    for node in measured.nodes:
        read = [name for name in data_reads(node) if name in measured.fields]
        longest = max(read, key=lambda name: most.get(name, (0, 0)))
        before[node.name] = longest
        count, wide = most.get(longest, (0, 0))
        most[node.name] = count + (node.name in named), wide + (node.name in spatial)
    on, here = set[str](), measured.flow.output
    while here in before:
        on.add(here)
        here = before[here]
    return [node for node in places if node.name in on], [node for node in places if node.name not in on]


def _matched(
    kinds: Kinds, limits: Settings, places: Sequence[Node], expected: str
) -> tuple[Verdict, Node | None]:
    """Follow the pattern along the places, and stop at the first that deviates; return it too."""
    pattern = pattern_of(limits.pattern, _without(kinds, limits))
    at, undecided = pattern.start(), None
    for number, node in enumerate(places, 1):
        fits = {name: limits.letters[name].matches(kinds, node) for name in pattern.next(at)}
        after = pattern.step(at, {name for name, fit in fits.items() if fit is not False})
        if not after:
            return _deviates(kinds, limits, number, node, _requested(limits, pattern, at)), node
        if undecided is None and None in fits.values():
            undecided = Unknown(node, "what it is like is not known")
        at = after
    if pattern.end not in at:
        requested = _requested(limits, pattern, at)
        actual = f"place {len(places) + 1}: expected {requested}, got the end"
        return failed(expected, actual, *places[-1:], advice=f"Add {requested}."), None
    if undecided is not None:
        return unknown_operator(expected, undecided), None
    return passed(expected, f"{len(places)} places: {layers(places)}", *places), None


def _without(kinds: Kinds, limits: Settings) -> tuple[str, ...]:
    """Return the letters that the eval graph has no places for: dropouts do nothing there."""
    return tuple(
        name for name, one in limits.letters.items() if kinds.view.is_eval and one.family == "dropout"
    )


def _deviates(kinds: Kinds, limits: Settings, number: int, node: Node, requested: str) -> Verdict:
    """Return the verdict on what stands where the path leaves the pattern, and what to do about it."""
    got = f"{described(kinds, node)} in {node.layer}" + (f" ({node.source})" if node.source else "")
    advice = f"Put {requested} there." if requested != "the end" else f"Remove what follows: {node.layer}."
    return failed(limits.pattern, f"place {number}: expected {requested}, got {got}", node, advice=advice)


def _is_before(kinds: Kinds, one: Node, other: Node) -> bool:
    names = [node.name for node in kinds.nodes]
    return names.index(one.name) < names.index(other.name)


def _requested(limits: Settings, pattern: Pattern, at: frozenset[int]) -> str:
    words = [f"{letter} ({limits.letters[letter].words()})" for letter in pattern.next(at)]
    return " or ".join([*words, *(["the end"] if pattern.end in at else [])])


def _may_be(kinds: Kinds, node: Node, families: frozenset[Kind]) -> bool:
    classified = kinds.of(node)
    return not classified.surely & families and bool(classified.perhaps & families)


def _may_stand_beside(kinds: Kinds, node: Node, letters: Mapping[str, Layers]) -> bool:
    """Return whether a layer may stand on the shorter of two paths that a letter allows to join."""
    families = {one.family for one in letters.values()}
    is_light = bool(kinds.of(node).surely & _ON_A_SHORTCUT)
    return "concatenation" in families or ("residual_add" in families and is_light)
