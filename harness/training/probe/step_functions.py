"""Find values of a network that are steps, or nearly constant, whatever makes them."""

import torch

from harness.graph.lookups import chosen_from
from harness.graph.operators import OPS
from harness.training.probe.trial import Trial, values_of

IMAGES = 16
LEAST_VALUES = 32
"""Of a node, for all images together; of fewer nobody can tell."""
LEAST_AT_ENDS = 0.9
"""Share of the values that has to lie at one end or the other."""
LEAST_SPREAD = 1e-6
"""Of what a batch-norm reads, as a share of its mean: less is lost in float32."""
NEAR = 1e-3
"""How near to an end, as a share of what is between them."""


def steps(trial: Trial, images: torch.Tensor) -> frozenset[str]:
    """Return the nodes that make steps of images (N, C, H, W), where a table might be chosen from by them."""
    measured = trial.view.measured
    if not chosen_from(measured):
        return frozenset()
    names = {node.name for node in measured.nodes if OPS.get(node.op) in ("elementwise", "softmax")}
    values = values_of(trial, images[:IMAGES], names)
    return frozenset(name for name, value in values.items() if _are_steps(value))


def nearly_constant(trial: Trial, images: torch.Tensor) -> str:
    """Return the layer of a batch-norm that reads what is nearly the same for all images; "" without any."""
    measured = trial.view.measured
    norms = {n.args[0].ref: n.layer for n in measured.nodes if OPS.get(n.op) == "batch_norm"}
    for name, value in values_of(trial, images, set(norms)).items():
        by_channel = value.movedim(1, 0).flatten(1)
        mean, spread = by_channel.mean(1).abs(), by_channel.std(1)
        if name in norms and bool((mean > 0).all()) and bool((spread <= LEAST_SPREAD * mean).all()):
            return norms[name]
    return ""


# Private functions


def _are_steps(value: torch.Tensor) -> bool:
    if not value.is_floating_point() or value.numel() < LEAST_VALUES:
        return False
    low, high = value.min(), value.max()
    distance = torch.minimum(value - low, high - value)
    is_at_end = distance <= NEAR * (high - low)
    return bool(high == low) or bool(is_at_end.double().mean() >= LEAST_AT_ENDS)
