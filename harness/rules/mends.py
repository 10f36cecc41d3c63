"""Ways to mend a network: what to do in a sentence, and the network that it would give."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.graph.changed_network import reshaped, with_convolution, with_head, without, without_branch
from harness.graph.convolution import Convolution
from harness.graph.ir import Architecture, Node
from harness.graph.naming import placed
from harness.graph.operators import OPS
from harness.graph.view import View

_POOLS = frozenset({"avg_pool", "adaptive_avg_pool", "max_pool", "adaptive_max_pool"})
_TRIED = 4
"""Convolutions tried, from the last one backwards."""
_WEIGHTED = frozenset({"conv", "conv_transpose", "linear"})


@dataclass(frozen=True)
class Mend:
    """One thing to do, and the network as it would then be."""

    advice: str
    architecture: Architecture


def tried(advice: str, architecture: Architecture | None) -> Iterator[Mend]:
    """Yield a mend where it can be drawn."""
    if architecture is not None:
        yield Mend(advice, architecture)


def reshape(
    view: View,
    convolution: Convolution,
    *,
    side: int | None = None,
    stride: int | None = None,
    dilation: int | None = None,
    groups: int | None = None,
    then: str = "",
) -> Iterator[Mend]:
    """Yield the mend that changes a convolution's arguments; `then` says what becomes of it."""
    changed = reshaped(view, convolution, side=side, stride=stride, dilation=dilation, groups=groups)
    window = convolution.window
    sides = [side] * 2 if side is not None else list(window.kernel)
    dilations = [dilation] * 2 if dilation is not None else list(window.dilation)
    padding = [d * (k - 1) // 2 for d, k in zip(dilations, sides, strict=False)]
    words = [
        f"kernel {side}" if side is not None else "",
        f"stride {stride}" if stride is not None else "",
        f"dilation {dilation}" if dilation is not None else "",
        f"groups={groups}" if groups is not None else "",
        f"padding {_number(padding)}" if padding != list(window.padding) else "",
    ]
    given = [word for word in words if word]
    listed = " and ".join(filter(None, [", ".join(given[:-1]), given[-1]]))
    yield from tried(f"Give {placed(convolution.node)} {listed}{then}.", changed)


def leave_out(view: View, node: Node) -> Iterator[Mend]:
    """Remove a layer that keeps the channels."""
    yield from tried(f"Remove {called(view, node)}.", without(view, node))


def leave_out_branch(view: View, one: Convolution, other: Convolution) -> Iterator[Mend]:
    """Remove one of two branches that both change the size of the map."""
    yield from tried(beside(one, other), without_branch(view, one.node, other.node))


def beside(one: Convolution, other: Convolution) -> str:
    """Return the advice that one of two branches has to go."""
    return (
        f"Leave out {placed(one.node)} and the sum: it changes the size of the map beside {other.node.layer}."
    )


def insert(view: View, node: Node, *, side: int = 3, stride: int = 1, dilation: int = 1) -> Iterator[Mend]:
    """Add a convolution after a node."""
    words = _words(side, stride, dilation)
    advice = f"Add a {words} after {placed(node)}."
    yield from tried(advice, with_convolution(view, node, side=side, stride=stride, dilation=dilation))


def stride_in_place_of(view: View, node: Node, stride: int) -> Iterator[Mend]:
    """Yield mends that move a pool's stride to a 3x3 convolution: one of its stage, or a new one."""
    for before in _before(view, node):
        strided = reshaped(view, before, stride=stride)
        rest = None if strided is None else _without(strided, node)
        advice = f"Remove {called(view, node)} and give {placed(before.node)} stride {stride}."
        yield from tried(advice, rest)
    advice = f"Replace {called(view, node)} by a {_words(3, stride, 1)}."
    yield from tried(advice, with_convolution(view, node, stride=stride, instead=True))


def ends_in(view: View, node: Node) -> bool:
    """Return whether a pool stands in the head: no convolution follows, nor a linear layer over channels."""
    behind = view.behind(node)
    weighted = [n for n in view.measured.nodes if n.name in behind and OPS.get(n.op) in _WEIGHTED]
    return not any(OPS[n.op] != "linear" or view.measured.fields[n.name].is_map for n in weighted)


def average_in_place_of(view: View, node: Node, classes: int) -> Iterator[Mend]:
    """End in a global average where a pool stands that no layer but the classifier follows."""
    last = last_map(view, node)
    if last is not None:
        channels = (last.shape or (0, 0))[1]
        head = f"self.gap = nn.AdaptiveAvgPool2d(1), flatten(1) and one nn.Linear({channels}, {classes})"
        yield from tried(f"After {placed(last)}, end in {head}.", with_head(view, last, classes))


def on_every_path(view: View, node: Node) -> bool:
    """Return whether the output depends on the image through a node alone: nothing stands beside it."""
    reached = set(view.measured.graph.inputs)
    for one in view.measured.flow.nodes:
        if one.name != node.name and not reached.isdisjoint(one.refs):
            reached.add(one.name)
    return view.measured.flow.output not in reached


def called(view: View, node: Node) -> str:
    """Return a layer's name with its line; where it is called several times, with that of the call too."""
    calls = [n for n in view.measured.nodes if (n.module, n.op) == (node.module, node.op)]
    return f"{node.layer} ({node.source})" if node.source and len(calls) > 1 else placed(node)


def last_map(view: View, node: Node) -> Node | None:
    """Return what a pool reads, through other pools and reshapes; the node itself where it is none."""
    here: Node | None = node
    while here is not None and OPS.get(here.op) in _POOLS | {"view"}:
        here = view.measured.by_name.get(here.refs[0])
    return here


# Private functions


def _number(sides: list[int]) -> str:
    return str(sides[0]) if len(set(sides)) == 1 else str(tuple(sides))


def _words(side: int, stride: int, dilation: int) -> str:
    parts = [f"stride {stride}"] if stride > 1 else []
    parts += [f"dilation {dilation}"] if dilation > 1 else []
    padding = dilation * (side - 1) // 2
    parts += [f"padding {padding}"] if padding else []
    listed = " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
    return f"{side}x{side} convolution" + (f" with {listed}" if listed else "")


def _before(view: View, node: Node) -> list[Convolution]:
    """List the 3x3 convolutions before a node, at the resolution of what it reads, ordinary ones first."""
    jump = view.measured.fields[node.refs[0]].h.jump if node.refs[0] in view.measured.fields else None
    found = [
        c
        for c in view.convolutions
        if node.name in view.behind(c.node)
        and on_every_path(view, c.node)
        and view.measured.fields[c.node.name].h.jump == jump
        and (set(c.window.kernel), set(c.window.stride), c.dilation) == ({3}, {1}, 1)
    ]
    return sorted(found[: -_TRIED - 1 : -1], key=lambda c: c.window.groups > 1)


def _without(architecture: Architecture, node: Node) -> Architecture | None:
    view = View(architecture, architecture.eval)
    found = [n for n in architecture.eval.nodes if (n.module, n.op) == (node.module, node.op)]
    same = [n for n in found if n.name == node.name] or found[:1]
    return without(view, same[0]) if same else None
