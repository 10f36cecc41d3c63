"""Test whether a position of the last map depends on the pixels at the rim of its receptive field.

Rows and columns of pixels are changed, one image each, and the real operators are run in float64. What looks
at the whole image beside its own place adds nothing by the rules, and so keeps the values it had.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from harness.graph.consistency import across_images
from harness.graph.operators import OPS
from harness.graph.receptive_field.field import Field
from harness.graph.receptive_field.layout import is_only
from harness.graph.receptive_field.linearised import up_to
from harness.graph.receptive_field.span import Span
from harness.graph.view import View
from harness.training.probe.trial import Tensors, Trial, trial
from harness.training.program import keeping_images_apart

LARGEST_PX = 192
"""Side of the largest image on which a rim is looked for that lies outside the network's own."""
CHANGE = 10.0
LEAST_CHANGE = 1e-15
"""Of a position, relative to the largest value of its map."""
AXES = "hw"
_ARITHMETIC = frozenset({"elementwise", "maximum", "overwrite", "random", "cat", "stack", "scatter"})

Pair = tuple[int, int]


def reach(view: View, tensors: Tensors, images: torch.Tensor) -> Pair | None:
    """Measure the rows and columns a position depends on; None where they are those that the graph says.

    `images` are (N, C, H, W); the first is changed. On its own size first, and where a rim lies outside it
    or is only padding, on a larger image, if the graph can be run on one.
    """
    names = [name for name in view.head.maps if view.measured.fields[name].is_exact]
    if view.unknown or not names or len(names) < len(view.head.maps) or across_images(view.measured):
        return None
    if any(_dimension(view.measured.fields[name], axis) is None for name in names for axis in AXES):
        return None
    found: Pair | None = None
    for size in _sizes(view, names, images):
        image = images[:1].repeat(
            1, 1, *(math.ceil(s / o) for s, o in zip(size, images.shape[2:], strict=True))
        )
        try:
            measured = [_seen(view, tensors, name, image[:, :, : size[0], : size[1]]) for name in names]
        except Exception:
            if found is None:
                raise
            return found
        if all(any(one[i] is None for one in measured) for i in range(len(AXES))):
            return None
        found = tuple(max(_px(one[i], view, name, axis) for one, name in zip(measured, names, strict=True))
                      for i, axis in enumerate(AXES))  # type: ignore[assignment] # fmt: skip
    return found


# Private functions


def _px(seen: int | None, view: View, name: str, axis: str) -> int:
    return math.ceil(view.measured.fields[name].span(axis).rf_px) if seen is None else seen


def _sizes(view: View, names: list[str], images: torch.Tensor) -> list[Pair]:
    """List the sizes to try: the network's own, and a multiple of it with room for every field."""
    own: Pair = (images.shape[2], images.shape[3])
    fields = [view.measured.fields[name] for name in names]
    roomy = [max(math.ceil((f.span(axis).rf_px + 2 * f.span(axis).jump) / side) for f in fields) * side
             for axis, side in zip(AXES, own, strict=True)]  # fmt: skip
    larger = (roomy[0], roomy[1])
    return [own, larger] if larger != own and max(larger) <= LARGEST_PX else [own]


def _seen(view: View, tensors: Tensors, name: str, image: torch.Tensor) -> tuple[int | None, int | None]:
    """Measure what the positions of one map see along rows and columns; None where both rims are seen."""
    field = view.measured.fields[name]
    one = trial(view, tensors, graph=up_to(view.measured.graph, name))
    frozen = _Frozen(view, one, image)
    both = [_along(frozen, field, axis, image) for axis in AXES]
    return both[0], both[1]


def _along(frozen: "_Frozen", field: Field, axis: str, image: torch.Tensor) -> int | None:
    span, dimension = field.span(axis), _dimension(field, axis)
    assert dimension is not None
    positions, pixels = frozen.base.shape[dimension], image.shape[2 + AXES.index(axis)]
    first, last = _rims(span, positions, pixels)
    moved = frozen.moved([first, last], axis, dimension)
    if moved[0][positions - 1] and moved[1][0]:
        return None
    whole = frozen.moved(list(range(pixels)), axis, dimension)
    places = [r - i * span.jump for r in range(pixels) for i in range(positions) if whole[r][i]]
    return math.floor(max(places) - min(places)) + 1 if places else 1


def _rims(span: Span, positions: int, pixels: int) -> Pair:
    """Find the first pixel that the last position sees, and the last that the first one sees."""
    first = math.ceil(span.start + (positions - 1) * span.jump)
    last = math.floor(span.start + span.rf_px - 1)
    return min(max(first, 0), pixels - 1), min(max(last, 0), pixels - 1)


def _dimension(field: Field, axis: str) -> int | None:
    """Find the dimension that is rows or columns and nothing else."""
    layout = field.known_layout()
    return next((i for i, dimension in enumerate(layout) if is_only(dimension, axis)), None)


class _Frozen:
    """A graph up to a map, in which what has looked at the whole image keeps the value it had."""

    def __init__(self, view: View, one: Trial, image: torch.Tensor) -> None:
        self._trial, self._image = one, image
        self._apart, joined = self._names(view)
        self._global = self._apart | joined
        self._norms = {n for n in joined if OPS.get(view.measured.graph.by_name[n].op) == "norm"}
        self._kept: dict[str, tuple[Any, Any]] = {}
        apart = keeping_images_apart(view.measured.nodes, len(image))
        self.base = one.run(image, apart, instead={name: self._keeping(name) for name in self._global})

    def moved(self, pixels: list[int], axis: str, dimension: int) -> list[list[bool]]:
        """Change one row or column of pixels after the other; say for each which positions moved."""
        result = []
        for pixel in pixels:
            image = self._image.double().clone()
            line = image.select(2 + AXES.index(axis), pixel)
            line += CHANGE * torch.randn(
                line.shape, generator=torch.Generator().manual_seed(0), dtype=line.dtype
            )
            value = self._trial.run(image, instead={name: self._as_kept(name) for name in self._global})
            change = (value - self.base).abs().nan_to_num(nan=float("inf")).movedim(dimension, 0)
            least = LEAST_CHANGE * self.base.abs().max()
            result.append([bool(c > least) for c in change.flatten(1).amax(1)])
        return result

    # Private

    @staticmethod
    def _names(view: View) -> tuple[frozenset[str], frozenset[str]]:
        """Return what has no rows and columns of its own, and the maps that what has none is joined to."""
        fields = view.measured.fields
        apart = {n for n, f in fields.items() if f.layout is not None and not f.is_map}
        by_name = view.measured.graph.by_name
        # Arithmetic with what is seen as a whole (a gate) leaves each position its own part.
        joined = {n for n in view.measured.seen_whole if OPS.get(by_name[n].op) not in _ARITHMETIC}
        return frozenset(apart & set(by_name)), frozenset(joined - apart)

    def _keeping(self, name: str) -> Callable[..., Any]:
        def call(operator: Callable[..., Any], args: list[Any], kwargs: Mapping[str, Any]) -> Any:
            read = args[0].clone() if args and isinstance(args[0], torch.Tensor) else None
            value = operator(*args, **kwargs)
            kept = value.clone() if isinstance(value, torch.Tensor) else value
            self._kept[name] = (read, kept)
            return value

        return call

    def _as_kept(self, name: str) -> Callable[..., Any]:
        def call(_: Callable[..., Any], args: list[Any], __: Mapping[str, Any]) -> Any:
            read, value = self._kept[name]
            if not isinstance(value, torch.Tensor):
                return value
            if name not in self._norms or read is None:
                return value.clone()
            # A normalisation passes on what changes at its own place, scaled as its statistics say.
            return value + (args[0] - read) * (value.std() / read.std().clamp_min(1e-300))

        return call
