"""The rule about the normalisation that a network uses."""

from typing import Literal

from harness.graph.ir import Node
from harness.graph.kinds import Kind, Kinds
from harness.graph.naming import layers
from harness.graph.receptive_field.field import Unknown
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.families import described
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator

NormKind = Literal["batch", "layer", "group", "instance", "none"]

_FAMILY: dict[NormKind, Kind] = {
    "batch": "batch_norm",
    "layer": "layer_norm",
    "group": "group_norm",
    "instance": "instance_norm",
}


@rule(asks="one kind of normalisation", needs="influence")
class Norm(NetworkRule):
    """Check that the requested normalisation is used, and no other."""

    counts_layers = True

    class Settings(RuleSettings):
        """The normalisation that is used, or none."""

        kind: NormKind

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        return network.by_influence(lambda view: _norm(Kinds(view, network.shown.pools), settings.kind))


# Private functions


def _norm(kinds: Kinds, kind: NormKind) -> Verdict:
    family = _FAMILY.get(kind)
    expected = f"{kind}-norm, and no other normalisation" if family else "no normalisation"
    used = [node for node in kinds.nodes if "normalisation" in kinds.of(node).surely]
    right = [node for node in used if family in kinds.of(node).surely]
    perhaps = [node for node in kinds.nodes if _may_be(kinds, node, family)]
    others = [node for node in used if node not in right and node not in perhaps]
    actual = _listed(kinds, others or used)
    if others:
        remedy = f"by {kind}-norm" if family else "by nothing"
        return failed(expected, actual, *others, advice=f"Replace {layers(others)} {remedy}.")
    if perhaps:
        return unknown_operator(expected, Unknown(perhaps[0], "how it normalises is not known"))
    if family and not right:
        return failed(expected, actual, advice=f"Put a {kind}-norm behind each convolution.")
    return passed(expected, actual, *right)


def _may_be(kinds: Kinds, node: Node, family: Kind | None) -> bool:
    """Return whether a node may be the requested normalisation, or may be one at all."""
    classified = kinds.of(node)
    if "normalisation" in classified.surely:
        return family is not None and family in classified.perhaps and family not in classified.surely
    return "normalisation" in classified.perhaps


def _listed(kinds: Kinds, nodes: list[Node]) -> str:
    """Return the normalisations there are, and where: "batch-norm in bn1, bn2"."""
    named: dict[str, list[Node]] = {}
    for node in nodes:
        named.setdefault(described(kinds, node).partition(" ")[2], []).append(node)
    return "; ".join(f"{word} in {layers(group)}" for word, group in named.items()) or "none"
