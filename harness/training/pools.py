"""Does a network weigh the larger values of a map more, as a maximum does.

Maps are replaced by small and large values, and what they contribute is compared, in float64, operators as
they are.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch

from harness.analysis.graph import Node, Ref
from harness.analysis.layout import is_mixed
from harness.analysis.ops import OPS, short_name
from harness.analysis.receptive import Measured
from harness.training.trial import Trial, place_dimensions, values_of

_LAYERS = frozenset({"conv", "conv_transpose", "linear", "matmul", "einsum"})
# What is linear, moves elements, or is an activation: grows no faster than its argument.
_PLAIN_FAMILIES = frozenset(
    {
        "identity", "overwrite", "conv", "conv_transpose", "linear", "avg_pool",
        "adaptive_avg_pool", "batch_norm", "norm", "weight_norm", "dropout", "view", "permute",
        "slice", "split", "select", "expand", "repeat", "flip", "roll", "pad", "cat", "stack", "scatter",
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
# Spreads of a map; over the positions of a window `harness.analysis.maxima` finds them.
_STATISTICS = frozenset({"var", "std", "var_mean", "std_mean", "linalg_vector_norm", "norm"})
_DETACHES = frozenset({"aten.detach.default", "aten.detach_.default"})
_PRODUCTS = frozenset({"mul", "multiply", "matmul", "bmm", "mm", "einsum", "addcmul", "lerp"})
LEVELS = tuple((low, 4 * low) for low in (0.03, 0.1, 0.2, 0.3, 3.0, 30.0, 300.0))
"""Smaller and larger positive values of a map."""
LOW_LEVELS = tuple((low, low + 2) for low in (-100.0, -30.0, -20.0, -10.0, -5.0))
"""The same of negative ones, where some activations are nearly an exponential."""
ELEMENTS, ELEMENTS_SEEDS = 16, 2
"""Elements of a value, and different maps, that are looked at to tell how many positions it reads."""
MANY_LEVELS, MANY_LOW_LEVELS = 3, 2
"""How many of each have to show a preference: an activation has its bend at one or two."""
MOST_PREFERRED = {"window": 1.5, "whole": 6.0}
"""How many times as much as the smaller values the larger may weigh, in a window or the whole map."""


def smooth_maxima(trial: Trial, images: torch.Tensor) -> dict[str, str]:
    """Find sums over positions, with no learned layer in them, that weigh larger values more.

    `images` (1, C, H, W) give what other layers make its values. Returns what each node is, by its name.
    """
    measured = trial.view.measured
    if not any(_is_bent(node, measured.fields) for node in measured.nodes):
        return {}
    found: dict[str, str] = {}
    sources = _sources(measured)
    held = values_of(trial, images, set(sources))
    for source in sources:
        for name, kind in _preferring(trial, images, source, held):
            where = "positions of a window" if kind == "window" else "rows and columns"
            found[name] = f"{short_name(measured.by_name[name].op)} that weighs the larger {where} more"
    return found


# Private functions


def _is_bent(node: Node, values: Collection[str]) -> bool:
    """Tell whether arithmetic on some values is more than an activation, a sum, or a product with others."""
    name, reached = short_name(node.op).rstrip("_"), [ref for ref in node.refs if ref in values]
    if name in _PRODUCTS:
        return len(reached) > 1
    if name in ("div", "divide", "true_divide"):
        return any(isinstance(a, Ref) and a.ref in values for a in node.args[1:2])
    if OPS.get(node.op) == "gather":
        return len(reached) > 1
    if name in _STATISTICS:
        return node.arg(1, "ord") not in (None, 1, 2, 1.0, 2.0) and "norm" in name
    return OPS.get(node.op) not in _PLAIN_FAMILIES and name not in _PLAIN


def _is_learned(measured: Measured, node: Node) -> bool:
    """Tell whether a layer's weights are trained; fixed ones are arithmetic like any other."""
    if OPS.get(node.op) not in _LAYERS:
        return False
    weights = measured.leading_to(*(ref for ref in node.refs if ref not in measured.fields))
    tensors = (measured.architecture.tensor(measured.graph, name) for name in weights)
    return any(tensor is not None and tensor.trainable for tensor in tensors)


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
                # Less is rounding: a sum that is always the same, as that of shares is.
                counts = much * larger > 0.05 * value
                highest[name] = max(highest[name], much if counts else 0.0)
                preferred[name] += is_more and counts
            else:
                low[name] += is_more and much > 0.05 * highest[name] > 0
    found: set[str] = set()
    for name, kind in targets.items():
        if not found.isdisjoint(trial.view.measured.by_name[name].refs):
            found.add(name)  # computed from one that is named already
            continue
        is_preferred = preferred[name] >= MANY_LEVELS or low[name] >= MANY_LOW_LEVELS
        if is_preferred and _reads_several(trial, images, source, name, held):
            found.add(name)
            yield name, kind


def _targets(measured: Measured, source: str) -> dict[str, str]:
    """Name what is summed over positions of a map with no learned layer in between, and bent on the way."""
    reached, bent, found = {source}, set[str](), dict[str, str]()
    for node in measured.nodes:
        if reached.isdisjoint(node.refs) or _is_learned(measured, node):
            continue
        is_bent = _is_bent(node, reached) or not bent.isdisjoint(node.refs)
        reached.add(node.name)
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
    map_, is_large, kept = _run_on(trial, images, source, set(targets), level, held)
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


def _run_on(
    trial: Trial,
    images: torch.Tensor,
    source: str,
    names: set[str],
    level: tuple[float, float],
    held: Mapping[str, torch.Tensor],
    seed: int = 0,
) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Run the graph on a map of two values: the map, where it has the larger, and the values asked for."""
    smaller, larger = level
    shape = _shape(trial, images, source)
    is_large = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    map_ = torch.where(is_large, larger, smaller).to(trial.dtype).requires_grad_()
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, value: Any) -> None:
        if name in names and isinstance(value, torch.Tensor):
            kept[name] = value

    graph = trial.view.measured.graph
    given = graph.inputs[0]
    instead: dict[str, Any] = {n.name: _passed_on for n in graph.nodes if n.op in _DETACHES}
    instead |= {n: (lambda *_, x=value: x.clone()) for n, value in held.items() if n not in (source, given)}
    if source != given:
        instead[source] = lambda *_: map_ * 1
    trial.run(map_ if source == given else images, watch=keep, instead=instead)
    return map_, is_large, kept


def _reads_several(
    trial: Trial, images: torch.Tensor, source: str, name: str, held: Mapping[str, torch.Tensor]
) -> bool:
    """Tell whether elements of a value are computed from several positions of a map, not always the same."""
    places = place_dimensions(trial.view.measured.fields[source])
    read: dict[int, set[int]] = {}
    for seed in range(ELEMENTS_SEEDS):
        map_, _, kept = _run_on(trial, images, source, {name}, LEVELS[3], held, seed)
        value = kept[name].flatten()
        for element in torch.linspace(0, len(value) - 1, ELEMENTS).long().tolist():
            try:
                (gradient,) = torch.autograd.grad(value[element], map_, retain_graph=True, allow_unused=True)
            except RuntimeError:
                return True
            if gradient is None or places is None:
                return True
            others = [i for i in range(gradient.ndim) if i not in places]
            seen = gradient.ne(0).sum(others).flatten().nonzero().flatten().tolist()
            read.setdefault(element, set()).update(seen)
    return any(len(positions) > 1 for positions in read.values())


def _passed_on(_: Any, args: list[Any], __: Any) -> Any:
    """Let a gradient through that was cut off: what is computed stays the same."""
    return args[0]


def _shape(trial: Trial, images: torch.Tensor, source: str) -> list[int]:
    stated = trial.view.measured.shapes[source]
    return [size if isinstance(size, int) else len(images) for size in stated]
