"""Measure a network on a test split: loss and confusion matrix, whatever the batch size."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from harness.base.errors import GraphError
from harness.datasets.images import Measurable
from harness.datasets.metrics import Metrics
from harness.settings.recipe import Precision
from harness.training.images.pixels import Pixels
from harness.training.network import running

BATCH = 125
"""Images per forward pass: few enough for the maps to stay near the CPU's cache."""
GPU_BATCH = 500
"""On a GPU: enough for it not to wait for the host."""


@dataclass(frozen=True)
class Measured(Metrics):
    """The marks of a network's logits, and the logits (N, classes) themselves."""

    logits: NDArray[np.float32] = field(repr=False, compare=False)


def arithmetic(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context in which a network of float32 weights computes in `precision`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def measure(
    network: nn.Module,
    pixels: Pixels,
    test: Measurable,
    classes: int,
    precision: Precision = "float32",
    size_px: int | None = None,
) -> Measured:
    """Run the eval graph over the images of `test`, without gradients.

    The images are resized to `size_px` squared, by default not at all.

    Raises:
        GraphError: the graph cannot run on a batch, or its logits are not (N, classes).
    """
    network.eval()
    found: list[torch.Tensor] = []
    batch = GPU_BATCH if pixels.device.type == "cuda" else BATCH
    with torch.no_grad():
        for first in range(0, len(test.images), batch):
            images = pixels(torch.from_numpy(test.images[first : first + batch]), size_px)
            with running(), arithmetic(precision, pixels.device):
                found.append(network(images).float())
            if found[-1].shape != (len(images), classes):
                raise GraphError(
                    f"network: wrong shape of the logits; expected {(len(images), classes)} for a batch of "
                    f"{len(images)} images, got {tuple(found[-1].shape)}. "
                    "Its last dimension may not depend on the batch."
                )
    logits = torch.cat(found).cpu().numpy()
    metrics = test.measure(logits)
    return Measured(loss=metrics.loss, confusion=metrics.confusion, logits=logits)
