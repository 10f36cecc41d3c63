"""Does a network weigh the larger values of a map more, as a maximum does.

Maps are replaced by small and large values, and what they contribute is compared, in float64, operators as
they are.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from harness.graph.ir import Node, Ref
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.layout import is_mixed
from harness.training.probe.preference import ALL_LEVELS, LEVELS, NEGATED, Level, Weights, prefers_larger
from harness.training.probe.trial import Trial, place_dimensions, values_of

_LAYERS = frozenset({"conv", "conv_transpose", "linear", "matmul", "einsum"})
_WEIGHTED = _LAYERS | {"batch_norm", "norm", "recurrent"}
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
# Spreads of a map; over the positions of a window `harness.graph.maxima` finds them.
_STATISTICS = frozenset({"var", "std", "var_mean", "std_mean", "linalg_vector_norm", "norm"})
_GATES = frozenset({"sigmoid", "hardsigmoid", "tanh", "erf"})
_DETACHES = frozenset({"aten.detach.default", "aten.detach_.default"})
_PRODUCTS = frozenset({"mul", "multiply", "matmul", "bmm", "mm", "einsum", "addcmul", "lerp"})
JITTER = 0.01
"""Share of a value by which those of a map differ, so that none are equal."""
OTHER_NUMBERS = (3.0, 0.01)
"""What a learned number is tried as: an exponent of 1, or a temperature of 0, need not stay so."""
SIZES = (*LEVELS, *NEGATED)
"""Levels that are tried with those: where activations bend, other numbers move the bend."""
ELEMENTS, ELEMENTS_SEEDS = 16, 2
"""Elements of a value, and different maps, that are looked at to tell how many positions it reads."""


def smooth_maxima(trial: Trial, images: torch.Tensor) -> dict[str, str]:
    """Find sums over positions that weigh larger values more.

    `images` (1, C, H, W) give what other layers make its values. Returns what each node is, by its name.
    """
    measured = trial.view.measured
    if not any(_is_bent(node, measured.fields) for node in measured.nodes):
        return {}
    found = dict(_found(trial, images, ALL_LEVELS))
    for other in () if found else _with_other_numbers(trial):
        found |= _found(other, images, SIZES)
    return found


# Private functions


def _found(trial: Trial, images: torch.Tensor, levels: tuple[Level, ...]) -> Iterator[tuple[str, str]]:
    measured = trial.view.measured
    learned, normalised = _sources(measured)
    held = values_of(trial, images, set(learned))
    for source in (*learned, *normalised, measured.graph.inputs[0]):
        for name, kind in _preferring(trial, images, source, held, levels):
            where = "rows and columns" if kind == "whole" else "positions of a window"
            yield name, f"{short_name(measured.by_name[name].op)} that weighs the larger {where} more"


def _with_other_numbers(trial: Trial) -> Iterator[Trial]:
    """Change learned numbers in arithmetic (exponents, temperatures) to values that training may reach."""
    measured = trial.view.measured
    bent = [node for node in measured.nodes if _is_bent(node, measured.fields)]
    weights = [ref for node in measured.nodes if OPS.get(node.op) in _WEIGHTED for ref in node.refs[1:]]
    values = measured.leading_to(*(node.name for node in bent))
    values -= measured.leading_to(*(ref for ref in weights if ref not in measured.fields))
    owners = {
        tensor.name
        for value in values
        if (tensor := measured.architecture.tensor(measured.graph, value)) and tensor.trainable
    }
    names = {t.name for t in measured.architecture.tensors if (t.tied_to or t.name) in owners}
    for number in OTHER_NUMBERS if names else ():
        others = {name: torch.full_like(trial.tensors[name], number) for name in names}
        yield replace(trial, tensors={**trial.tensors, **others}, constants={})


def _is_bent(node: Node, values: Collection[str]) -> bool:
    """Return whether arithmetic on values is more than an activation, a sum, or a product with others."""
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


def _gates_itself(measured: Measured, node: Node) -> bool:
    """Return whether a value is multiplied by a bounded function of itself: SiLU, written by hand."""
    if short_name(node.op).rstrip("_") not in ("mul", "multiply") or len(node.refs) != 2:
        return False
    gates = (
        (node.refs[0], measured.by_name.get(node.refs[1])),
        (node.refs[1], measured.by_name.get(node.refs[0])),
    )
    return any(
        gate is not None and short_name(gate.op).rstrip("_") in _GATES and gate.refs[0] == value
        for value, gate in gates
    )


def is_learned(measured: Measured, node: Node) -> bool:
    """Return whether a layer's weights are trained; fixed ones are arithmetic like any other."""
    if OPS.get(node.op) not in _LAYERS:
        return False
    weights = measured.leading_to(*(ref for ref in node.refs if ref not in measured.fields))
    tensors = (measured.architecture.tensor(measured.graph, name) for name in weights)
    return any(tensor is not None and tensor.trainable for tensor in tensors)


def _sources(measured: Measured) -> tuple[list[str], list[str]]:
    """Return the maps that learned layers make, and those whose size is made one."""
    maps = [node for node in measured.nodes if measured.fields[node.name].is_map]
    learned = [node.name for node in maps if is_learned(measured, node)]
    return learned, [node.name for node in maps if _is_normalised(measured, node)]


def _is_normalised(measured: Measured, node: Node) -> bool:
    """Return whether a node's values have a size of their own, whatever that of what it reads is."""
    is_divided = short_name(node.op).rstrip("_") in ("div", "divide", "true_divide")
    by_image = any(isinstance(arg, Ref) and arg.ref in measured.fields for arg in node.args[1:2])
    return OPS.get(node.op) == "norm" or (is_divided and by_image)


def _preferring(
    trial: Trial,
    images: torch.Tensor,
    source: str,
    held: Mapping[str, torch.Tensor],
    levels: tuple[Level, ...],
) -> Iterator[tuple[str, str]]:
    targets, layers = _targets(trial.view.measured, source)
    if not targets:
        return
    kept = {name: value for name, value in held.items() if name not in layers}
    weights: dict[str, dict[Level, Weights]] = {name: {} for name in targets}
    for level in levels:
        for name, one in _weights(trial, images, source, targets, level, kept).items():
            weights[name][level] = one
    found: set[str] = set()
    for name, kind in targets.items():
        if not found.isdisjoint(trial.view.measured.by_name[name].refs):
            found.add(name)  # computed from one that is named already
            continue
        if prefers_larger(weights[name], kind) and _reads_several(trial, images, source, name, kept):
            found.add(name)
            yield name, kind


def _targets(measured: Measured, source: str) -> tuple[dict[str, str], set[str]]:
    """Return what is summed over positions of a map, and bent on the way, and the learned layers on the way.

    Behind a learned layer that reads what was bent counts alone what is bent again: a root, a logarithm.
    """
    reached, bent, behind, layers = {source}, set[str](), set[str](), set[str]()
    plain = {node.name for node in measured.nodes if _gates_itself(measured, node)}
    found: dict[str, str] = {}
    for node in measured.nodes:
        if (reached | behind).isdisjoint(node.refs):
            continue
        if is_learned(measured, node):
            if not bent.isdisjoint(node.refs) and behind.isdisjoint(node.refs):
                layers.add(node.name)
                behind.add(node.name)
            continue
        if not behind.isdisjoint(node.refs):
            behind.add(node.name)
            is_bent = node.name not in plain and _is_bent(node, behind)
            kind = "layer" if is_bent and OPS.get(node.op) == "elementwise" else ""
        else:
            reached.add(node.name)
            is_bent = node.name not in plain and _is_bent(node, reached)
            is_bent = is_bent or not bent.isdisjoint(node.refs)
            bent |= {node.name} if is_bent else set()
            kind = _mixes(measured, source, node.name) if is_bent else ""
        if kind and node.shape is not None and _mixes(measured, source, node.name):
            found[node.name] = kind
    return found, layers


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
    level: Level,
    held: Mapping[str, torch.Tensor],
    *,
    cut: bool = False,
) -> dict[str, Weights]:
    """Return, for each target, the mean weight of the smaller and of the larger values, and its own size.

    What other learned layers make keeps the values it has for the images, those of `held`. Gradients end
    where the network `cut`s them off, if they cannot be taken otherwise: ``heaviside`` has none.
    """
    map_, is_large, kept = _run_on(trial, images, source, set(targets), level, held, cut=cut)
    result: dict[str, Weights] = {}
    for name, value in kept.items():
        if not value.requires_grad or value.is_complex():
            continue
        try:
            (gradient,) = torch.autograd.grad(value.sum(), map_, retain_graph=True, allow_unused=True)
        except RuntimeError:
            if not cut:
                result |= _weights(trial, images, source, {name: targets[name]}, level, held, cut=True)
            continue  # overwritten before its gradient is taken: such a network cannot be trained
        if gradient is None or not gradient.isfinite().all():
            continue
        few, much = gradient[~is_large].mean().item(), gradient[is_large].mean().item()
        size = value.abs().mean().item() * value.numel() / map_.numel()
        result[name] = Weights(few, much, size)
    return result


def _run_on(
    trial: Trial,
    images: torch.Tensor,
    source: str,
    names: set[str],
    level: Level,
    held: Mapping[str, torch.Tensor],
    seed: int = 0,
    *,
    cut: bool = False,
) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Run the graph on a map of two values: the map, where it has the larger, and the values asked for."""
    smaller, larger = level
    stated = trial.view.measured.shapes[source]
    shape = [size if isinstance(size, int) else len(images) for size in stated]
    draw = torch.Generator().manual_seed(seed)
    is_large = torch.rand(shape, generator=draw) < 0.5
    map_ = torch.where(is_large, larger, smaller).to(trial.dtype)
    map_ = (map_ * (1 + JITTER * torch.rand(shape, generator=draw))).requires_grad_()
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, value: Any) -> None:
        if name in names and isinstance(value, torch.Tensor):
            kept[name] = value

    graph = trial.view.measured.graph
    given = graph.inputs[0]
    instead: dict[str, Any] = {n.name: _passed_on for n in graph.nodes if n.op in _DETACHES and not cut}
    instead |= {n: (lambda *_, x=value: x.clone()) for n, value in held.items() if n not in (source, given)}
    if source != given:
        instead[source] = lambda *_: map_ * 1
    trial.run(map_ if source == given else images, watch=keep, instead=instead)
    return map_, is_large, kept


def _reads_several(
    trial: Trial, images: torch.Tensor, source: str, name: str, held: Mapping[str, torch.Tensor]
) -> bool:
    """Return whether elements of a value come from several positions of a map, not always the same."""
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
    """Pass a gradient on that was cut off: what is computed stays the same."""
    return args[0]
