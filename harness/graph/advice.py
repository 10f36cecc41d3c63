"""Advice on changing a network, and what it would give: measured on the changed graph, not guessed."""

from collections.abc import Iterator
from typing import Literal

from harness.graph.changed_network import reshaped
from harness.graph.convolution import Convolution
from harness.graph.ir import Architecture
from harness.graph.view import View

Place = Literal["before_pool", "with_pool"]
"""Where the receptive field is measured."""

LARGEST_DILATION = 8
"""A larger one would mostly see padding."""
_TRIED = 5
"""Convolutions tried, from the last one backwards."""


def wider(view: View, above_px: int, place: Place) -> Iterator[tuple[Convolution, int, int]]:
    """Yield convolutions, each with a dilation that makes the receptive field large enough, and that field.

    They come from the end of the network to its start; the field is measured on the changed graph, in pixels.
    """
    now = field_at(view, place)
    candidates = [c for c in view.convolutions if c.is_spatial and c not in view.strided]
    for chosen in candidates[: -_TRIED - 1 : -1] if now is not None else ():
        one_more = _with_dilation(view, chosen, chosen.dilation + 1, place) or now
        if now is None or one_more is None or one_more <= now:
            continue
        dilation = chosen.dilation - (now - above_px - 1) // (one_more - now)
        new = _with_dilation(view, chosen, dilation, place) if dilation <= LARGEST_DILATION else None
        if new is not None and new > above_px:
            yield chosen, dilation, new


def field_at(view: View, place: Place) -> int | None:
    """Return the receptive field at a place, in pixels; None when not known."""
    return view.receptive_field_px if place == "before_pool" else view.receptive_field_with_pool_px


def jump_with_stride(view: View, chosen: Convolution, stride: int) -> int | None:
    """Measure the jump at the head if one convolution had another stride; None when it has no one jump."""
    jumps = _drawn(view, reshaped(view, chosen, stride=stride)).jumps
    return jumps[0] if len(jumps) == 1 else None


# Private functions


def _with_dilation(view: View, chosen: Convolution, dilation: int, place: Place) -> int | None:
    return field_at(_drawn(view, reshaped(view, chosen, dilation=dilation)), place)


def _drawn(view: View, architecture: Architecture | None) -> View:
    """Measure the same graph of a changed network; the network as it is where the change cannot be drawn."""
    if architecture is None:
        return view
    return View(architecture, architecture.eval if view.is_eval else architecture.train)
