"""The command line as a user types it: a process in an empty folder, without data and without network."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

NO_DATA = {"CIFAR10_URL": "http://127.0.0.1:9/cifar-10-python.tar.gz"}
"""An address where nobody answers: the data cannot be had."""

TINY = """
    from torch import nn

    class Tiny(nn.Module):
        def __init__(self, num_classes=10, width=4):
            super().__init__()
            self.conv = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
            self.bn = nn.BatchNorm2d(width)
            self.pool = nn.MaxPool2d(2)
            self.fc = nn.Linear(width, num_classes)

        def forward(self, x):
            return self.fc(self.pool(self.bn(self.conv(x)).relu()).mean((2, 3)))
"""

Harness = Callable[..., subprocess.CompletedProcess[str]]


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "harness", *map(str, args)]


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("CIFAR10_ROOT", "CIFAR10_URL")}
    return kept | NO_DATA | {"COLUMNS": "200"}
