"""The work of a training step, in the kinds of which each machine does so much a second.

A convolution over space, one over channels alone and one of each channel alone run at very different rates,
and everything else waits for memory, as numbers do that are made and read again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from harness.graph.cost import multiply_adds, sizes_of_one
from harness.graph.ir import Architecture
from harness.graph.operators import OPS
from harness.graph.receptive_field.engine import Measured, measure

NEWTON_SCHULZ = 5
"""Iterations in which the optimiser makes a matrix orthogonal."""
_NO_WORK = frozenset({"view", "permute", "slice", "split", "identity", "expand", "select", "number"})


@dataclass(frozen=True)
class Workload:
    """Work of a training step: what an image at full size adds, and what every step takes besides."""

    dense: float = 0.0
    """Million multiply-adds an image of convolutions over several positions and channels."""
    pointwise: float = 0.0
    """The same of 1x1 convolutions, linear layers and other products."""
    depthwise: float = 0.0
    """The same of convolutions of each channel alone."""
    numbers: float = 0.0
    """Million numbers an image that operators make."""
    operators: float = 0.0
    """Operators."""
    matrices: float = 0.0
    """Million multiply-adds a step that make the optimiser's steps orthogonal."""

    @staticmethod
    def kinds() -> int:
        """Return how many kinds of work there are."""
        return len(fields(Workload))

    def amounts(self, images: int, share: float = 1.0) -> tuple[float, ...]:
        """Return the amount of each kind in a step on `images`, each of a `share` of the pixels."""
        own = [getattr(self, field.name) for field in fields(self)]
        return (*(images * share * amount for amount in own[:4]), *own[4:])


def workload(architecture: Architecture) -> Workload:
    """Add up the work of the training graph; what is not known counts as none."""
    measured = measure(architecture, architecture.train)
    working = [node for node in measured.flow.nodes if OPS.get(node.op) not in _NO_WORK]
    amounts = dict.fromkeys(("dense", "pointwise", "depthwise"), 0)
    for name, count in multiply_adds(measured).items():
        amounts[_kind(measured, name)] += count or 0
    sizes = [sizes_of_one(measured, node.name) for node in working]
    trained = [t.shape for t in architecture.tensors if t.trainable and t.tied_to is None]
    return Workload(
        **{kind: count / 1e6 for kind, count in amounts.items()},
        numbers=sum(math.prod(size) for size in sizes if size is not None) / 1e6,
        operators=len(working),
        matrices=sum(map(orthogonalising, trained)) / 1e6,
    )


def orthogonalising(shape: Sequence[int]) -> int:
    """Count the multiply-adds of an orthogonal step on a convolution's weight; others take none."""
    if len(shape) != 4 or shape[1] == 1:
        return 0
    short, long = sorted((shape[0], math.prod(shape[1:])))
    return NEWTON_SCHULZ * (2 * short**2 * long + short**3)


# Private functions


def _kind(measured: Measured, name: str) -> str:
    node = measured.by_name[name]
    weight = [size for size in measured.weight_shape(node) if isinstance(size, int)]
    if OPS[node.op] not in ("conv", "conv_transpose") or math.prod(weight[2:]) == 1:
        return "pointwise"
    return "depthwise" if weight[1] == 1 and weight[0] > 1 else "dense"
