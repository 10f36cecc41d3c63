"""Writes through a view, as functions: ``y[:, :8] = z`` becomes a new value of all of ``y``.

An exported graph keeps such a write as a copy into a slice, whose effect on the tensor that is sliced is seen
nowhere. Here every change in place becomes a value of its own, put into the tensor by ``slice_scatter`` or
``select_scatter``, and every later name of that memory is read anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.graph.flow import functional
from harness.graph.ir import Graph, Node, Ref
from harness.graph.operators import MAY_SHARE, OPS, is_in_place, short_name

# Views that can be written to, and what puts a value in their place.
_SCATTERS = {
    "aten.slice.Tensor": "aten.slice_scatter.default",
    "aten.select.int": "aten.select_scatter.default",
}
_SAME = frozenset({"aten.alias.default", "aten.detach.default"})
# A copy or a view, as the memory happens to be.
_EITHER = frozenset({"reshape", "contiguous", "flatten", "to", "ravel", "reshape_as", "type_as"})
# Other shapes of the tensor itself, and what blots out a part of it.
_UNFOLLOWED = frozenset({"squeeze_", "unsqueeze_", "transpose_", "detach_", "zero_", "fill_"})


class _Unclear(Exception):  # noqa: N818 - not an error: the graph stays as it is
    """The effect of a write is not known."""


def without_view_writes(graph: Graph) -> Graph:
    """Write a graph without changes through views; as it is where it has none, or one that is not clear."""
    if not functional(graph).tangled:
        return graph
    rewriting = _Rewriting(graph)
    try:
        for node in graph.nodes:
            rewriting.add(node)
        outputs = tuple(rewriting.read(name) for name in graph.outputs)
    except _Unclear:
        return graph
    return Graph.model_construct(**{**dict(graph), "nodes": tuple(rewriting.nodes), "outputs": outputs})


# Private functions


@dataclass
class _Rewriting:
    """The nodes written so far, and what each name of the original graph means now."""

    graph: Graph
    nodes: list[Node] = field(default_factory=list)
    views: dict[str, tuple[str, Node | None]] = field(default_factory=dict)
    """Of a view: what it is one of, and its node; None for another name of the same tensor."""
    now: dict[str, str] = field(default_factory=dict)
    read_at: dict[str, int] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)
    """Of a tensor with memory of its own: how often it was changed."""

    def add(self, node: Node) -> None:
        """Write one node of the original."""
        if is_in_place(node.op) and node.op not in _SAME and node.refs:
            self._change(node)
            return
        if node.op in MAY_SHARE and node.args and isinstance(node.args[0], list):
            raise _Unclear
        self.nodes.append(self._renamed(node))
        is_same = node.op in _SAME or OPS.get(node.op) == "dropout"
        if node.refs and (is_same or node.op in MAY_SHARE):
            self.views[node.name] = node.refs[0], node
        self.now[node.name] = node.name
        self.read_at[node.name] = self._writes_of(node.name)

    def read(self, name: str) -> str:
        """Return the value that a name of the original has now; a view of what was changed is taken anew."""
        if name not in self.views:
            return self.now.get(name, name)
        source, node = self.views[name]
        if node is None:
            return self.read(source)
        count = self._writes_of(name)
        if self.read_at[name] < count:
            if short_name(node.op) in _EITHER:
                raise _Unclear
            again = self._renamed(node).model_copy(update={"name": f"{name[:180]}_after_{count}"})
            self.nodes.append(again)
            self.now[name], self.read_at[name] = again.name, count
        return self.now[name]

    # Private

    def _renamed(self, node: Node) -> Node:
        args = tuple(self._argument(arg) for arg in node.args)
        return node.with_arguments(args, {key: self._argument(arg) for key, arg in node.kwargs.items()})

    def _argument(self, arg: Any) -> Any:
        if isinstance(arg, Ref):
            return Ref(ref=self.read(arg.ref))
        return [self._argument(item) for item in arg] if isinstance(arg, list) else arg

    def _root(self, name: str) -> str:
        return self._root(self.views[name][0]) if name in self.views else name

    def _writes_of(self, name: str) -> int:
        return self.writes.get(self._root(name), 0)

    def _change(self, node: Node) -> None:
        target = node.refs[0]
        root = self._root(target)
        if root in self.graph.bindings:
            # Of a stored tensor: that is a matter of its own, unless it is changed in part.
            if target != root:
                raise _Unclear
            self.nodes.append(self._renamed(node))
            self.now[node.name] = node.name
            return
        path = list(self._path(target))
        value = self._value(node, "_part" if path else "")
        for index, view in enumerate(path):
            is_last = index == len(path) - 1
            value = self._put(node, view, value, "" if is_last else f"_in_{index}")
        self.now[root] = value
        self.writes[root] = self.read_at[root] = self.writes.get(root, 0) + 1
        self.views[node.name] = target, None

    def _path(self, name: str) -> Iterator[Node]:
        """List the views that lead from a name to the tensor with memory of its own."""
        while name in self.views:
            name, node = self.views[name]
            if node is None or node.op in _SAME:
                continue
            if node.op not in _SCATTERS:
                raise _Unclear
            yield node

    def _value(self, node: Node, suffix: str) -> str:
        """Write what a change in place computes, as a value; returns its name."""
        new, name = self._renamed(node), short_name(node.op)
        if name in _UNFOLLOWED or OPS.get(node.op) not in ("overwrite", "elementwise", "maximum"):
            raise _Unclear
        if name == "copy_" and suffix and self._shape(new.args[1]) == node.shape:
            return str(new.args[1].ref)
        op, args = node.op.replace(name, name[:-1]), new.args
        if name == "copy_":
            op, args = "aten.expand_as.default", (args[1], args[0])
        if op not in OPS or (name == "copy_" and not suffix):
            raise _Unclear
        return self._write(node, f"{node.name[:180]}{suffix}", op, args, new.kwargs, node)

    def _put(self, node: Node, view: Node, value: str, suffix: str) -> str:
        """Write a tensor in which a view has another value; returns its name."""
        whole = self.read(view.refs[0])
        args = (Ref(ref=whole), Ref(ref=value), *view.args[1:])
        like = next((one for one in reversed(self.nodes) if one.name == whole), None)
        if like is None:  # the image itself
            raise _Unclear
        name = f"{node.name[:180]}{suffix}"
        return self._write(node, name, _SCATTERS[view.op], args, dict(view.kwargs), like)

    def _write(
        self, node: Node, name: str, op: str, args: tuple[Any, ...], kwargs: dict[str, Any], like: Node
    ) -> str:
        new = node.with_arguments(args, kwargs)
        made = Node.model_construct(
            **{**dict(new), "name": name, "op": op, "shape": like.shape, "dtype": like.dtype}
        )
        self.nodes.append(made)
        return made.name

    def _shape(self, arg: Any) -> object:
        found = next((one for one in self.nodes if isinstance(arg, Ref) and one.name == arg.ref), None)
        return found.shape if found else None
