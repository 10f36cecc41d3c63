"""Does a network take a maximum over positions, by what it does.

Maps are replaced by small and large values, or moved, and what comes out is compared, in float64, operators
as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from harness.analysis.field import Field
from harness.analysis.flow import data_reads
from harness.analysis.graph import Node, Ref
from harness.analysis.layout import is_mixed
from harness.analysis.mixing import reduced_dimensions
from harness.analysis.ops import OPS, short_name
from harness.analysis.receptive import Measured
from harness.training.trial import Trial, place_dimensions, values_of

_LAYERS = frozenset({"conv", "conv_transpose", "linear", "matmul", "einsum"})
# What is linear, moves elements, or is an activation: grows no faster than its argument.
_PLAIN_FAMILIES = frozenset(
    {
        "identity", "overwrite", "conv", "conv_transpose", "linear", "avg_pool",
        "adaptive_avg_pool", "batch_norm", "norm", "weight_norm", "dropout", "view", "permute",
        "slice", "split", "select", "expand", "repeat", "flip", "roll", "pad", "cat", "stack",
        "gather", "unfold", "im2col", "col2im", "pixel_shuffle", "pixel_unshuffle",
        "channel_shuffle", "resample", "creation", "uninitialised", "random", "number", "check",
        "glu",
    }
)  # fmt: skip
_PLAIN = frozenset(
    {
        "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish",
        "hardswish", "hardsigmoid", "hardtanh", "hardshrink", "softshrink", "softplus",
        "log_sigmoid", "threshold", "sigmoid", "tanh", "rrelu", "add", "sub", "subtract", "rsub",
        "abs", "neg", "negative", "clamp", "clip", "clamp_min", "clamp_max", "nan_to_num", "mean",
        "sum", "nansum", "nanmean", "erf",
    }
)  # fmt: skip
_DETACHES = frozenset({"aten.detach.default", "aten.detach_.default"})
_PRODUCTS = frozenset({"mul", "multiply", "matmul", "bmm", "mm", "einsum", "addcmul", "lerp"})
LEVELS = tuple((low, 4 * low) for low in (0.03, 0.1, 0.3, 3.0, 30.0, 300.0))
"""Smaller and larger positive values of a map."""
LOW_LEVELS = ((-100.0, -98.0), (-30.0, -28.0), (-10.0, -8.0))
"""The same of negative ones, where some activations are nearly an exponential."""
MOST_PREFERRED = {"window": 1.5, "whole": 6.0}
"""How many times as much as the smaller values the larger may weigh, in a window or the whole map."""
LEAST_LIKENESS = 0.9
"""Correlation of two maps of noise, away from their border, from which one is the other, moved."""
BORDER = 2
"""Positions at the border of a map that padding changes when it is moved."""
FARTHEST = 2
"""Positions by which maps are moved to be compared."""
MOST_SLICES = 64


def pools(trial: Trial, images: torch.Tensor) -> dict[str, str]:
    """Find what behaves like a maximum over positions, by the name of the node, and say how."""
    return _smooth(trial, images[:1]) | _copies(trial, images)


# Private functions: what prefers the larger values


def _smooth(trial: Trial, images: torch.Tensor) -> dict[str, str]:
    """Find sums over positions, with no learned layer in them, that weigh larger values more."""
    measured = trial.view.measured
    if not any(_is_bent(measured, node) for node in measured.nodes):
        return {}
    found: dict[str, str] = {}
    sources = _sources(measured)
    held = values_of(trial, images, set(sources))
    for source in sources:
        for name, kind in _preferring(trial, images, source, held):
            where = "positions of a window" if kind == "window" else "rows and columns"
            found[name] = f"{short_name(measured.by_name[name].op)} that weighs the larger {where} more"
    return found


def _is_bent(measured: Measured, node: Node) -> bool:
    """Tell whether arithmetic is more than an activation, a sum, or a product with what is fixed."""
    name, reached = short_name(node.op).rstrip("_"), [ref for ref in node.refs if ref in measured.fields]
    if name in _PRODUCTS:
        return len(reached) > 1
    if name in ("div", "divide", "true_divide"):
        return any(isinstance(a, Ref) and a.ref in measured.fields for a in node.args[1:2])
    if OPS.get(node.op) == "gather":
        return len(reached) > 1
    return OPS.get(node.op) not in _PLAIN_FAMILIES and name not in _PLAIN


def _is_learned(measured: Measured, node: Node) -> bool:
    """Tell whether a layer's weights are trained; fixed ones are arithmetic like any other."""
    if OPS.get(node.op) not in _LAYERS:
        return False
    pending, seen = [ref for ref in node.refs if ref not in measured.fields], set[str]()
    while pending:
        here = pending.pop()
        tensor = measured.architecture.tensor(measured.graph, here)
        if tensor is not None and tensor.trainable:
            return True
        source = measured.by_name.get(here)
        if source is not None and here not in seen:
            seen.add(here)
            pending += data_reads(source)
    return False


def _sources(measured: Measured) -> list[str]:
    """Name the maps that learned layers make, and the image."""
    made = [n.name for n in measured.nodes if _is_learned(measured, n) and measured.fields[n.name].is_map]
    return [*made, measured.graph.inputs[0]]


def _preferring(
    trial: Trial, images: torch.Tensor, source: str, held: Mapping[str, torch.Tensor]
) -> Iterator[tuple[str, str]]:
    targets = _targets(trial.view.measured, source)
    if not targets:
        return
    preferred = dict.fromkeys(targets, 0)
    low = dict.fromkeys(targets, 0)
    highest = dict.fromkeys(targets, 0.0)
    for smaller, larger in (*LEVELS, *LOW_LEVELS):
        for name, (few, much, value) in _weights(
            trial, images, source, targets, (smaller, larger), held
        ).items():
            is_more = few >= 0 and much > MOST_PREFERRED[targets[name]] * max(few, 1e-300)
            if smaller > 0:
                highest[name] = max(highest[name], much)
                preferred[name] += is_more and much * larger > 0.05 * value
            else:
                low[name] += is_more and much > 0.05 * highest[name] > 0
    found: set[str] = set()
    for name, kind in targets.items():
        if not found.isdisjoint(trial.view.measured.by_name[name].refs):
            found.add(name)  # computed from one that is named already
        elif preferred[name] >= 2 or low[name] >= 2:
            found.add(name)
            yield name, kind


def _targets(measured: Measured, source: str) -> dict[str, str]:
    """Name what is summed over positions of a map with no learned layer in between, and bent on the way."""
    reached, bent, found = {source}, set[str](), dict[str, str]()
    for node in measured.nodes:
        if reached.isdisjoint(node.refs) or _is_learned(measured, node):
            continue
        reached.add(node.name)
        is_bent = _is_bent(measured, node) or not bent.isdisjoint(node.refs)
        if is_bent:
            bent.add(node.name)
        if is_bent and node.shape is not None and (kind := _mixes(measured, source, node.name)):
            found[node.name] = kind
    return found


def _mixes(measured: Measured, source: str, name: str) -> str:
    before, after = measured.fields[source], measured.fields[name]
    if after.layout is None or after.unknown:
        return "window"
    if not after.axes:
        return "whole"
    if any(map(is_mixed, after.layout)):
        return "window"
    if not after.is_map:
        return ""
    wider = any(after.span(axis).rf_px > before.span(axis).rf_px for axis in "hw")
    return "window" if wider else ""


def _weights(
    trial: Trial,
    images: torch.Tensor,
    source: str,
    targets: Mapping[str, str],
    level: tuple[float, float],
    held: Mapping[str, torch.Tensor],
) -> dict[str, tuple[float, float, float]]:
    """Give, for each target, the mean weight of the smaller and of the larger values, and its own size.

    What other learned layers make keeps the values it has for the images, those of `held`.
    """
    smaller, larger = level
    shape = _shape(trial, images, source)
    is_large = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5
    map_ = torch.where(is_large, larger, smaller).to(trial.dtype).requires_grad_()
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, value: Any) -> None:
        if name in targets and isinstance(value, torch.Tensor):
            kept[name] = value

    given = trial.view.measured.graph.inputs[0]
    instead: dict[str, Any] = {
        n.name: _passed_on for n in trial.view.measured.graph.nodes if n.op in _DETACHES
    }
    instead |= {n: (lambda *_, x=value: x.clone()) for n, value in held.items() if n not in (source, given)}
    if source != given:
        instead[source] = lambda *_: map_ * 1
    trial.run(map_ if source == given else images, watch=keep, instead=instead)
    result = {}
    for name, value in kept.items():
        if not value.requires_grad or value.is_complex():
            continue
        try:
            (gradient,) = torch.autograd.grad(value.sum(), map_, retain_graph=True, allow_unused=True)
        except RuntimeError:
            continue  # overwritten before its gradient is taken: such a network cannot be trained
        if gradient is None or not gradient.isfinite().all():
            continue
        few, much = gradient[~is_large].mean().item(), gradient[is_large].mean().item()
        result[name] = (few, much, value.abs().mean().item() * value.numel() / map_.numel())
    return result


def _passed_on(_: Any, args: list[Any], __: Any) -> Any:
    """Let a gradient through that was cut off: what is computed stays the same."""
    return args[0]


def _shape(trial: Trial, images: torch.Tensor, source: str) -> list[int]:
    stated = trial.view.measured.shapes[source]
    return [size if isinstance(size, int) else len(images) for size in stated]


# Private functions: copies of one map, moved


@dataclass(frozen=True)
class _Choice:
    """A choice of the larger: between the slices of a value along a dimension, or between two values."""

    values: tuple[str, ...]
    dimension: int | None = None


def _copies(trial: Trial, images: torch.Tensor) -> dict[str, str]:
    """Find choices of the larger between a map and what is the same map, moved, however it was made."""
    measured = trial.view.measured
    chosen = {n.name: found for n in measured.nodes if (found := _choices(measured, n))}
    if not chosen:
        return {}
    names = {name for found in chosen.values() for choice in found for name in choice.values}
    noise = torch.randn(images[:2].shape, generator=torch.Generator().manual_seed(0)).to(trial.dtype)
    base = values_of(trial, noise, names)
    seen: dict[str, str] = {}
    for step in _steps(measured, names):
        moved = values_of(trial, noise.roll(step, (2, 3)), names)
        for name, choices in chosen.items():
            if name not in seen and any(_is_moved(measured, base, moved, choice) for choice in choices):
                seen[name] = f"{short_name(measured.by_name[name].op)} of one map and the same map moved"
    return seen


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
    """Tell whether something of the moved image is what something else is for the image as it was."""
    field = measured.fields[choice.values[0]]
    still, shifted = _options(base, choice, field), _options(moved, choice, field)
    if still is None or shifted is None:
        return False
    of_moved, of_still = _likeness(shifted, still), _likeness(still, still)
    return bool(((of_moved > LEAST_LIKENESS) & (of_moved > of_still + 0.05)).any())


def _options(values: Mapping[str, torch.Tensor], choice: _Choice, field: Field) -> torch.Tensor | None:
    """Lay out what is chosen between: (channels, options, elements away from the border)."""
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
    """Leave the border of a map out, where it is large enough and its rows and columns are apart."""
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
