"""What to change in a network, and what it would give: measured on the changed graph, not guessed."""

from collections.abc import Sequence
from typing import Literal

from harness.analysis.convolution import Convolution
from harness.analysis.view import View

Place = Literal["before_pool", "with_pool"]
"""Where the receptive field is measured."""

_LARGEST_DILATION = 8
"""A larger one would mostly see padding."""
_TRIED = 5
"""Convolutions tried, from the last one backwards."""


def wider(view: View, above_px: int, place: Place) -> str:
    """Find a convolution whose dilation would make the receptive field large enough, and measure it."""
    now = _place(view, place)
    candidates = [c for c in view.convolutions if c.is_spatial and c not in view.strided]
    for chosen in reversed(candidates[-_TRIED:]):
        if now is None:
            break
        one_more = _place(_with_dilation(view, chosen, chosen.dilation + 1), place) or now
        if one_more <= now:
            continue
        dilation = chosen.dilation - (now - above_px - 1) // (one_more - now)
        if dilation > _LARGEST_DILATION:
            continue
        new = _place(_with_dilation(view, chosen, dilation), place)
        if new is not None and new > above_px:
            return (
                f"The receptive field is {now}; dilation {dilation} (and padding {dilation}) in "
                f"{chosen.node.layer} would add {new - now}: {new}."
            )
    return "Add 3x3 convolutions on the path to the head, or give them a dilation."


def jump_with_stride(view: View, chosen: Convolution, stride: int) -> int | None:
    """Measure the jump at the head if one convolution had another stride; None when it has no one jump."""
    strides = [stride] * chosen.window.rank
    jumps = _with_arguments(view, chosen, strides, list(chosen.window.padding), chosen.window.dilation).jumps
    return jumps[0] if len(jumps) == 1 else None


# Private functions


def _place(view: View, place: Place) -> int | None:
    before = place == "before_pool"
    return view.receptive_field_px if before else view.receptive_field_with_pool_px


def _with_dilation(view: View, chosen: Convolution, dilation: int) -> View:
    """Measure the same graph with another dilation, padded so that the maps keep their size."""
    window = chosen.window
    padding = [dilation * (k - 1) // 2 for k in window.kernel]
    return _with_arguments(view, chosen, window.stride, padding, [dilation] * window.rank)


def _with_arguments(
    view: View, chosen: Convolution, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> View:
    """Measure the same graph with other arguments of one convolution."""
    graph, node = view.measured.graph, chosen.node
    args = list(node.args) + [None] * (7 - len(node.args))
    args[3:7] = list(stride), list(padding), list(dilation), chosen.window.groups
    changed = node.with_arguments(tuple(args), {})
    nodes = tuple(changed if n.name == node.name else n for n in graph.nodes)
    return View(view.measured.architecture, graph.with_nodes(nodes))
