"""The network of docs/rules.md as text, of which a test replaces parts."""

import os
from collections.abc import Mapping, Sequence
from textwrap import indent

import torch
from hypothesis import HealthCheck, Phase, settings
from torch import nn

SETUP = (
    "self.c1, self.bn = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)",
    "self.s1 = nn.Conv2d(16, 32, 3, stride=2, padding=1)",
    "self.dw = nn.Conv2d(32, 32, 3, padding=1, groups=32)",
    "self.pw = nn.Conv2d(32, 32, 1)",
    "self.s2 = nn.Conv2d(32, 32, 3, stride=2, padding=1)",
    "self.s3 = nn.Conv2d(32, 64, 3, stride=2, padding=1)",
    "self.wide = nn.Conv2d(64, 64, 3, padding=2, dilation=2)",
    "self.fc = nn.Linear(64, 10)",
)
FORWARD: Mapping[str, str] = {
    "START": "image = x; x = F.relu(self.bn(self.c1(x)))",
    "FIRST": "x = self.s1(x)",
    "PAIR": "x = self.pw(self.dw(x))",
    "MIDDLE": "x = F.relu(x)",
    "STRIDES": "x = self.s3(self.s2(x))",
    "LAST": "x = self.wide(x)",
    "HEAD": "return self.fc(x.mean((2, 3)))",
}

DRAWS = int(os.environ.get("DRAWS", "250"))
"""How many networks the slow tests draw, of honest ones and of disguised ones; 1,000 before a release."""

EVERY = settings(
    deadline=None,
    derandomize=True,
    phases=(
        Phase.explicit,
        Phase.generate,
    ),  # the networks are small: to shrink one takes longer than to read it
    suppress_health_check=list(HealthCheck),
)


def standard(setup: Sequence[str] = (), **replaced: Sequence[str]) -> str:
    """Write the network of the page with more in its constructor and other lines in place of its own."""
    lines = [line for mark, own in FORWARD.items() for line in replaced.get(mark, [own])]
    return written([*SETUP, *setup], lines)


def written(setup: Sequence[str], forward: Sequence[str]) -> str:
    """Write a network from the lines of its constructor and of its forward pass."""
    return (
        "class Standard(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f"{indent(chr(10).join(setup), ' ' * 8)}\n\n"
        "    def forward(self, x):\n"
        f"{indent(chr(10).join(forward), ' ' * 8)}\n"
    )


def built(source: str) -> nn.Module:
    """Build a network that these generators have written."""
    torch.manual_seed(0)
    scope = {"torch": torch, "nn": nn, "F": nn.functional}
    exec(source, scope)
    return scope["Standard"]()  # type: ignore[operator]
