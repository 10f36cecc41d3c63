"""Does a network take a maximum over positions, by what it does.

Maps are replaced by small and large values, or moved, and what comes out is compared, in float64, operators
as they are.
"""

from collections.abc import Iterator, Mapping
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
# Arithmetic that grows faster than its argument, or divides by it; activations do neither.
_BENT = frozenset(
    {
        "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logit", "pow", "float_power", "square",
        "sqrt", "rsqrt", "reciprocal", "mul", "multiply", "div", "divide", "true_divide", "softmax",
        "log_softmax", "logsumexp", "linalg_vector_norm", "norm", "logaddexp", "logaddexp2", "hypot", "sinh",
        "cosh", "tan", "prod", "cumprod", "logcumsumexp", "addcmul", "addcdiv", "special_expit", "atanh",
        "asin", "acos", "matmul", "bmm", "mm", "einsum", "scaled_dot_product_attention", "xlogy", "lerp",
    }
)  # fmt: skip
LEVELS = ((0.3, 1.2), (3.0, 12.0), (30.0, 120.0), (300.0, 1200.0))
"""Smaller and larger positive values of a map."""
LOW_LEVELS = ((-100.0, -98.0), (-30.0, -28.0), (-10.0, -8.0))
"""The same of negative ones, where some activations are nearly an exponential."""
MOST_PREFERRED = {"window": 1.4, "whole": 6.0}
"""How many times as much as the smaller values the larger may weigh, in a window or the whole map."""
MOST_SOURCES = 64
LEAST_LIKENESS = 0.7
"""Correlation of two maps of noise from which one is the other, moved."""
MOST_SLICES = 8
FARTHEST = 2
"""Positions by which maps are moved to be compared."""


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
    for source in _sources(measured)[:MOST_SOURCES]:
        for name, kind in _preferring(trial, images, source):
            where = "positions of a window" if kind == "window" else "rows and columns"
            found[name] = f"{short_name(measured.by_name[name].op)} that weighs the larger {where} more"
    return found


def _is_bent(measured: Measured, node: Node) -> bool:
    """Tell whether arithmetic is more than an activation, a sum, or a product with what is fixed."""
    name = short_name(node.op).rstrip("_")
    if name in ("mul", "multiply", "matmul", "bmm", "mm", "einsum"):
        return sum(ref in measured.fields for ref in node.refs) > 1
    if name in ("div", "divide", "true_divide"):
        return any(isinstance(a, Ref) and a.ref in measured.fields for a in node.args[1:2])
    return name in _BENT


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


def _preferring(trial: Trial, images: torch.Tensor, source: str) -> Iterator[tuple[str, str]]:
    targets = _targets(trial.view.measured, source)
    if not targets:
        return
    preferred = dict.fromkeys(targets, 0)
    low = dict.fromkeys(targets, 0)
    highest = dict.fromkeys(targets, 0.0)
    for smaller, larger in (*LEVELS, *LOW_LEVELS):
        for name, (few, much, value) in _weights(trial, images, source, targets, smaller, larger).items():
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
    if after.layout is None or after.unknown or any(map(is_mixed, after.layout)):
        return "window"
    if not after.is_map:
        return "" if after.axes else "whole"
    wider = any(after.span(axis).rf_px > before.span(axis).rf_px for axis in "hw")
    return "window" if wider else ""


def _weights(
    trial: Trial, images: torch.Tensor, source: str, targets: Mapping[str, str], smaller: float, larger: float
) -> dict[str, tuple[float, float, float]]:
    """Give, for each target, the mean weight of the smaller and of the larger values, and its own size."""
    shape = _shape(trial, images, source)
    is_large = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5
    map_ = torch.where(is_large, larger, smaller).to(trial.dtype).requires_grad_()
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, value: Any) -> None:
        if name in targets and isinstance(value, torch.Tensor):
            kept[name] = value

    given = trial.view.measured.graph.inputs[0]
    instead = {} if source == given else {source: lambda *_: map_ * 1}
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


def _shape(trial: Trial, images: torch.Tensor, source: str) -> list[int]:
    stated = trial.view.measured.shapes[source]
    return [size if isinstance(size, int) else len(images) for size in stated]


# Private functions: copies of one map, moved


def _copies(trial: Trial, images: torch.Tensor) -> dict[str, str]:
    """Find choices of the larger between a map and what is the same map, moved, however it was made."""
    measured = trial.view.measured
    chosen = {n.name: pairs for n in measured.nodes if (pairs := _compared(measured, n))}
    if not chosen:
        return {}
    names = {name for pairs in chosen.values() for pair in pairs for name, *_ in pair}
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(images[:2].shape, generator=draw).to(trial.dtype)
    base = values_of(trial, noise, names)
    steps = _steps(measured, names)
    found = {}
    for step in steps:
        shifted = values_of(trial, noise.roll(step, (2, 3)), names)
        for name, pairs in chosen.items():
            if name not in found and any(_is_moved(measured, base, shifted, *pair) for pair in pairs):
                found[name] = f"{short_name(measured.by_name[name].op)} of one map and the same map moved"
    return found


Operand = tuple[str, int | None, int]
"""A value, or the slice of it at a place of one dimension."""


def _compared(measured: Measured, node: Node) -> list[tuple[Operand, Operand]]:
    """List the pairs of maps between which a node chooses."""
    fields = measured.fields
    if OPS.get(node.op) == "maximum":
        chosen = node.args[1:] if short_name(node.op) == "where" else (*node.args, *node.kwargs.values())
        refs = [arg.ref for arg in chosen if isinstance(arg, Ref) and arg.ref in fields]
        maps = [name for name in refs if fields[name].is_map and place_dimensions(fields[name])]
        return [((maps[0], None, 0), (other, None, 0)) for other in maps[1:]]
    if OPS.get(node.op) not in ("reduce_max", "order") or node.refs[0] not in fields:
        return []
    field, name = fields[node.refs[0]], node.refs[0]
    if not field.is_map or place_dimensions(field) is None:
        return []
    pairs: list[tuple[Operand, Operand]] = []
    for dimension in reduced_dimensions(node, len(field.known_layout())):
        size = measured.shapes[name][dimension]
        if isinstance(size, int) and dimension not in (place_dimensions(field) or ()):
            pairs += [((name, dimension, 0), (name, dimension, i)) for i in range(1, min(size, MOST_SLICES))]
    return pairs


def _steps(measured: Measured, names: set[str]) -> list[tuple[int, int]]:
    """List the moves of the image, in pixels, that could make one map of another."""
    jumps = {int(measured.fields[n].h.jump) for n in names if measured.fields[n].h.jump >= 1}
    jumps |= {jump // 2 for jump in jumps if jump % 2 == 0}
    around = range(-FARTHEST, FARTHEST + 1)
    return sorted({(y * j, x * j) for j in jumps for y in around for x in around} - {(0, 0)})


def _is_moved(
    measured: Measured,
    base: Mapping[str, torch.Tensor],
    shifted: Mapping[str, torch.Tensor],
    one: Operand,
    other: Operand,
) -> bool:
    """Tell whether one map of the moved image is the other map of the image, and was not of itself."""
    moved, still, target = _operand(shifted, one), _operand(base, one), _operand(base, other)
    if moved.shape != target.shape:
        return False
    channel = _channel_dimension(measured.fields[one[0]], one[1])
    likeness = _likeness(moved, target, channel)
    return likeness > LEAST_LIKENESS and likeness > _likeness(still, target, channel) + 0.05


def _operand(values: Mapping[str, torch.Tensor], operand: Operand) -> torch.Tensor:
    name, dimension, place = operand
    return values[name] if dimension is None else values[name].select(dimension, place)


def _channel_dimension(field: Field, selected: int | None) -> int | None:
    places = place_dimensions(field) or ()
    left = [i for i in range(1, len(field.known_layout())) if i not in places and i != selected]
    return None if not left else left[0] - (selected is not None and selected < left[0])


def _likeness(one: torch.Tensor, other: torch.Tensor, channel: int | None) -> float:
    """Give the median over the channels of the correlation of two maps, without its sign."""
    a, b = (t.unsqueeze(0) if channel is None else t.movedim(channel, 0) for t in (one, other))
    a, b = a.flatten(1), b.flatten(1)
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    sizes = a.norm(dim=1) * b.norm(dim=1)
    there = sizes > 0
    if not there.any():
        return 0.0
    return float(((a * b).sum(1)[there] / sizes[there]).abs().median())
