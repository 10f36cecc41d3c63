"""What to change for a larger receptive field, and what it would give: measured, not guessed."""

from harness.analysis.graph import Node
from harness.analysis.view import Convolution, View
from harness.assignment import MinReceptiveField

_TRIED = 5
"""Convolutions tried, from the last one backwards."""


def wider(view: View, limits: MinReceptiveField) -> str:
    """Find a convolution whose dilation would make the receptive field large enough, and measure it."""
    now = _place(view, limits)
    candidates = [c for c in view.convolutions if c.is_spatial and c not in view.strided]
    for chosen in reversed(candidates[-_TRIED:]):
        if now is None:
            break
        one_more = _place(_with_dilation(view, chosen, chosen.dilation + 1), limits) or now
        if one_more <= now:
            continue
        dilation = chosen.dilation - (now - limits.above_px - 1) // (one_more - now)
        new = _place(_with_dilation(view, chosen, dilation), limits)
        if new is not None and new > limits.above_px:
            return (
                f"The receptive field is {now}; dilation {dilation} (and padding {dilation}) in "
                f"{chosen.node.layer} would add {new - now}: {new}."
            )
    return "Add 3x3 convolutions on the path to the head, or give them a dilation."


def _place(view: View, limits: MinReceptiveField) -> int | None:
    before = limits.place == "before_pool"
    return view.receptive_field_px if before else view.receptive_field_with_pool_px


def _with_dilation(view: View, chosen: Convolution, dilation: int) -> View:
    """Measure the same graph with another dilation, padded so that the maps keep their size."""
    graph = view.measured.graph
    nodes = tuple(_changed(n, chosen, dilation) if n.name == chosen.node.name else n for n in graph.nodes)
    return View(view.measured.architecture, graph.with_nodes(nodes))


def _changed(node: Node, chosen: Convolution, dilation: int) -> Node:
    rank = chosen.window.rank
    padding = [dilation * (k - 1) // 2 for k in chosen.window.kernel]
    args = list(node.args) + [None] * (7 - len(node.args))
    args[3] = list(chosen.window.stride)
    args[4], args[5], args[6] = padding, [dilation] * rank, chosen.window.groups
    return node.with_arguments(tuple(args), {})
