"""The rule about the order of layers: a pattern over the path from the image to the logits."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from harness.analysis.field import Unknown
from harness.analysis.flow import data_reads
from harness.analysis.graph import Node
from harness.analysis.kinds import Kind, Kinds
from harness.analysis.naming import layers
from harness.analysis.ops import OPS
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.families import Layers, described
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, opaque, passed
from harness.tables import Identifier, meant

_TOKEN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:([?*+])|\{([0-9]{1,2})\})?")
_PLACES: frozenset[Kind] = frozenset(
    {
        "convolution", "transposed", "linear", "recurrent", "max_pool", "average_pool", "global_average_pool",
        "interpolation", "attention", "residual_add", "concatenation",
    }
)  # fmt: skip
"""Families that always take a place; others do where a letter names them."""
_MOVING = frozenset({"slice", "gather", "pixel_shuffle", "pixel_unshuffle"})
"""Operators of no family that take a place where they change the size of the map."""
_ON_A_SHORTCUT: frozenset[Kind] = frozenset(
    {"pointwise", "normalisation", "activation", "dropout", "average_pool", "max_pool"}
)


@rule(asks="the layers in the given order", needs="influence")
class Layout(NetworkRule):
    """Check that the executed layers come in the order that a pattern gives."""

    counts_layers = True

    class Settings(RuleSettings):
        """A pattern of letters, as in ``"C C c P C{3} GAP c10"``, and which layers each letter stands for."""

        pattern: str
        letters: Annotated[dict[Identifier, Layers], Field(min_length=1)]

        @model_validator(mode="after")
        def _pattern_is_of_letters(self) -> "Layout.Settings":
            named = [_TOKEN.fullmatch(token) for token in self.pattern.split()]
            for token, read in zip(self.pattern.split(), named, strict=True):
                if read is None:
                    raise ValueError(f"{token} in the pattern is no letter; write C, C?, C*, C+ or C{{3}}")
                if read[1] not in self.letters:
                    known = meant(read[1], self.letters, "letters").rstrip(".")
                    raise ValueError(f"the pattern has {read[1]}, which letters does not define. {known}")
            unused = set(self.letters) - {read[1] for read in named if read}
            if unused:
                raise ValueError(f"the pattern does not use the letters {', '.join(sorted(unused))}")
            return self

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        return network.by_influence(lambda view: _layout(Kinds(view, network.shown.pools), settings))


# Private functions

Settings = Layout.Settings


@dataclass(frozen=True)
class _Slot:
    """One letter of the pattern; one that may be left out may also be one that is repeated."""

    letter: str
    optional: bool = False
    repeated: bool = False


def _slots(pattern: str) -> tuple[_Slot, ...]:
    found: list[_Slot] = []
    for read in _TOKEN.finditer(pattern):
        letter, sign, number = read[1], read[2], read[3]
        if sign in ("+", None):
            found += [_Slot(letter)] * int(number or 1)
        if sign is not None:
            found.append(_Slot(letter, optional=True, repeated=sign in "*+"))
    return tuple(found)


def _layout(kinds: Kinds, limits: Settings) -> Verdict:
    """Judge one graph: the places on its longest path, and what stands beside it."""
    expected = limits.pattern
    families = _PLACES | {one.family for one in limits.letters.values()}
    places, beside = _path(kinds, families)
    doubtful = [Unknown(n, "it may take a place") for n in kinds.nodes if _may_be(kinds, n, families)]
    verdict, deviates = _matched(kinds, limits, places, expected)
    first = doubtful[0].node if doubtful else None
    is_open = first is not None and (deviates is None or not _is_before(kinds, deviates, first))
    if verdict.status == "failed" and is_open:
        return opaque(expected, doubtful[0])
    stray = [node for node in beside if not _may_stand_beside(kinds, node, limits.letters)]
    if verdict.status == "passed" and stray:
        advice = f"Make it a chain: remove {layers(stray)}, or put it in its place on the path."
        return failed(expected, f"{layers(stray)} runs beside the path", *stray, advice=advice)
    return opaque(expected, doubtful[0]) if verdict.status == "passed" and doubtful else verdict


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
    slots = _slots(limits.pattern)
    at, undecided = _with_optional({0}, slots), None
    for number, node in enumerate(places, 1):
        after = set[int]()
        for position in at - {len(slots)}:
            fits = limits.letters[slots[position].letter].matches(kinds, node)
            if fits is not False:
                after |= {position + 1} | ({position} if slots[position].repeated else set())
                undecided = undecided or (
                    Unknown(node, "what it is like is not known") if fits is None else None
                )
        if not after:
            got = f"{described(kinds, node)} in {node.layer}" + (f" ({node.source})" if node.source else "")
            wanted = _wanted(limits, slots, at)
            advice = (
                f"Let {wanted} come there." if wanted != "the end" else f"Remove what follows: {node.layer}."
            )
            actual = f"place {number}: expected {wanted}, got {got}"
            return failed(expected, actual, node, advice=advice), node
        at = _with_optional(after, slots)
    if len(slots) not in at:
        wanted = _wanted(limits, slots, at)
        actual = f"place {len(places) + 1}: expected {wanted}, got the end"
        return failed(expected, actual, *places[-1:], advice=f"Add {wanted}."), None
    if undecided is not None:
        return opaque(expected, undecided), None
    return passed(expected, f"{len(places)} places: {layers(places)}", *places), None


def _is_before(kinds: Kinds, one: Node, other: Node) -> bool:
    names = [node.name for node in kinds.nodes]
    return names.index(one.name) < names.index(other.name)


def _with_optional(at: set[int], slots: Sequence[_Slot]) -> set[int]:
    """Add the positions that are reached by leaving letters out."""
    found = set(at)
    for position, slot in enumerate(slots):
        if position in found and slot.optional:
            found.add(position + 1)
    return found


def _wanted(limits: Settings, slots: Sequence[_Slot], at: set[int]) -> str:
    letters = dict.fromkeys(slots[i].letter for i in sorted(at) if i < len(slots))
    words = [f"{letter} ({limits.letters[letter].words()})" for letter in letters]
    return " or ".join([*words, *(["the end"] if len(slots) in at else [])])


def _may_be(kinds: Kinds, node: Node, families: frozenset[Kind]) -> bool:
    told = kinds.of(node)
    return not told.surely & families and bool(told.perhaps & families)


def _may_stand_beside(kinds: Kinds, node: Node, letters: Mapping[str, Layers]) -> bool:
    """Tell whether a layer may stand on the shorter of two paths that a letter says may join."""
    families = {one.family for one in letters.values()}
    is_light = bool(kinds.of(node).surely & _ON_A_SHORTCUT)
    return "concatenation" in families or ("residual_add" in families and is_light)
