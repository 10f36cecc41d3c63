"""Measure a network on a test split: loss and confusion matrix, whatever the batch size."""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.recipe import Precision
from harness.training.data import Split
from harness.training.pixels import Pixels

BATCH = 125
"""Images per forward pass: few enough for the maps to stay near the CPU's cache."""


@dataclass(frozen=True)
class Measured:
    """Mean cross-entropy, ``confusion[i][j]``: images of class i called class j, logits (N, classes)."""

    loss: float
    confusion: tuple[tuple[int, ...], ...]
    logits: torch.Tensor = field(repr=False, compare=False)

    @property
    def correct(self) -> int:
        """Images called by their own class."""
        return sum(row[i] for i, row in enumerate(self.confusion))

    @property
    def total(self) -> int:
        """Images measured."""
        return sum(map(sum, self.confusion))


def arithmetic(precision: Precision, device: torch.device) -> torch.autocast:
    """Give the context in which a network of float32 weights computes in `precision`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def measure(
    network: nn.Module, pixels: Pixels, split: Split, classes: int, precision: Precision = "float32"
) -> Measured:
    """Run the eval graph over `split`, without gradients; the logits must be (N, classes)."""
    network.eval()
    loss = torch.zeros((), dtype=torch.float64, device=pixels.device)
    cells = torch.zeros(classes * classes, dtype=torch.int64, device=pixels.device)
    found: list[torch.Tensor] = []
    with torch.no_grad():
        for first in range(0, len(split.labels), BATCH):
            images = pixels(torch.from_numpy(split.images[first : first + BATCH]))
            labels = torch.from_numpy(split.labels[first : first + BATCH]).to(pixels.device)
            with arithmetic(precision, pixels.device):
                logits = network(images).float()
            found.append(logits)
            loss += F.cross_entropy(logits, labels, reduction="sum")
            pairs = labels * classes + logits.argmax(1)
            # Integer sums, which are exact in any order; bincount has no deterministic CUDA kernel.
            cells += (pairs.unsqueeze(0) == _cell_numbers(cells).unsqueeze(1)).sum(1)
    rows = cells.view(classes, classes).tolist()
    return Measured(
        loss=loss.item() / len(split.labels),
        confusion=tuple(tuple(int(n) for n in row) for row in rows),
        logits=torch.cat(found),
    )


def _cell_numbers(cells: torch.Tensor) -> torch.Tensor:
    return torch.arange(len(cells), device=cells.device)
