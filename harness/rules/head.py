"""The rule about what may stand in the head of a network."""

from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from harness.base.tables import not_empty
from harness.graph.head import classifiers, describe, positions
from harness.graph.ir import Node
from harness.graph.kinds import Kind, Kinds
from harness.graph.operators import OPS, short_name
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.families import described
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator, without_head

Step = Literal[
    "global_average_pool", "global_max_pool", "flatten", "linear", "hidden_linear", "pointwise_convolution",
    "dropout", "activation", "normalisation", "softmax", "log_softmax",
]  # fmt: skip

_OF_A_KIND: dict[Kind, Step] = {
    "global_average_pool": "global_average_pool",
    "global_max_pool": "global_max_pool",
    "pointwise": "pointwise_convolution",
    "dropout": "dropout",
    "activation": "activation",
    "normalisation": "normalisation",
}
_MOVES = frozenset(
    {"view", "identity", "permute", "select", "slice", "expand", "number", "dropout", "elementwise"}
)


@rule(asks="the head has allowed layers only", needs="influence")
class Head(NetworkRule):
    """Check which steps lead from the last feature map to the logits."""

    counts_layers = True

    class Settings(RuleSettings):
        """Steps that may stand in the head, and those of them that must."""

        may_hold: Annotated[tuple[Step, ...], AfterValidator(not_empty)] | None = None
        """Besides those that must; not given: any."""
        must_hold: tuple[Step, ...] = ()

        @model_validator(mode="after")
        def _asks_for_some(self) -> "Head.Settings":
            if self.may_hold is None and not self.must_hold:
                raise ValueError("expected may_hold or must_hold, got none of them")
            return self

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        pools = network.shown.pools
        return network.by_influence(lambda view: _head(Kinds(view, pools), settings, network.classes))


# Private functions

Settings = Head.Settings


def _head(kinds: Kinds, limits: Settings, classes: int) -> Verdict:
    measured, head = kinds.view.measured, kinds.view.head
    is_open = limits.may_hold is None
    allowed = tuple(dict.fromkeys([*(limits.may_hold or ()), *limits.must_hold]))
    expected = "anything" if is_open else f"nothing but {', '.join(allowed)}"
    expected += f"; with {', '.join(limits.must_hold)}" if limits.must_hold else ""
    if head.unknown is not None:
        return unknown_operator(expected, kinds.view.unknown_operators[0])
    if not head.nodes:
        return without_head(expected, kinds.view)
    actual = describe(measured, head)
    shape = tuple(measured.shapes.get(measured.flow.output, ()))
    if shape[1:] != (classes,):
        sizes = ", ".join(map(str, shape))
        advice = f"Return one tensor of logits, shape (N, {classes})."
        return failed(expected, f"{actual}; the network returns ({sizes})", *head.nodes[-1:], advice=advice)
    steps = {node.name: _steps(kinds, node) for node in head.nodes}
    for node in head.nodes:
        found = steps[node.name]
        if is_open:
            continue
        stray = "" if found is None else next((step for step in found if step not in allowed), "")
        if found is None or stray:
            why = stray or f"{described(kinds, node)} in {node.layer}"
            advice = f"Take {node.layer} out of the head: it may hold {', '.join(allowed)}."
            return failed(expected, f"{actual}; {why} is not allowed", node, advice=advice)
    held = {step for found in steps.values() for step in found or ()}
    here = [step for step in limits.must_hold if step != "dropout" or not kinds.view.is_eval]
    missing = [step for step in here if step not in held]
    if missing:
        return failed(expected, f"{actual}; no {missing[0]}", *head.nodes[-1:], advice=f"Add {missing[0]}.")
    return passed(expected, actual, *head.nodes)


def _steps(kinds: Kinds, node: Node) -> list[Step] | None:
    """Return the steps a node of the head is; none for what only moves numbers, None for anything else."""
    measured, classified = kinds.view.measured, kinds.of(node)
    if "linear" in classified.surely:
        last = classifiers(measured, kinds.view.head)[-1:]
        linear: Step = "linear" if node in last else "hidden_linear"
        reads = next((name for name in node.refs if name in measured.fields), "")
        return ["flatten", linear] if positions(measured, reads) > 1 else [linear]
    if "softmax" in classified.surely:
        return ["log_softmax" if short_name(node.op) == "log_softmax" else "softmax"]
    for kind, step in _OF_A_KIND.items():
        if kind in classified.surely:
            return [step]
    if classified.surely:
        return None
    is_half_a_pool = short_name(node.op) in ("mean", "sum") and bool(measured.fields[node.name].axes)
    return [] if is_half_a_pool or OPS.get(node.op) in _MOVES else None
