"""A small network with one map to try things on, ready to run."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.graph.view import View
from harness.loader.export import architecture_of
from harness.training.probe.trial import Trial, trial

SIZE = 16


class Net(nn.Module):
    """A map of 8 x 8 and 8 channels, what `middle` makes of it, and `head`."""

    def __init__(self, middle=None, head=None):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.mix = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.one, self.two = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.place = nn.Parameter(torch.rand(8, 8))
        self.fc = nn.Linear(8, 10)
        self._middle, self._head = middle, head

    def forward(self, x):
        x = self.stem(x)
        x = self._middle(self, x) if self._middle else F.relu(x)
        x = self.mix(x)
        return self._head(self, x) if self._head else self.fc(x.mean((2, 3)))


def tried(model: nn.Module) -> tuple[Trial, torch.Tensor]:
    """Export a network for small images: its eval graph, ready to run, and two images of noise."""
    architecture, tensors = architecture_of(model, (3, SIZE, SIZE))
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return trial(View(architecture, architecture.eval), tensors), images
