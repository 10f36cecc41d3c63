"""The rule about residual connections."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.graph.kinds import Kinds
from harness.graph.naming import counted, layers
from harness.graph.receptive_field.field import Unknown
from harness.graph.residual_joins import Join, Shortcut
from harness.graph.stages import stage_made, stages
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.limits import Limits
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator

_Number = Annotated[int, Field(ge=0)]
_SHORTCUTS: dict[Shortcut, str] = {"identity": "identity shortcuts", "projection": "1x1 shortcuts"}


@rule(asks="residual connections, where they belong", needs="influence")
class Residual(NetworkRule):
    """Check how many sums join layers and a shortcut, at which resolutions, and what the shortcut is."""

    counts_layers = True

    class Settings(RuleSettings):
        """The number of residual sums, in all or at each resolution, and their kind."""

        adds: Limits | None = None
        """In the whole network."""
        stages: tuple[_Number, ...] | None = None
        """At each resolution, from the largest map to the smallest; those not named have none."""
        per_stage: Limits | None = None
        """At each resolution where two convolutions larger than 1x1 make maps, or more."""
        shortcut: Literal["identity", "projection", "any"] = "any"
        identities: Limits | None = None
        """Of those with nothing that has weights on the shortcut."""
        projections: Limits | None = None
        """Of those with 1x1 convolutions on the shortcut."""
        layers: Limits | None = None
        """Layers with weights on the path that the shortcut passes by."""

        @model_validator(mode="after")
        def _asks_for_some(self) -> "Residual.Settings":
            numbers = (self.adds, self.stages, self.per_stage, self.identities, self.projections)
            if all(number is None for number in numbers):
                raise ValueError(
                    "expected adds, stages, per_stage, identities or projections, got none of them"
                )
            return self

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        return network.by_influence(lambda view: _residual(Kinds(view, network.shown.pools), settings))


# Private functions

Settings = Residual.Settings


def _residual(kinds: Kinds, limits: Settings) -> Verdict:
    expected, joins = _expected(limits), tuple(kinds.joins.values())
    actual = "; ".join([_listed(joins), *_by_stage(kinds, joins)])
    nodes = [join.node for join in joins]
    doubtful = [n for n in kinds.nodes if "residual_add" in kinds.of(n).perhaps]
    wrong = [join for join in joins if _objection(join, limits)]
    if wrong:
        why = "; ".join(f"{join.node.layer}: {_objection(join, limits)}" for join in wrong[:3])
        advice = f"Change {layers([join.node for join in wrong])}."
        return failed(expected, f"{actual}; {why}", *(join.node for join in wrong), advice=advice)
    if doubtful:
        return unknown_operator(expected, Unknown(doubtful[0], "it may be a residual sum"))
    if advice := _number_wrong(kinds, joins, limits):
        return failed(expected, actual, *nodes, advice=advice)
    return passed(expected, actual, *nodes)


def _of_kind(limits: Settings) -> list[tuple[Shortcut, Limits]]:
    """List the kinds of shortcuts of which a number is asked for."""
    both: tuple[tuple[Shortcut, Limits | None], ...] = (
        ("identity", limits.identities),
        ("projection", limits.projections),
    )
    return [(kind, number) for kind, number in both if number is not None]


def _expected(limits: Settings) -> str:
    last = limits.adds and (limits.adds.smallest if limits.adds.largest is None else limits.adds.largest)
    parts = (
        [f"{limits.adds.said} residual sum{'' if last == 1 else 's'}"] if limits.adds else ["residual sums"]
    )
    if limits.stages is not None:
        parts.append(f"at the resolutions {', '.join(map(str, limits.stages))}")
    if limits.per_stage is not None:
        parts.append(f"{limits.per_stage.said} in each stage")
    for kind, number in _of_kind(limits):
        parts.append(f"{number.said} with {_SHORTCUTS[kind]}")
    if limits.shortcut != "any":
        parts.append(f"with {_SHORTCUTS[limits.shortcut]}")
    if limits.layers is not None:
        parts.append(f"each around {limits.layers.said} layers with weights")
    return ", ".join(parts)


def _listed(joins: tuple[Join, ...]) -> str:
    named = ", ".join(f"{join.node.layer} ({join.shortcut})" for join in joins[:8])
    return f"{counted(len(joins), 'residual sum')}: {named}" if joins else "no residual sum"


def _by_stage(kinds: Kinds, joins: tuple[Join, ...]) -> list[str]:
    made = _stages_of(kinds, joins)
    return [f"at the resolutions {', '.join(map(str, made))}"] if made else []


def _stages_of(kinds: Kinds, joins: tuple[Join, ...]) -> list[int]:
    """Count the sums at each resolution, from the largest map to the smallest that has any."""
    at = [stage_made(kinds.view, join.node) for join in joins]
    known = [one for one in at if one is not None]
    return [known.count(one) for one in range(max(known, default=-1) + 1)]


def _objection(join: Join, limits: Settings) -> str:
    """Return what is wrong with one residual sum, if anything is."""
    if limits.shortcut not in ("any", join.shortcut):
        held = "a layer with weights" if join.shortcut == "projection" else "no layer"
        return f"its shortcut holds {held}"
    if limits.layers is not None and not limits.layers.allows(len(join.block)):
        return f"it passes by {counted(len(join.block), 'layer')} with weights"
    return ""


def _number_wrong(kinds: Kinds, joins: tuple[Join, ...], limits: Settings) -> str:
    """Return what to do about the number of sums; empty where it is right."""
    if limits.adds is not None and not limits.adds.allows(len(joins)):
        missing = limits.adds.smallest - len(joins)
        surplus = len(joins) - (limits.adds.largest or 0)
        return (
            f"Add {counted(missing, 'residual sum')}: x = x + f(x)."
            if missing > 0
            else f"Remove {counted(surplus, 'residual sum')}."
        )
    for kind, number in _of_kind(limits):
        found = sum(join.shortcut == kind for join in joins)
        if not number.allows(found):
            return f"Have {number.said} with {_SHORTCUTS[kind]}; there are {found}."
    made = _stages_of(kinds, joins)
    if limits.stages is not None:
        size = max(len(made), len(limits.stages))
        if _padded(made, size) != _padded(limits.stages, size):
            return f"Have {', '.join(map(str, limits.stages))} of them, from the largest map to the smallest."
    if limits.per_stage is not None:
        bad = [at for at in stages(kinds.view) if not limits.per_stage.allows(sum(made[at : at + 1]))]
        if bad:
            return f"Have {limits.per_stage.said} at resolution {bad[0] + 1}, counted from the image's."
    return ""


def _padded(numbers: tuple[int, ...] | list[int], size: int) -> list[int]:
    return [*numbers, *[0] * (size - len(numbers))]
