"""A graph in which every operator is replaced by a positive linear one that looks at the same places.

Run with positive weights on a positive image, the gradient of one of its values is non-zero exactly where
that value can see the image: no activation saturates, no two paths cancel, no maximum picks a side.
What looks at the whole image beside its own place (a gate behind a global pool, the statistics of a
group-norm) is cut off, as the rules say that it adds nothing.

Values that the image does not reach, such as weights computed from other weights, are left as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.graph.ir import Graph, Node, Ref
from harness.graph.operators import OPS, Family, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.layout import Unmeasurable
from harness.graph.receptive_field.mixing import reduced_dimensions

# What keeps its (first) argument, as far as places go.
_KEEPS = frozenset({"identity", "dropout", "batch_norm", "norm", "softmax"})
# Takes every argument in at its own place.
_COMBINES = frozenset({"elementwise", "maximum", "overwrite", "random"})
# Linear as they are, given a positive weight.
_WEIGHTED = frozenset({"conv", "conv_transpose", "linear", "matmul", "einsum"})
_NO_COUNTERPART: frozenset[Family] = frozenset(
    {"attention", "order", "recurrent", "frequency", "complex_pairs", "col2im"}
)
_COMPLEX = frozenset({"complex", "real", "imag", "angle"})
_POOLS = {"max_pool": "avg_pool", "adaptive_max_pool": "adaptive_avg_pool"}


def linearised(measured: Measured, target: str) -> Graph:
    """Rewrite the live part of a graph that leads to the value `target`.

    Raises:
        Unmeasurable: an operator has no positive linear counterpart; the message names it.
    """
    rewriting = _Rewriting(measured)
    for node in _leading_to(measured, target):
        rewriting.add(node)
    graph = measured.graph
    return Graph.model_construct(
        inputs=graph.inputs,
        input_shape=graph.input_shape,
        bindings=graph.bindings,
        nodes=tuple(rewriting.nodes),
        outputs=(target,),
    )


def up_to(graph: Graph, target: str) -> Graph:
    """Cut a graph off behind one of its values, operators unchanged."""
    end = next(i for i, node in enumerate(graph.nodes) if node.name == target)
    return Graph.model_construct(**{**dict(graph), "nodes": graph.nodes[: end + 1], "outputs": (target,)})


# Private functions


def _leading_to(measured: Measured, target: str) -> Sequence[Node]:
    """List the nodes a value depends on, in order of execution, and those that only give it sizes."""
    by_name, needed, pending = measured.graph.by_name, {target}, [target]
    while pending:
        name = pending.pop()
        for ref in measured.by_name.get(name, by_name[name]).refs:
            if ref in by_name and ref not in needed:
                needed.add(ref)
                pending.append(ref)
    return [measured.by_name.get(node.name, node) for node in measured.graph.nodes if node.name in needed]


@dataclass
class _Rewriting:
    """The nodes written so far."""

    measured: Measured
    nodes: list[Node] = field(default_factory=list)
    unpacked: set[str] = field(default_factory=set)
    """Values that were tuples in the original, of which only the first part is left."""

    def add(self, node: Node) -> None:
        """Write the counterpart of one node."""
        if node.name not in self.measured.fields:
            self.nodes.append(node)
            return
        own = self.measured.fields[node.name]
        if own.unknown is not None:
            raise Unmeasurable(f"{node.op} in {node.layer}: {own.unknown.why}")
        cut = own.layout is not None and not own.is_map
        new = self._counterpart(node)
        if not cut:
            self.nodes.append(new)
            return
        before = f"{node.name[:180]}__seen_whole"
        self.nodes.append(Node.model_construct(**{**dict(new), "name": before}))
        self.nodes.append(_call(node, "aten.detach.default", Ref(ref=before)))

    def _counterpart(self, node: Node) -> Node:
        family, name = OPS[node.op], short_name(node.op).rstrip("_")
        if node.op == "operator.getitem" and not self.unpacked.isdisjoint(node.refs[:1]):
            return self._first_of(node)
        if family in _NO_COUNTERPART or name in _COMPLEX:
            raise _without(node)
        if family in _COMBINES:
            return self._sum(node)
        if family in _KEEPS:
            if node.shape is None:
                raise _without(node)
            return _call(node, "aten.alias.default", node.args[0])
        if family in _POOLS:
            return self._average(node, name)
        if family in ("reduce", "reduce_max"):
            return self._mean(node, name)
        if family in _WEIGHTED:
            return self._positive(node)
        if node.op == "aten.view.default":
            return _call(node, "aten.reshape.default", *node.args)
        return node

    def _first_of(self, node: Node) -> Node:
        if node.args[1] != 0:
            raise Unmeasurable(f"{node.layer}: where a maximum lies is used")
        return _call(node, "aten.alias.default", node.args[0])

    def _sum(self, node: Node) -> Node:
        """Add up the arguments that have places; one without may still be needed for its shape."""
        refs = [name for name in dict.fromkeys(node.refs) if self._is_there(name)]
        reached = [name for name in refs if name in self.measured.fields]
        if any(self.measured.shapes.get(name) == node.shape for name in reached):
            refs = reached
        if not reached or node.shape is None:
            raise _without(node)
        *first, last = refs
        total = last
        for index, name in enumerate(first):
            partial = node.name if index == len(first) - 1 else f"{node.name[:180]}__sum{index}"
            self.nodes.append(_named(_call(node, "aten.add.Tensor", Ref(ref=total), Ref(ref=name)), partial))
            total = partial
        if not first:
            return _call(node, "aten.alias.default", Ref(ref=last))
        return self.nodes.pop()

    def _is_there(self, name: str) -> bool:
        graph = self.measured.graph
        return name in graph.inputs or name in graph.bindings or name in self.measured.by_name

    def _average(self, node: Node, name: str) -> Node:
        """Average where the original takes the maximum."""
        if name.startswith("fractional"):
            raise _without(node)
        if name.startswith("adaptive"):
            self.unpacked.add(node.name)
            return _call(node, node.op.replace("adaptive_max", "adaptive_avg"), *node.args[:2])
        if name.endswith("_with_indices"):
            self.unpacked.add(node.name)
        window = self.measured.window(node)
        if set(window.dilation) != {1}:
            raise _without(node)
        op = f"aten.avg_pool{window.rank}d.default"
        sizes = [list(side) for side in (window.kernel, window.stride, window.padding)]
        return _call(node, op, node.args[0], *sizes, bool(node.arg(5, "ceil_mode", default=False)))

    def _mean(self, node: Node, name: str) -> Node:
        """Average where the original computes some other number from many."""
        if name in ("mean", "sum"):
            return node
        picks = name in ("topk", "kthvalue", "median", "nanmedian", "mode", "quantile", "nanquantile")
        if picks or len(node.refs) != 1 or (node.shape is None and name not in ("max", "min")):
            raise _without(node)
        if node.shape is None:
            self.unpacked.add(node.name)
        rank = len(self.measured.shapes[node.refs[0]])
        dimensions = sorted(reduced_dimensions(node, rank))
        layout = self.measured.fields[node.name].layout
        keeps = layout is not None and len(layout) == rank
        return _call(node, "aten.mean.dim", Ref(ref=node.refs[0]), dimensions, keeps)

    def _positive(self, node: Node) -> Node:
        """Make a weight positive that is computed from others; those bound to the graph are made so."""
        reached = [name for name in node.refs if name in self.measured.fields]
        if len(reached) > 1 and node.layer in self.measured.global_layers:
            raise Unmeasurable(f"{node.op} in {node.layer} looks at the whole image")
        computed = [n for n in node.refs if n in self.measured.by_name and n not in self.measured.fields]
        positive = {}
        for index, name in enumerate(dict.fromkeys(computed)):
            positive[name] = f"{node.name[:180]}__abs{index}"
            self.nodes.append(_named(_call(node, "aten.abs.default", Ref(ref=name)), positive[name]))
        args = tuple(_renamed(arg, positive) for arg in node.args)
        return node.with_arguments(args, {key: _renamed(arg, positive) for key, arg in node.kwargs.items()})


def _call(node: Node, op: str, *args: Any) -> Node:
    return Node.model_construct(**{**dict(node), "op": op, "args": args, "kwargs": {}})


def _named(node: Node, name: str) -> Node:
    return Node.model_construct(**{**dict(node), "name": name})


def _without(node: Node) -> Unmeasurable:
    return Unmeasurable(f"{node.op} in {node.layer} has no linear counterpart")


def _renamed(arg: Any, names: dict[str, str]) -> Any:
    if isinstance(arg, Ref):
        return Ref(ref=names.get(arg.ref, arg.ref))
    return [_renamed(item, names) for item in arg] if isinstance(arg, list) else arg
