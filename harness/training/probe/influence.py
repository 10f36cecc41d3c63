"""Find the layers that have influence: their weights are replaced, and the logits have to move."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from harness.graph.activations import activation
from harness.graph.flow import data_reads
from harness.graph.ir import Node, Ref
from harness.graph.operators import OPS, is_in_place
from harness.graph.residual_joins import find_joins
from harness.graph.view import View
from harness.training.probe.trial import Both, Trial, relative

LEAST_EFFECT = 1e-11
"""Least change of the logits, relative to what tells images apart, that is an influence."""
SMALL_EFFECT = 1e-6
"""Below it, rounding is told by its growth in float32, by 5e8; above it, by what float32 loses."""
ROUNDING = 1e4
_LAYERS = frozenset(
    {
        "conv", "conv_transpose", "linear", "matmul", "einsum", "recurrent", "attention", "batch_norm",
        "norm", "avg_pool", "max_pool", "adaptive_avg_pool", "adaptive_max_pool", "cat", "resample",
    }
)  # fmt: skip
ENLARGED = 4
"""How many times as large an image is tried for dilated layers that read only padding beside their middle."""


def others_in_question(view: View) -> tuple[Node, ...]:
    """List the layers that `View.in_question` leaves out: linear ones, norms, activations, pools, sums."""
    known = {node.name for node in view.in_question}
    return tuple(
        node
        for node in view.measured.nodes
        if node.name not in known and (OPS.get(node.op) in _LAYERS or activation(view.measured, node))
    ) + tuple(join.node for join in find_joins(view.measured))


def effects_of(
    both: Both, images: torch.Tensor, fixed: frozenset[str], layers: Sequence[Node]
) -> dict[str, float]:
    """Try each layer, and dilated ones without influence on a larger image, if the network can be run on one.

    A dilated kernel may be larger than the map, and read nothing but padding beside its middle.
    """
    effects = _tried(both, images, fixed, layers)
    weak = {name for name, effect in effects.items() if not effect}
    dilated = {c.node.name for c in both[0].view.dilated}
    if weak.isdisjoint(dilated):
        return effects
    larger = images.repeat(1, 1, ENLARGED, ENLARGED)
    try:
        again = _tried(both, larger, fixed, layers)
    except Exception:  # noqa: BLE001 - torch may raise anything on a size the network is not written for
        return effects
    return {
        name: again[name] if name in dilated and not effect else effect for name, effect in effects.items()
    }


# Private functions


@torch.no_grad()
def _tried(
    both: Both, images: torch.Tensor, fixed: frozenset[str], layers: Sequence[Node]
) -> dict[str, float]:
    """Replace the weights of each layer, or what it reads, one by one; 0 for what has no influence."""
    bases = [one.run(images) for one in both]
    effects: dict[str, float] = {}
    shared = _sharing(both[0].view)
    for node in layers:
        effect = _effect if _has_weights(both[0].view, node) else _effect_of_reading
        effect = _effect_of_sharing if node.name in shared else effect
        pairs = zip(both, bases, strict=True)
        exact, single = (effect(one, node, images, base, fixed) for one, base in pairs)
        has_influence = exact >= LEAST_EFFECT and not _is_rounding(exact, single)
        effects[node.name] = min(exact, 1e9) if has_influence else 0.0
    return effects


def _is_rounding(exact: float, single: float) -> bool:
    """Return whether a change in float64 is left by rounding, or is one that float32 loses by rounding."""
    if exact < SMALL_EFFECT:
        return single > ROUNDING * exact
    return single < exact / ROUNDING


def _effect(
    trial: Trial, node: Node, images: torch.Tensor, base: torch.Tensor, fixed: frozenset[str]
) -> float:
    weight = _other_weight(trial, node, images, fixed)

    def with_it(call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        return call(args[0], _where_it_counts(args[1], weight, node), *args[2:], **kwargs)

    return relative(trial.run(images, instead={node.name: with_it}), base)


def _effect_of_sharing(
    trial: Trial, node: Node, images: torch.Tensor, base: torch.Tensor, fixed: frozenset[str]
) -> float:
    """Try a layer alone, and all that use its weights together: what they compute may cancel out."""
    together = replace(trial, tensors=_other_tensors(trial, node, fixed), constants={})
    return min(_effect(trial, node, images, base, fixed), relative(together.run(images), base))


def _sharing(view: View) -> frozenset[str]:
    """Return the layers whose weights are computed from stored tensors that another layer uses too."""
    users: dict[str, set[str]] = {}
    for node in view.measured.nodes:
        if _has_weights(view, node):
            for owner in _owners(view, node.args[1].ref):
                users.setdefault(owner, set()).add(node.name)
    return frozenset[str]().union(*(names for names in users.values() if len(names) > 1))


def _owners(view: View, name: str) -> frozenset[str]:
    """Return the stored tensors that a value is computed from; tied ones are one."""
    measured = view.measured
    found = (measured.architecture.tensor(measured.graph, value) for value in measured.leading_to(name))
    return frozenset(tensor.name for tensor in found if tensor is not None)


def _has_weights(view: View, node: Node) -> bool:
    """Return whether a layer's weight is its second argument, and the image does not reach it."""
    weight = node.args[1] if len(node.args) > 1 else None
    if OPS.get(node.op) not in ("conv", "conv_transpose", "linear", "matmul") or not isinstance(weight, Ref):
        return False
    return weight.ref not in view.measured.fields and len(view.measured.shapes[weight.ref]) > 1


def _effect_of_reading(
    trial: Trial, node: Node, images: torch.Tensor, base: torch.Tensor, fixed: frozenset[str]
) -> float:
    """Change each value of the image that a layer reads; return the least that one moves the logits."""
    del fixed
    fields = trial.view.measured.fields
    effects = []
    for name in dict.fromkeys(name for name in data_reads(node) if name in fields):

        def with_it(
            call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], name: str = name
        ) -> Any:
            return call(*_with_noise(node, node.args, args, name), **kwargs)

        effects.append(relative(trial.run(images, instead={node.name: with_it}), base))
    return min(effects)


def _with_noise(node: Node, named: Sequence[Any], args: Sequence[Any], name: str) -> list[Any]:
    """Add noise to one value among the arguments of a call, in place where the call changes it."""
    changed: list[Any] = []
    for arg, value in zip(named, args, strict=True):
        if isinstance(arg, list):
            changed.append(_with_noise(node, arg, value, name))
        elif isinstance(arg, Ref) and arg.ref == name:
            other = _drawn_around(value, torch.Generator().manual_seed(0), trained=True)
            changed.append(value.copy_(other) if is_in_place(node.op) else other)
        else:
            changed.append(value)
    return changed


def _where_it_counts(weight: torch.Tensor, other: torch.Tensor, node: Node) -> torch.Tensor:
    """Select the other weights that make a layer what it is: beside the middle, or of further channels.

    The middle of a kernel (k, ...) larger than 1x1 is left as it was, and so is, in a layer that mixes
    channels, the largest weight of each row: what is left of either is neither wider nor a mixture.
    """
    sides = weight.shape[2:]
    kept = torch.zeros_like(weight, dtype=torch.bool)
    if any(side > 1 for side in sides):
        middle: tuple[slice | int, ...] = (slice(None), slice(None), *(side // 2 for side in sides))
        kept[middle] = True
    elif OPS.get(node.op) != "conv_transpose" and weight.shape[1] > 1:
        kept.scatter_(1, weight.abs().argmax(1, keepdim=True), True)  # noqa: FBT003 - torch's own order
    return torch.where(kept, weight, other.to(weight.dtype))


def _other_weight(trial: Trial, node: Node, images: torch.Tensor, fixed: frozenset[str]) -> torch.Tensor:
    """Compute the weight of a layer from other stored tensors; see `_other_tensors`."""
    name, graph = node.args[1].ref, trial.view.measured.graph
    others = _other_tensors(trial, node, fixed)
    if name in graph.bindings:
        return others[graph.bindings[name]]
    kept: dict[str, torch.Tensor] = {}

    def keep(value: str, tensor: Any) -> None:
        if value == name:
            kept[name] = tensor.clone()

    replace(trial, tensors=others, constants={}).run(images, watch=keep)
    return kept[name]


def _other_tensors(trial: Trial, node: Node, fixed: frozenset[str]) -> dict[str, torch.Tensor]:
    """Draw other tensors around those that a layer's weight is computed from; tied ones stay tied.

    `fixed` are those that some steps of training did not change.
    """
    measured, draw = trial.view.measured, torch.Generator().manual_seed(0)
    others = dict(trial.tensors)
    for value in sorted(measured.leading_to(node.args[1].ref) & set(measured.graph.bindings)):
        tensor = measured.architecture.tensor(measured.graph, value)
        name = measured.graph.bindings[value]
        trained = tensor is not None and tensor.trainable and name not in fixed
        others[name] = _drawn_around(others[name], draw, trained=trained)
        tied = (one.name for one in measured.architecture.tensors if tensor and one.tied_to == tensor.name)
        others |= dict.fromkeys([*tied, *([tensor.name] if tensor else [])], others[name])
    return others


def _drawn_around(tensor: torch.Tensor, draw: torch.Generator, *, trained: bool) -> torch.Tensor:
    """Draw another tensor of the same size; what is not trained keeps its zeros."""
    if not tensor.is_floating_point():
        return tensor
    noise = torch.randn(tensor.shape, generator=draw, dtype=tensor.dtype)
    return tensor + (tensor.abs().mean() or 0.1) * noise if trained else tensor * (1 + noise)
