"""The functional data flow of a graph: in-place operators resolved, what the output ignores left out.

An exported graph keeps the student's in-place calls (``relu_``), after which every name of the changed
tensor means the new values; here each read names the node that made the values it gets. A change
through a view (``x[:, 0] = 0``) that is read again under another name cannot be written that way; such
nodes are `tangled`, and nobody guesses what they do.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.graph.ir import Graph, Node, Ref
from harness.graph.operators import MAY_SHARE, OPS, is_in_place, short_name, unknown_nodes

# What is the very same tensor under another name.
_SAME_TENSOR = frozenset({"aten.alias.default", "aten.detach.default", "aten.detach_.default"})
# In-place changes of the shape alone: other views do not notice.
_RESHAPERS = frozenset({"squeeze_", "unsqueeze_", "transpose_"})


@dataclass(frozen=True)
class Flow:
    """A graph as a function: `nodes` are those the output depends on, in order of execution.

    The arguments of each name the node whose values it gets; an operator that overwrites its tensor
    has lost that argument.
    """

    graph: Graph
    nodes: tuple[Node, ...]
    output: str
    unknown: tuple[Node, ...]
    """Operators that are not on the allow-list, live or not."""
    tangled: tuple[Node, ...]
    """In-place changes of a tensor that is also read under another name."""
    changed_tensors: Mapping[str, Node]
    """Parameters and buffers (fully qualified names) that an in-place operator changes."""
    zeros: frozenset[str]
    """Values taken for zero whatever the image is, and so left out; running the graph has to confirm it."""

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """Live nodes by name."""
        return {node.name: node for node in self.nodes}


@dataclass
class _Names:
    """The values that each name has at this point of the program.

    Names of the same tensor in the same shape share one entry, under the first of them.
    """

    last_read: Mapping[str, int]
    first: dict[str, str] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    """By first name: the node that made the values it has now."""
    read_until: dict[str, int] = field(default_factory=dict)
    """By first name: the last place in the program that reads it under any name."""
    root: dict[str, str] = field(default_factory=dict)
    """The tensor whose memory a name may share."""
    views: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """First names that may share a root's memory."""

    def add(self, name: str, root: str | None = None, same: str | None = None) -> None:
        """Enter a new name."""
        first = self.first[name] = self.first[same] if same else name
        self.root[name] = self.root[root] if root else name
        self.read_until[first] = max(self.read_until.get(first, -1), self.last_read.get(name, -1))
        if first == name:
            self.newest[name] = name
            self.views[self.root[name]].append(name)

    def join(self, names: tuple[str, ...]) -> str:
        """Join several names under one root, as for a result that is a view of any of them."""
        into, *others = dict.fromkeys(self.root[name] for name in names)
        for other in others:
            self.views[into] += self.views.pop(other, [])
            self.root.update({name: into for name, root in self.root.items() if root == other})
        return names[0]

    def current(self, name: str) -> str:
        """Return the node that made the values a name has now."""
        return self.newest[self.first[name]]


def functional(graph: Graph) -> Flow:
    """Resolve the in-place operators of a graph and keep the nodes its (first) output depends on."""
    names = _Names(_last_reads(graph))
    for name in (*graph.inputs, *graph.bindings):
        names.add(name)
    rewritten: dict[str, Node] = {}
    tangled: list[Node] = []
    changed: dict[str, Node] = {}
    unknown = unknown_nodes(graph)
    for position, node in enumerate(graph.nodes):
        rewritten[node.name] = _rewritten(node, names)
        if is_in_place(node.op) and node.op not in _SAME_TENSOR and node.refs:
            target = node.refs[0]
            if short_name(node.op) not in _RESHAPERS:
                if others := _read_later(target, position, names):
                    tangled.append(node)
                    rewritten[node.name] = node
                    # What they hold now is not followed: whoever reads them depends on this node.
                    names.newest.update(dict.fromkeys(others, node.name))
                if (owner := graph.bindings.get(names.root[target])) is not None:
                    changed[owner] = node
            _change(node, target, names)
        else:
            names.add(node.name, *_sharing(node, names))
    output = names.current(graph.outputs[0])
    zeros = _zeros(rewritten, frozenset(node.name for node in tangled))
    nodes = tuple(_live(rewritten, output, zeros))
    return Flow(graph, nodes, output, unknown, tuple(tangled), changed, zeros)


def data_reads(node: Node) -> tuple[str, ...]:
    """List the values whose elements, not only their shape, reach a node's result."""
    name, family = short_name(node.op), OPS.get(node.op)
    if name in ("sym_size", "sym_numel", "sym_stride"):
        return ()
    made = family in ("creation", "uninitialised", "random")
    if made and (name.endswith("_like") or name.startswith("new_")):
        first = node.arg(0, "self")
        return tuple(ref for ref in node.refs if not isinstance(first, Ref) or ref != first.ref)
    if name in ("view_as", "reshape_as", "expand_as", "type_as") or node.op == "aten.to.other":
        return node.refs[:1]
    return node.refs


def literal(value: Any) -> float | None:
    """Read a number written in the graph; None for anything else."""
    return float(value) if isinstance(value, int | float) else None


# Private functions


def _last_reads(graph: Graph) -> Mapping[str, int]:
    reads = {ref: position for position, node in enumerate(graph.nodes) for ref in node.refs}
    return reads | dict.fromkeys(graph.outputs, len(graph.nodes))


def _sharing(node: Node, names: _Names) -> tuple[str | None, str | None]:
    """Return the value a node's result may share memory with, and the one it is the same tensor as."""
    if not node.refs or node.op not in OPS:
        return None, None
    first = node.refs[0]
    if node.op in _SAME_TENSOR or (OPS[node.op] == "dropout" and not node.arg(2, "train", default=True)):
        return first, first
    if node.op not in MAY_SHARE:
        return None, None
    return (names.join(node.refs) if isinstance(node.args[0], list) else first), None


def _read_later(target: str, position: int, names: _Names) -> list[str]:
    """List other views of the changed memory that are read after this position."""
    own = names.first[target]
    views = names.views[names.root[target]]
    return [other for other in views if other != own and names.read_until[other] > position]


def _change(node: Node, target: str, names: _Names) -> None:
    names.add(node.name, target, target)
    names.newest[names.first[target]] = node.name


def _rewritten(node: Node, names: _Names) -> Node:
    args = tuple(_renamed(arg, names) for arg in node.args)
    if is_in_place(node.op) and OPS.get(node.op) in ("overwrite", "random"):
        args = args[1:]
    kwargs = {key: _renamed(arg, names) for key, arg in node.kwargs.items()}
    if args == node.args and kwargs == node.kwargs:
        return node
    return node.with_arguments(args, kwargs)


def _renamed(arg: Any, names: _Names) -> Any:
    if isinstance(arg, Ref):
        current = names.current(arg.ref)
        return arg if current == arg.ref else Ref(ref=current)
    if isinstance(arg, list):
        return [_renamed(item, names) for item in arg]
    return arg


def _zeros(nodes: Mapping[str, Node], tangled: frozenset[str]) -> frozenset[str]:
    zeros: set[str] = set()
    for node in nodes.values():
        if node.name not in tangled and _is_zero(node, zeros):
            zeros.add(node.name)
    return frozenset(zeros)


def _live(nodes: Mapping[str, Node], output: str, zeros: frozenset[str]) -> Iterator[Node]:
    """Yield what the output depends on; a value that is zero for any input depends on nothing."""
    needed = {output}
    for node in reversed(list(nodes.values())):
        if node.name in needed and node.name not in zeros:
            needed.update(ref for ref in data_reads(node) if ref not in zeros and not _is_ignored(node, ref))
    return (node for node in nodes.values() if node.name in needed and node.name not in zeros)


# Zero where all they read is zero, whatever their other arguments are.
_KEEPS_ZERO = frozenset(
    {
        "cat", "stack", "relu", "neg", "abs", "alias", "clone", "contiguous", "detach", "expand", "view",
        "reshape", "flatten", "permute", "transpose", "squeeze", "unsqueeze", "mean", "sum", "dropout",
        "feature_dropout",
    }
)  # fmt: skip


def _is_zero(node: Node, zeros: set[str]) -> bool:
    """Return whether arithmetic gives exactly zero, or nothing at all, for any image."""
    name = short_name(node.op).rstrip("_")
    if node.shape is not None and 0 in node.shape:
        return True
    first, second = node.arg(0, "self"), node.arg(1, "other")
    none_left = bool(data_reads(node)) and all(ref in zeros for ref in data_reads(node))
    if name in _KEEPS_ZERO and none_left:
        return True
    match name:
        case "zeros" | "zeros_like" | "new_zeros" | "zero":
            return True
        case "full" | "full_like" | "new_full" | "fill":
            return bool(node.args) and literal(node.args[-1]) == 0
        case "mul" | "multiply":
            return literal(second) == 0 or literal(first) == 0 or any(ref in zeros for ref in node.refs)
        case "div" | "divide" | "true_divide":
            return isinstance(first, Ref) and first.ref in zeros
        case "add" | "sub" | "subtract":
            is_itself = name != "add" and isinstance(first, Ref) and first == second and _alpha(node) == 1
            return is_itself or (none_left and literal(second) in (None, 0))
        case "dropout" | "feature_dropout":
            return bool(node.arg(2, "train") and literal(node.arg(1, "p")) == 1)
        case "clamp" | "hardtanh":
            low, high = literal(node.arg(1, "min")), literal(node.arg(2, "max"))
            return low == high == 0
        case _:
            return False


def _alpha(node: Node) -> float | None:
    """Read what ``add`` and ``sub`` multiply their second argument by; None where it is computed."""
    return literal(node.arg(2, "alpha", 1) if node.op.endswith(".Scalar") else node.kwargs.get("alpha", 1))


def _is_ignored(node: Node, ref: str) -> bool:
    """Return whether ``add(x, y, alpha=0)`` makes an argument count for nothing."""
    second = node.arg(1, "other")
    scaled = node.op.startswith(("aten.add.", "aten.sub.", "aten.add_.", "aten.sub_.")) and _alpha(node) == 0
    return scaled and isinstance(second, Ref) and second.ref == ref and node.arg(0, "self") != second
