"""Which values of a network are steps: next to nothing but a least and a largest one, whatever makes them."""

import torch

from harness.analysis.lookups import chosen_from
from harness.analysis.ops import OPS
from harness.training.trial import Trial, values_of

IMAGES = 16
LEAST_VALUES = 32
"""Of a node, for all images together; of fewer nobody can tell."""
LEAST_AT_ENDS = 0.9
"""Share of the values that has to lie at one end or the other."""
NEAR = 1e-3
"""How near to an end, as a share of what is between them."""


def steps(trial: Trial, images: torch.Tensor) -> frozenset[str]:
    """Name the nodes that make steps of images (N, C, H, W), where a table might be chosen from by them."""
    measured = trial.view.measured
    if not chosen_from(measured):
        return frozenset()
    names = {node.name for node in measured.nodes if OPS.get(node.op) in ("elementwise", "softmax")}
    values = values_of(trial, images[:IMAGES], names)
    return frozenset(name for name, value in values.items() if _are_steps(value))


# Private functions


def _are_steps(value: torch.Tensor) -> bool:
    if not value.is_floating_point() or value.numel() < LEAST_VALUES:
        return False
    low, high = value.min(), value.max()
    distance = torch.minimum(value - low, high - value)
    is_at_end = distance <= NEAR * (high - low)
    return bool(high > low) and bool(is_at_end.double().mean() >= LEAST_AT_ENDS)
