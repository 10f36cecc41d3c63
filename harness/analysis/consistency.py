"""Whether the two graphs of a network, train and eval, compute the same, and eval is a plain function."""

from collections.abc import Mapping
from typing import Any

from harness.analysis.flow import Flow, literal
from harness.analysis.graph import Node, Ref
from harness.analysis.ops import OPS, short_name

_IN_TRAINING = 2
"""Position of dropout's "train" argument."""
_BATCH_STATISTICS = 5
"""Position of batch-norm's "training" argument."""
_ATTENTION: Mapping[str, tuple[int, bool | None]] = {"attn_mask": (3, None), "is_causal": (5, False)}
"""Positions and defaults of what an attention does beside its dropout."""


def difference(train: Flow, evaluation: Flow) -> tuple[Node, ...]:
    """Find what one graph computes and the other does not; batch-norm and dropout apart.

    Nodes are compared by what they compute from what, not by name or order. At most the first such
    node of each graph, eval first; none when the outputs are equal.
    """
    table: dict[Any, int] = {}
    in_train, in_eval = _keys(train, table), _keys(evaluation, table)
    if in_train.get(train.output) == in_eval.get(evaluation.output):
        return ()
    first = [
        next((n for n in flow.nodes if own[n.name] not in others), None)
        for flow, own, others in (
            (evaluation, in_eval, set(in_train.values())),
            (train, in_train, set(in_eval.values())),
        )
    ]
    found = tuple(node for node in first if node is not None)
    return found or (evaluation.nodes[-1:] or train.nodes[-1:])


def chance(flow: Flow) -> tuple[Node, ...]:
    """Find the live nodes whose result depends on chance."""
    return tuple(node for node in flow.nodes if _is_random(node))


def batch_statistics(flow: Flow) -> tuple[Node, ...]:
    """Find the live batch-norms that normalise with the statistics of the batch."""
    return tuple(
        node
        for node in flow.nodes
        if OPS.get(node.op) == "batch_norm" and node.arg(_BATCH_STATISTICS, "training") is True
    )


def state_changes(train: Flow, evaluation: Flow) -> tuple[Node, ...]:
    """Find the nodes that change a parameter or buffer: any in eval; in train, one that a graph reads."""
    read = {
        flow.graph.bindings[name]
        for flow in (train, evaluation)
        for node in flow.nodes
        for name in node.refs
        if name in flow.graph.bindings
    }
    in_train = (node for tensor, node in train.changed_tensors.items() if tensor in read)
    return (*evaluation.changed_tensors.values(), *in_train)


# Private functions


def _keys(flow: Flow, table: dict[Any, int]) -> dict[str, int]:
    """Give every live value a number that is the same for equal computations, in both graphs."""
    keys: dict[str, int] = {}
    for name in flow.graph.inputs:
        keys[name] = table.setdefault(("input", flow.graph.inputs.index(name)), len(table))
    for name, tensor in flow.graph.bindings.items():
        keys[name] = table.setdefault(("tensor", tensor), len(table))
    for node in flow.nodes:
        if OPS.get(node.op) == "dropout" and node.refs:
            keys[node.name] = keys.get(node.refs[0], -1)
        else:
            keys[node.name] = table.setdefault(_computation(node, keys), len(table))
    return keys


def _computation(node: Node, keys: Mapping[str, int]) -> tuple[Any, ...]:
    op = short_name(node.op).rstrip("_")
    arguments = list(node.args)
    if OPS.get(node.op) == "batch_norm":
        # Affine weights, then epsilon; statistics and momentum are what may differ.
        arguments = [*node.args[:3], *node.args[7:8]]
    options = dict(node.kwargs)
    if OPS.get(node.op) == "attention":
        arguments = [*node.args[:3], *(node.arg(at, name, usual) for name, (at, usual) in _ATTENTION.items())]
        options = {name: value for name, value in options.items() if name not in {"dropout_p", *_ATTENTION}}
    named = tuple((key, _plain(value, keys)) for key, value in sorted(options.items()))
    return (op, _plain(arguments, keys), named)


def _plain(value: Any, keys: Mapping[str, int]) -> Any:
    if isinstance(value, Ref):
        # A size is a number that both graphs compute from the same image, and is not followed.
        return ("value", keys.get(value.ref, "constant"))
    if isinstance(value, list):
        return tuple(_plain(item, keys) for item in value)
    return (type(value).__name__, value)


def _is_random(node: Node) -> bool:
    family, name = OPS.get(node.op), short_name(node.op)
    if family == "random" or name.startswith("fractional"):
        return True
    if family == "dropout":
        return bool(node.arg(_IN_TRAINING, "train")) and literal(node.arg(1, "p")) != 0
    if name in ("rrelu", "rrelu_"):
        return bool(node.arg(3, "training"))
    return family == "attention" and (literal(node.arg(4, "dropout_p", 0.0)) or 0.0) > 0
