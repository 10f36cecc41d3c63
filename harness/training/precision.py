"""In which precision a network is trained: the recipe's, or what its graph and the processor favour."""

import math

import torch

from harness.base.machine import computes_bfloat16
from harness.graph.cost import multiply_adds, sizes_of_one
from harness.graph.ir import Architecture
from harness.graph.receptive_field.engine import measure
from harness.settings.recipe import AskedPrecision, Precision

PAYS_FROM = 64
"""Multiply-adds for each number that a network makes, from which half as many bytes a number save time.

Measured on two cores with AVX512_BF16, forward and backward of 128 images: below it from 0.9 to 1.9 times as
fast as float32 (half of seven networks 1.02 or less), from 86 on 1.1 to 2.6 times.
"""


def native_bfloat16(device: torch.device) -> bool:
    """Return whether the device computes products of bfloat16 by itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return computes_bfloat16()


def intensity(architecture: Architecture) -> float:
    """Return the multiply-adds of one image for each number that the training graph makes.

    What is not known counts as none.
    """
    measured = measure(architecture, architecture.train)
    sizes = (sizes_of_one(measured, node.name) for node in measured.flow.nodes)
    made = sum(math.prod(size) for size in sizes if size is not None)
    return sum(count or 0 for count in multiply_adds(measured).values()) / max(1, made)


def settled(
    asked: AskedPrecision, architecture: Architecture, *, native: bool
) -> tuple[Precision, str | None]:
    """Return the precision to train in and, where the processor is the reason, what to say of it.

    ``auto`` is bfloat16 where the processor computes it natively and the graph has at least `PAYS_FROM`
    multiply-adds for each number that it makes, and float32 elsewhere.
    """
    if asked == "bfloat16" and not native:
        return asked, "Trained in bfloat16, which this processor computes several times slower than float32."
    if asked != "auto":
        return asked, None
    if intensity(architecture) < PAYS_FROM:
        return "float32", None
    if native:
        return "bfloat16", None
    return "float32", "Trained in float32: this processor does not compute bfloat16 natively."
