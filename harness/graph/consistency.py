"""Check that the train and eval graphs of a network compute the same, and that eval is a plain function."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.graph.flow import Flow, literal
from harness.graph.ir import Node, Ref
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.field import Field
from harness.graph.receptive_field.layout import MALFORMED
from harness.graph.receptive_field.mixing import reduced_dimensions

_IN_TRAINING = 2
"""Position of dropout's "train" argument."""
_BATCH_STATISTICS = 5
"""Position of batch-norm's "training" argument."""
_MOMENTUM = 6
LEAST_MOMENTUM = 0.001
"""Of a batch-norm: the share of a new batch in the running statistics, which must be below 1."""
MOST_DROPPED = 0.9
"""Largest probability of a dropout."""
_LEARNING = frozenset({"conv", "conv_transpose", "linear", "matmul", "einsum", "avg_pool", "reduce", "norm"})
"""Behind these, what was dropped from one value is made up for by others."""
_COMPUTES = frozenset({"elementwise", "maximum", "overwrite", "creation", "batch_norm"})
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


def odd_statistics(flow: Flow) -> tuple[Node, ...]:
    """Find the live batch-norms whose running statistics do not follow those of the batches."""
    return tuple(
        node
        for node in flow.nodes
        if OPS.get(node.op) == "batch_norm"
        and not LEAST_MOMENTUM <= (literal(node.arg(_MOMENTUM, "momentum")) or 0.0) < 1
    )


def odd_dropouts(flow: Flow) -> tuple[Node, ...]:
    """Find the live dropouts that leave next to nothing in training, alone or one behind the other."""
    kept: dict[str, float] = {}
    found = []
    for node in flow.nodes:
        share = min((kept.get(name, 1.0) for name in node.refs), default=1.0)
        if OPS.get(node.op) in _LEARNING:
            share = 1.0
        dropped = _dropped(node)
        share *= 1 - (dropped or 0.0)
        if dropped and share < 1 - MOST_DROPPED - 1e-9:
            found.append(node)
        kept[node.name] = share
    return tuple(found)


def shared_statistics(flow: Flow) -> tuple[Node, ...]:
    """Find the live batch-norms of training that use the statistics which another one is just changing."""
    norms = [node for node in flow.nodes if OPS.get(node.op) == "batch_norm"]
    changed = {ref for n in norms if n.arg(_BATCH_STATISTICS, "training") is True for ref in _statistics(n)}
    fixed = [n for n in norms if n.arg(_BATCH_STATISTICS, "training") is not True]
    return tuple(n for n in fixed if not changed.isdisjoint(_statistics(n)))


def switches(measured: Measured) -> tuple[Node, ...]:
    """Find the live batch-norms, and dropouts of constants, that tell the modes apart and not the images."""
    beside = (node for node in measured.flow.nodes if node.name not in measured.fields)
    return tuple(node for node in beside if _is_switch(measured, node))


def unread_statistics(flow: Flow) -> tuple[Node, ...]:
    """Find the batch-norms of training whose result nobody reads, and whose statistics a live one uses."""
    live = {ref for n in flow.nodes if OPS.get(n.op) == "batch_norm" for ref in _statistics(n)}
    unread = (n for n in flow.graph.nodes if n.name not in flow.by_name and OPS.get(n.op) == "batch_norm")
    return tuple(n for n in unread if not live.isdisjoint(_statistics(n)))


def by_batch_size(measured: Measured) -> tuple[Node, ...]:
    """Find the live nodes whose values depend on how many images a batch has."""
    return tuple(node for node in measured.flow.nodes if _depends_on_count(measured, node))


def across_images(measured: Measured) -> tuple[Node, ...]:
    """Find the live operators that combine, compare or exchange the images of a batch."""
    return tuple(node for node in measured.nodes if _is_across_images(measured, node))


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
    """Return a number for every live value, the same for equal computations in both graphs."""
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
        # Affine weights, statistics, momentum, epsilon; only which statistics are used may differ.
        arguments = [*node.args[:_BATCH_STATISTICS], *node.args[_MOMENTUM : _MOMENTUM + 2]]
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


def _is_switch(measured: Measured, node: Node) -> bool:
    """Return whether a node that the image does not reach has different values in training and in eval.

    A weight that is dropped in part does not count, nor a constant that only multiplies what is of the image.
    """
    if OPS.get(node.op) == "batch_norm":
        return True
    is_of_weights = not measured.leading_to(node.name).isdisjoint(measured.graph.bindings)
    return bool(_dropped(node)) and not is_of_weights and not _is_factor(measured, node)


def _is_factor(measured: Measured, node: Node) -> bool:
    """Return whether a dropped constant only multiplies what is computed from the image."""
    names = {node.name}
    for reader in measured.flow.nodes:
        if names.isdisjoint(reader.refs):
            continue
        if OPS.get(reader.op) in ("view", "expand", "identity"):
            names.add(reader.name)
        elif short_name(reader.op) not in ("mul", "mul_", "multiply") or reader.name not in measured.fields:
            return False
    return OPS.get(node.op) == "dropout"


def _statistics(node: Node) -> tuple[str, ...]:
    return tuple(arg.ref for arg in node.args[3:5] if isinstance(arg, Ref))


def _depends_on_count(measured: Measured, node: Node) -> bool:
    """Return whether a node computes with the number of images, or with a tensor of one row for each."""
    family, name = OPS.get(node.op), short_name(node.op)
    by_name = measured.graph.by_name
    if family in _COMPUTES:
        for arg in (*node.args, *node.kwargs.values()):
            source = by_name.get(arg.ref) if isinstance(arg, Ref) else None
            if source is not None and OPS.get(source.op) == "number" and source.op != "operator.getitem":
                return True
    if family in ("reduce", "reduce_max", "scan", "order") and node.name not in measured.fields:
        shape = measured.shapes.get(node.refs[0], ()) if node.refs else ()
        return any(isinstance(size, str) for size in shape)
    return family == "creation" and name in ("arange", "linspace") and bool(node.refs)


def _dropped(node: Node) -> float | None:
    if OPS.get(node.op) == "dropout":
        return literal(node.arg(1, "p"))
    return literal(node.arg(4, "dropout_p", 0.0)) if OPS.get(node.op) == "attention" else None


# Where an operator names the dimensions that it changes the order of, or takes part of.
_ALONG = {
    "slice": 1, "narrow": 1, "select": 1, "index_select": 1, "gather": 1, "unfold": 1, "roll": 2, "flip": 1,
    "softmax": 1, "log_softmax": 1, "cumsum": 1, "cumprod": 1, "logcumsumexp": 1, "cummax": 1, "cummin": 1,
    "sort": 1, "argsort": 1, "cat": 1, "concat": 1, "concatenate": 1, "split": 2, "split_with_sizes": 2,
    "slice_scatter": 2, "select_scatter": 2, "chunk": 2, "tensor_split": 2, "unbind": 1, "glu": 1,
}  # fmt: skip
_KEYWORD = {"roll": "dims", "flip": "dims", "unfold": "dimension"}
_LAST = frozenset({"sort", "argsort", "glu"})


def _is_across_images(measured: Measured, node: Node) -> bool:
    sources = measured.sources(node)
    if OPS.get(node.op) == "gather":
        # What is read matters, not where: that is a list of places.
        sources = tuple(measured.fields[ref] for ref in node.refs[:1] if ref in measured.fields)
    try:
        return any(_holds_images(field, _dimensions(node, field)) for field in sources)
    except MALFORMED:
        return False  # the field of view of what it makes is not known either


def _dimensions(node: Node, field: Field) -> Iterator[int]:
    """Yield the dimensions along which a node combines elements of what it reads, or moves them."""
    name, rank = short_name(node.op), len(field.layout or ())
    if OPS.get(node.op) in ("reduce", "reduce_max"):
        yield from reduced_dimensions(node, rank)
    elif OPS.get(node.op) == "norm":
        yield from range(*_normalised_together(node, name, rank))
    elif name == "index":
        yield from (i for i, index in enumerate(node.arg(1, "indices")) if index is not None)
    elif name in _ALONG and not _takes_all(node, name):
        given = node.arg(_ALONG[name], _KEYWORD.get(name, "dim"), -1 if name in _LAST else 0)
        yield from (d % rank for d in (given if isinstance(given, list) else [given]))


def _normalised_together(node: Node, name: str, rank: int) -> tuple[int, int]:
    """Return the first dimension that a normalisation works along, and the one behind the last."""
    if name == "group_norm":
        return 1, rank
    return (2, rank) if name == "instance_norm" else (rank - len(node.arg(1, "normalized_shape")), rank)


def _takes_all(node: Node, name: str) -> bool:
    """Return whether a slice or a list selects all elements in their order: ``x[:]``, a list of one."""
    if name in ("slice", "slice_scatter"):
        first = 2 if name == "slice" else 3
        start, end, step = (node.arg(first + i, key) for i, key in enumerate(("start", "end", "step")))
        return start in (None, 0) and (end is None or end >= 2**63 - 1) and step in (None, 1)
    return name in ("cat", "concat", "concatenate") and len(node.arg(0, "tensors")) == 1


def _holds_images(field: Field, dimensions: Iterator[int]) -> bool:
    layout = field.layout or ()
    return any(letter == "n" for d in dimensions if d < len(layout) for letter, _ in layout[d])
