"""The precision in which a network is trained: the recipe's, or what its graph and the processor favour."""

import math

from harness.graph.cost import multiply_adds, sizes_of_one
from harness.graph.ir import Architecture
from harness.graph.receptive_field.engine import measure
from harness.settings.recipe import AskedPrecision, Precision

PAYS_FROM = 36
"""Multiply-adds for each number that a network makes, from which half as many bytes a number save time.

Steps of 128 images of 24 px on two threads with AVX512_BF16, eleven networks: 1.13 to 1.35 times as fast as
float32 at 40 to 61, 1.6 to 2.05 times above, 0.97 and 1.08 times at 13 and 15.
"""


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
