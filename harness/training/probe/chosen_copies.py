"""Does a network choose the larger of copies of one map, moved, by their values.

It is run on noise, and on the same noise, moved, in float64, operators as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from harness.graph.ir import Node, Ref
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.field import Field
from harness.graph.receptive_field.mixing import reduced_dimensions
from harness.training.probe.trial import Trial, place_dimensions, values_of

LEAST_LIKENESS = 0.9
"""Correlation of two maps of noise, away from their border, from which one is the other, moved."""
BORDER = 2
"""Positions at the border of a map that padding changes when it is moved."""
FARTHEST = 2
"""Positions by which maps are moved to be compared."""
NOISE_IMAGES = 8
SURE_IMAGES = 32
"""Used to confirm what fewer images suggest: the few positions of small maps may be alike by chance."""
MOST_SLICES = 64
LEAST_SHARE = 0.125
"""Share of the options that are copies of others: of many learned maps, two are alike by chance."""


@dataclass(frozen=True)
class _Choice:
    """A choice of the larger: between the slices of a value along a dimension, or between two values."""

    values: tuple[str, ...]
    dimension: int | None = None


def moved_copies(trial: Trial, images: torch.Tensor) -> dict[str, str]:
    """Find choices of the larger between a map and what is the same map, moved, however it was made."""
    measured = trial.view.measured
    chosen = {n.name: found for n in measured.nodes if (found := _choices(measured, n))}
    if not chosen:
        return {}
    names = {name for found in chosen.values() for choice in found for name in choice.values}
    noise, more = (_noise(trial, images, count) for count in (NOISE_IMAGES, SURE_IMAGES))
    base = values_of(trial, noise, names)
    seen: dict[str, str] = {}
    for step in _steps(measured, names):
        moved = values_of(trial, noise.roll(step, (2, 3)), names)
        for name, choices in chosen.items():
            suspected = [] if name in seen else [c for c in choices if _is_moved(measured, base, moved, c)]
            if any(_is_moved(measured, *_both(trial, more, step, c), c) for c in suspected):
                seen[name] = f"{short_name(measured.by_name[name].op)} of one map and the same map moved"
    return seen


# Private functions


def _noise(trial: Trial, images: torch.Tensor, count: int) -> torch.Tensor:
    """Return noise of the shape of `count` images, in the dtype of the trial."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn((count, *images.shape[1:]), generator=generator).to(trial.dtype)


def _both(
    trial: Trial, noise: torch.Tensor, step: tuple[int, int], choice: _Choice
) -> tuple[Mapping[str, torch.Tensor], Mapping[str, torch.Tensor]]:
    """Return what a choice is between for some noise, and for the same noise, moved."""
    names = set(choice.values)
    return values_of(trial, noise, names), values_of(trial, noise.roll(step, (2, 3)), names)


def _choices(measured: Measured, node: Node) -> list[_Choice]:
    """List what a node chooses between, as far as it is maps."""
    fields = measured.fields
    if OPS.get(node.op) == "maximum":
        chosen = node.args[1:] if short_name(node.op) == "where" else (*node.args, *node.kwargs.values())
        refs = [arg.ref for arg in chosen if isinstance(arg, Ref) and arg.ref in fields]
        maps = tuple(name for name in refs if fields[name].is_map and place_dimensions(fields[name]))
        return [_Choice(maps)] if len(maps) > 1 else []
    if OPS.get(node.op) not in ("reduce_max", "order") or node.refs[0] not in fields:
        return []
    name, field = node.refs[0], fields[node.refs[0]]
    places = place_dimensions(field)
    if not field.is_map or places is None:
        return []
    along = reduced_dimensions(node, len(field.known_layout()))
    return [_Choice((name,), dimension) for dimension in along if dimension not in places]


def _steps(measured: Measured, names: set[str]) -> list[tuple[int, int]]:
    """List the moves of the image, in pixels, that could make one map of another."""
    jumps = {int(measured.fields[n].h.jump) for n in names if measured.fields[n].h.jump >= 1}
    jumps |= {jump // 2 for jump in jumps if jump % 2 == 0}
    around = range(-FARTHEST, FARTHEST + 1)
    return sorted({(y * j, x * j) for j in jumps for y in around for x in around} - {(0, 0)})


def _is_moved(
    measured: Measured, base: Mapping[str, torch.Tensor], moved: Mapping[str, torch.Tensor], choice: _Choice
) -> bool:
    """Return whether something of the moved image is what something else is for the image as it was."""
    field = measured.fields[choice.values[0]]
    still, shifted = _options(base, choice, field), _options(moved, choice, field)
    if still is None or shifted is None:
        return False
    of_moved, of_still = _likeness(shifted, still), _likeness(still, still)
    alike = (of_moved > LEAST_LIKENESS) & (of_moved > of_still + 0.05)
    copies = (alike.any(1) | alike.any(2)).sum(1)
    options = (still.std(2) > 0).sum(1)
    return bool((copies > LEAST_SHARE * options).any())


def _options(values: Mapping[str, torch.Tensor], choice: _Choice, field: Field) -> torch.Tensor | None:
    """Return what is chosen between: (channels, options, elements away from the border)."""
    places = place_dimensions(field)
    first = values[choice.values[0]]
    if places is None or any(values[name].shape != first.shape for name in choice.values):
        return None
    if choice.dimension is None:
        stacked = torch.stack([_inner(values[name], places) for name in choice.values])
        channel = next((i for i in range(1, first.ndim) if i not in places), None)
        laid = stacked[None] if channel is None else stacked.movedim(channel + 1, 0)
        return laid.flatten(2)
    laid = _inner(first, places).movedim(choice.dimension, 0)[:MOST_SLICES]
    others = [i for i in range(1, first.ndim) if i not in places and i != choice.dimension]
    if not others:
        return laid.flatten(1)[None]
    channel = others[0] + (others[0] < choice.dimension)
    return laid.movedim(channel, 0).flatten(2)


def _inner(value: torch.Tensor, places: tuple[int, ...]) -> torch.Tensor:
    """Remove the border of a map, where it is large enough and its rows and columns are apart."""
    for dimension in places if len(places) > 1 else ():
        if (size := value.shape[dimension]) > 3 * BORDER:
            value = value.narrow(dimension, BORDER, size - 2 * BORDER)
    return value


def _likeness(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Correlate, channel by channel, each option of one with each different option of the other."""
    a, b = (t - t.mean(2, keepdim=True) for t in (one, other))
    a, b = (t / t.norm(dim=2, keepdim=True).clamp_min(1e-300) for t in (a, b))
    found: torch.Tensor = (a @ b.mT).abs()
    return found - torch.eye(found.shape[-1], dtype=found.dtype)
