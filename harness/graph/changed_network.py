"""A network with one layer changed, on paper: advice is tried there before it is given.

A layer is changed wherever it is called, in both graphs. The shapes of what follows stay as they were: jump
and receptive field are not read from them. None stands for a change that cannot be drawn.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from harness.graph.convolution import Convolution
from harness.graph.ir import Architecture, Arg, Graph, Node, Ref, Tensor
from harness.graph.operators import OPS, short_name
from harness.graph.view import View

_CONVOLUTION = "aten.conv2d.default"
_NEW = "new_"
"""How the name of a node begins that was only drawn."""
_HEAD = "p_new_head"
"""The name of the weight of a drawn classifier."""
_RANK = 4
"""Dimensions of a map, (N, C, H, W)."""


@dataclass(frozen=True)
class _Part:
    """A replacement of a node: nodes, whose result is read in place of its own, and their weights."""

    nodes: tuple[Node, ...]
    result: str
    weights: Mapping[str, Tensor] = field(default_factory=dict)


_Change = Callable[[Node], _Part]


def reshaped(
    view: View,
    convolution: Convolution,
    *,
    side: int | None = None,
    stride: int | None = None,
    dilation: int | None = None,
    groups: int | None = None,
    out: int | None = None,
) -> Architecture | None:
    """Change a convolution's kernel, stride, dilation or groups, padded so that only a stride shrinks."""
    window, node = convolution.window, convolution.node
    weight = _weight(view.measured.architecture, view.measured.graph, node)
    if window.rank != _RANK - 2 or OPS.get(node.op) != "conv" or node.name.startswith(_NEW):
        return None
    if weight is None and {side, groups, out} != {None}:
        return None
    sides = [side] * 2 if side is not None else list(window.kernel)
    strides = [stride] * 2 if stride is not None else list(window.stride)
    dilations = [dilation] * 2 if dilation is not None else list(window.dilation)
    padding = [d * (k - 1) // 2 for d, k in zip(dilations, sides, strict=True)]
    number = groups if groups is not None else window.groups
    architecture = view.measured.architecture
    if weight is not None:
        shape = (out or weight.shape[0], convolution.channels // number, *sides)
        architecture = _with_shape(architecture, weight, shape)

    def changed(old: Node) -> _Part:
        args = (*old.args[:2], old.arg(2, "bias"), strides, padding, dilations, number)
        shape = old.shape if out is None else (*(old.shape or ())[:1], out, *(old.shape or ())[2:])
        changes: dict[str, object] = {"op": _CONVOLUTION, "args": args, "kwargs": {}, "shape": shape}
        new = Node.model_construct(**{**dict(old), **changes})
        return _Part((new,), old.name)

    return _substituted(architecture, view.measured.graph, node, changed)


def without(view: View, node: Node) -> Architecture | None:
    """Remove a node that gives as many channels as it reads."""
    if _channels_read(view, node) != _channels(node):
        return None
    return _substituted(
        view.measured.architecture, view.measured.graph, node, lambda old: _Part((), old.refs[0])
    )


def without_branch(view: View, node: Node, other: Node) -> Architecture | None:
    """Remove the branch of a node where it is added to one that neither depends on the other."""
    own, kept = ({one.name, *view.behind(one)} for one in (node, other))
    for join in view.measured.nodes:
        if short_name(join.op).rstrip("_") == "add" and join.name in own & kept:
            refs = [ref for ref in join.refs if ref in kept - own]
            break
    else:
        return None
    if len(refs) != 1 or len(join.refs) != 2:
        return None
    place = join.refs.index(refs[0])
    return _substituted(
        view.measured.architecture, view.measured.graph, join, lambda old: _Part((), old.refs[place])
    )


def with_convolution(
    view: View,
    node: Node,
    *,
    side: int = 3,
    stride: int = 1,
    dilation: int = 1,
    out: int | None = None,
    instead: bool = False,
) -> Architecture | None:
    """Insert a convolution, of as many channels if not said otherwise, behind a node or in its place."""
    channels = _channels(node)
    if channels is None or (instead and _channels_read(view, node) != channels):
        return None
    number = len(view.measured.architecture.tensors)
    name, value = f"{node.layer}.added", f"p_new_{number}"
    name += f"_{number}" if f"{name}.weight" in view.measured.architecture.by_name else ""
    weight = Tensor(
        name=f"{name}.weight"[-300:], kind="parameter", dtype="float32", trainable=True,
        shape=(out or channels, channels, side, side),
    )  # fmt: skip
    padding = dilation * (side - 1) // 2

    def changed(old: Node) -> _Part:
        read = old.refs[0] if instead else old.name
        args = (Ref(ref=read), Ref(ref=value), None, [stride] * 2, [padding] * 2, [dilation] * 2, 1)
        new = Node(
            name=f"{_NEW}{number}_{old.name}"[:200], op=_CONVOLUTION, args=args, module=node.module,
            shape=(*(old.shape or ())[:1], out or channels, *(old.shape or ())[2:]), dtype=old.dtype,
        )  # fmt: skip
        return _Part((new,) if instead else (old, new), new.name, {value: weight})

    return _substituted(view.measured.architecture, view.measured.graph, node, changed)


def with_head(view: View, node: Node, classes: int) -> Architecture | None:
    """Replace what follows a node by a global average of its map, and one linear layer."""
    channels = _channels(node)
    if channels is None:
        return None
    weight = Tensor(name="head.new.weight", kind="parameter", shape=(classes, channels), dtype="float32")
    batch = (node.shape or ("batch",))[0]

    def headed(graph: Graph, found: Node) -> Graph:
        def call(name: str, op: str, args: tuple[Arg, ...], *shape: int) -> Node:
            return Node(
                name=f"{_NEW}{name}", op=op, args=args, module="head", shape=(batch, *shape), dtype="float32"
            )

        size: list[Arg] = [1, 1]
        pool = call("pool", "aten.adaptive_avg_pool2d.default", (Ref(ref=found.name), size), channels, 1, 1)
        flat = call("flat", "aten.flatten.using_ints", (Ref(ref=pool.name), 1), channels)
        fc = call("fc", "aten.linear.default", (Ref(ref=flat.name), Ref(ref=_HEAD), None), classes)
        bindings = {**graph.bindings, _HEAD: weight.name}
        return _graph(graph, nodes=(*graph.nodes, pool, flat, fc), bindings=bindings, outputs=(fc.name,))

    architecture = view.measured.architecture
    twins = [_twins(architecture, graph, view.measured.graph, node) for graph in _graphs(architecture)]
    if not all(twins) or _HEAD in view.measured.graph.bindings:
        return None
    graphs = [headed(graph, found[-1]) for graph, found in zip(_graphs(architecture), twins, strict=True)]
    return _pruned(architecture, graphs, (weight,))


# Private functions


def _graphs(architecture: Architecture) -> tuple[Graph, Graph]:
    return architecture.train, architecture.eval


def _graph(graph: Graph, **changes: object) -> Graph:
    return Graph.model_construct(**{**dict(graph), **changes})


def _weight(architecture: Architecture, graph: Graph, node: Node) -> Tensor | None:
    """Return the stored tensor that a node takes its weight from."""
    weight = node.arg(1, "weight") if OPS.get(node.op) in ("conv", "linear") else None
    return architecture.tensor(graph, weight.ref) if isinstance(weight, Ref) else None


def _twins(architecture: Architecture, graph: Graph, of: Graph, node: Node) -> list[Node]:
    """Find the calls of the layer of a node of the graph `of` in one of the graphs."""
    weight = _weight(architecture, of, node)
    if weight is not None:
        return [n for n in graph.nodes if _weight(architecture, graph, n) == weight]

    def alike(other: Graph) -> list[Node]:
        return [n for n in other.nodes if (n.module, n.op) == (node.module, node.op)]

    place = [n.name for n in alike(of)].index(node.name)
    return alike(graph)[place : place + 1]


def _with_shape(architecture: Architecture, weight: Tensor, shape: tuple[int, ...]) -> Architecture:
    tensors = tuple(
        Tensor.model_construct(**{**dict(one), "shape": shape})
        if weight.name in (one.name, one.tied_to)
        else one
        for one in architecture.tensors
    )
    return Architecture.model_construct(**{**dict(architecture), "tensors": tensors})


def _channels_read(view: View, node: Node) -> int | None:
    """Return the channels of the map that a node changes, which may be the image."""
    graph, name = view.measured.graph, node.refs[0] if node.refs else ""
    shape = graph.input_shape if name in graph.inputs else ()
    read = graph.by_name.get(name)
    if read is not None:
        return _channels(read)
    return shape[1] if len(shape) == _RANK and isinstance(shape[1], int) else None


def _channels(node: Node) -> int | None:
    shape = node.shape or ()
    return shape[1] if len(shape) == _RANK and isinstance(shape[1], int) else None


def _substituted(architecture: Architecture, of: Graph, node: Node, change: _Change) -> Architecture | None:
    """Replace every call of a node's layer by something else."""
    weights: dict[str, Tensor] = {}
    graphs = []
    for graph in _graphs(architecture):
        parts = {n.name: change(n) for n in _twins(architecture, graph, of, node)}
        if not parts:
            return None
        new = {value: weight for part in parts.values() for value, weight in part.weights.items()}
        bindings = {**graph.bindings, **{value: weight.name for value, weight in new.items()}}
        graphs.append(_graph(_with_parts(graph, parts), bindings=bindings))
        weights |= new
    return _pruned(architecture, graphs, weights.values())


def _with_parts(graph: Graph, parts: Mapping[str, _Part]) -> Graph:
    """Rewrite a graph, in which each of the parts takes the place of the node it is named by."""
    instead: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        read = _reading(node, instead)
        part = parts.get(node.name)
        if part is None:
            nodes.append(read)
            continue
        nodes += [_reading(one, instead) for one in part.nodes]
        instead[node.name] = instead.get(part.result, part.result)
    outputs = tuple(instead.get(name, name) for name in graph.outputs)
    return _graph(graph, nodes=tuple(nodes), outputs=outputs)


def _reading(node: Node, instead: Mapping[str, str]) -> Node:
    if not any(ref in instead for ref in node.refs):
        return node
    args = tuple(_renamed(arg, instead) for arg in node.args)
    return node.with_arguments(args, {key: _renamed(arg, instead) for key, arg in node.kwargs.items()})


def _renamed(argument: object, instead: Mapping[str, str]) -> object:
    if isinstance(argument, Ref):
        return Ref(ref=instead.get(argument.ref, argument.ref))
    return [_renamed(one, instead) for one in argument] if isinstance(argument, list) else argument


def _pruned(architecture: Architecture, graphs: list[Graph], weights: Iterable[Tensor]) -> Architecture:
    """Make an architecture of changed graphs, without the nodes and tensors that only what is gone needed."""
    kept = []
    for old, new in zip(_graphs(architecture), graphs, strict=True):
        gone = _live(old) - _live(new)
        nodes = tuple(node for node in new.nodes if node.name not in gone)
        read = {ref for node in nodes for ref in node.refs} | set(new.outputs)
        bindings = {value: name for value, name in new.bindings.items() if value in read}
        kept.append(_graph(new, nodes=nodes, bindings=bindings))
    was = {name for graph in _graphs(architecture) for name in graph.bindings.values()}
    used = {name for graph in kept for name in graph.bindings.values()}
    tensors = tuple(t for t in architecture.tensors if t.name not in was or t.name in used)
    return Architecture.model_construct(
        **{**dict(architecture), "tensors": (*tensors, *weights), "train": kept[0], "eval": kept[1]}
    )


def _live(graph: Graph) -> set[str]:
    live, pending = set[str](), list(graph.outputs)
    while pending:
        node = graph.by_name.get(pending.pop())
        if node is not None and node.name not in live:
            live.add(node.name)
            pending += node.refs
    return live
