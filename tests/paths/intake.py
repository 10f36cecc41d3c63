"""A request to the loader, and the smallest honest model."""

from collections.abc import Mapping
from pathlib import Path

from harness.loader.protocol import Request
from harness.sources.requested import Requested

TINY = """
    import torch
    from torch import nn
    import torch.nn.functional as F

    class Tiny(nn.Module):
        def __init__(self, num_classes=10, width=4):
            super().__init__()
            self.conv = nn.Conv2d(3, width, 3, padding=1)
            self.fc = nn.Linear(width, num_classes)

        def forward(self, x):
            return self.fc(F.relu(self.conv(x)).mean((2, 3)))
"""


def request(root: Path, out: Path, variants: Mapping[str, Requested], **limits: int) -> Request:
    """Ask for these models of a folder, for colour images of 32 px in ten classes."""
    most = {"cpu_s": 300, "memory_mib": 4096, "output_mib": 64} | limits
    return Request(
        root=root, variants=dict(variants), input_shape=(3, 32, 32), classes=10, init_seed=1,
        other_init_seed=2, out=out, **most,
    )  # fmt: skip
