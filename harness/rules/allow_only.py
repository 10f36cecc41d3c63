"""The rule that a network is made of certain families of layers alone."""

import math
from typing import Annotated

from pydantic import AfterValidator, field_validator

from harness.base.tables import meant, not_empty
from harness.graph.activations import NAMES, activation
from harness.graph.cost import sizes_of_one
from harness.graph.ir import Node
from harness.graph.kinds import Kind, Kinds
from harness.graph.naming import layers
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.field import Unknown
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.families import Layers, described
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator

_PLUMBING = frozenset(
    {
        "view", "permute", "identity", "number", "check", "creation", "uninitialised", "split", "select",
        "slice", "expand", "pad", "dropout", "cat", "stack", "avg_pool", "adaptive_avg_pool", "elementwise",
    }
)  # fmt: skip
"""Operators that compute nothing, where they are of no family."""
_IN_ATTENTION = frozenset({"matmul", "einsum", "softmax"})


@rule(asks="allowed layers only", needs="graph")
class AllowOnly(NetworkRule):
    """Check that only layers of the given families are executed."""

    class Settings(RuleSettings):
        """Families that may occur; of activations, those named, or any."""

        families: Annotated[tuple[Kind, ...], AfterValidator(not_empty)]
        activations: tuple[str, ...] = ()

        @field_validator("activations")
        @classmethod
        def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
            for name in names:
                if name not in NAMES:
                    raise ValueError(
                        f"unknown activation {name}. {meant(name, NAMES, 'activations').rstrip('.')}"
                    )
            return names

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs."""
        return network.in_both(lambda view: _allow_only(Kinds(view, network.shown.pools), settings))


# Private functions

Settings = AllowOnly.Settings


def _allowed(limits: Settings) -> list[str]:
    """List what is allowed; of activations those alone that are given."""
    named = [name for name in limits.families if name != "activation" or not limits.activations]
    return [Layers(family=name).words(2) for name in named] + [
        Layers(family="activation", name=name).words(2) for name in limits.activations
    ]


def _allow_only(kinds: Kinds, limits: Settings) -> Verdict:
    expected = f"nothing but {', '.join(_allowed(limits))}"
    classified = [(node, _is_allowed(kinds, node, limits)) for node in kinds.nodes]
    wrong = [node for node, is_allowed in classified if is_allowed is False]
    if wrong:
        named = "; ".join(f"{described(kinds, node)} in {_at(node)}" for node in wrong[:5])
        return failed(expected, named, *wrong, advice=f"Replace {layers(wrong)} by what is allowed.")
    unknown = [node for node, is_allowed in classified if is_allowed is None]
    if unknown:
        return unknown_operator(
            expected, Unknown(unknown[0], "whether it is one of those allowed is not known")
        )
    return passed(expected, "as expected")


def _at(node: Node) -> str:
    return node.layer + (f" ({node.source})" if node.source else "")


def _is_allowed(kinds: Kinds, node: Node, limits: Settings) -> bool | None:
    """Return whether a node may be there; None where that cannot be decided."""
    classified, families = kinds.of(node), set(limits.families)
    if "activation" in classified.surely and limits.activations:
        return activation(kinds.view.measured, node) in limits.activations
    if classified.surely & families or ("attention" in families and OPS.get(node.op) in _IN_ATTENTION):
        return True
    if classified.surely:
        return False
    if classified.perhaps - families:
        return None
    moves = any(node.name == other.name for other in kinds.view.resampling)
    return not moves and (OPS.get(node.op) in _PLUMBING or _is_of_one(kinds.view.measured, node))


def _is_of_one(measured: Measured, node: Node) -> bool:
    """Return whether a node is the mean or the sum of single numbers, as of a map of one position."""
    if short_name(node.op) not in ("mean", "sum"):
        return False
    before, after = (sizes_of_one(measured, name) for name in (node.refs[0], node.name))
    return before is not None and after is not None and math.prod(before) == math.prod(after)
