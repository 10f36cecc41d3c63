"""Which layers have influence: their weights are replaced, and the logits have to move."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from harness.analysis.graph import Node
from harness.analysis.ops import OPS
from harness.training.trial import Both, Trial, relative

LEAST_EFFECT = 1e-11
"""Least change of the logits, relative to what tells images apart, that is an influence."""
SMALL_EFFECT = 1e-6
"""Below it, rounding is told by its growth in float32, by 5e8; above it, by what float32 loses."""
ROUNDING = 1e4
ENLARGED = 4
"""How many times as large an image is tried for dilated layers that read only padding beside their middle."""


def effects_of(both: Both, images: torch.Tensor, fixed: frozenset[str]) -> dict[str, float]:
    """Try each layer, and dilated ones without influence on a larger image, if the network can be run on one.

    A dilated kernel may be larger than the map, and read nothing but padding beside its middle.
    """
    effects = _tried(both, images, fixed)
    weak = {name for name, effect in effects.items() if not effect}
    dilated = {c.node.name for c in both[0].view.dilated}
    if weak.isdisjoint(dilated):
        return effects
    larger = images.repeat(1, 1, ENLARGED, ENLARGED)
    try:
        again = _tried(both, larger, fixed)
    except Exception:  # noqa: BLE001 - torch may raise anything on a size the network is not written for
        return effects
    return {
        name: again[name] if name in dilated and not effect else effect for name, effect in effects.items()
    }


# Private functions


@torch.no_grad()
def _tried(both: Both, images: torch.Tensor, fixed: frozenset[str]) -> dict[str, float]:
    """Replace the weights of each layer in question, one after the other; 0 for what has no influence."""
    bases = [one.run(images) for one in both]
    effects: dict[str, float] = {}
    for node in both[0].view.in_question:
        pairs = zip(both, bases, strict=True)
        exact, single = (_effect(one, node, images, base, fixed) for one, base in pairs)
        has_influence = exact >= LEAST_EFFECT and not _is_rounding(exact, single)
        effects[node.name] = min(exact, 1e9) if has_influence else 0.0
    return effects


def _is_rounding(exact: float, single: float) -> bool:
    """Tell whether a change in float64 is left by rounding, or is one that float32 loses by rounding."""
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


def _where_it_counts(weight: torch.Tensor, other: torch.Tensor, node: Node) -> torch.Tensor:
    """Take only the other weights that make a layer what it is: beside the middle, or of further channels.

    The middle of a kernel (k, ...) larger than 1x1 is left as it was, and so is, in a layer that mixes
    channels, the largest weight of each row: what is left of either is neither wider nor a mixture.
    """
    sides = weight.shape[2:]
    kept = torch.zeros_like(weight, dtype=torch.bool)
    if any(side > 1 for side in sides):
        middle: tuple[slice | int, ...] = (slice(None), slice(None), *(side // 2 for side in sides))
        kept[middle] = True
    elif OPS.get(node.op) != "conv_transpose":
        kept.scatter_(1, weight.abs().argmax(1, keepdim=True), True)  # noqa: FBT003 - torch's own order
    return torch.where(kept, weight, other.to(weight.dtype))


def _other_weight(trial: Trial, node: Node, images: torch.Tensor, fixed: frozenset[str]) -> torch.Tensor:
    """Compute the weight of a layer from other stored tensors, drawn around those it is computed from.

    `fixed` are those that some steps of training did not change.
    """
    name = node.args[1].ref
    graph, draw = trial.view.measured.graph, torch.Generator().manual_seed(0)
    others = dict(trial.tensors)
    for value in sorted(trial.view.measured.leading_to(name) & set(graph.bindings)):
        tensor = trial.view.measured.architecture.tensor(graph, value)
        stored = others[graph.bindings[value]]
        trained = tensor is not None and tensor.trainable and graph.bindings[value] not in fixed
        others[graph.bindings[value]] = _drawn_around(stored, draw, trained=trained)
    if name in graph.bindings:
        return others[graph.bindings[name]]
    kept: dict[str, torch.Tensor] = {}

    def keep(value: str, tensor: Any) -> None:
        if value == name:
            kept[name] = tensor.clone()

    replace(trial, tensors=others, constants={}).run(images, watch=keep)
    return kept[name]


def _drawn_around(tensor: torch.Tensor, draw: torch.Generator, *, trained: bool) -> torch.Tensor:
    """Draw another tensor of the same size; what is not trained keeps its zeros."""
    if not tensor.is_floating_point():
        return tensor
    noise = torch.randn(tensor.shape, generator=draw, dtype=tensor.dtype)
    return tensor + (tensor.abs().mean() or 0.1) * noise if trained else tensor * (1 + noise)
