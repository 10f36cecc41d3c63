"""The shapes of a batch-norm that are said outright are those torch works out; nothing else changes."""

import runpy

import pytest
import torch
from torch import nn
from torch._subclasses.fake_impls import FAST_OP_IMPLEMENTATIONS

from harness.analysis.graph import to_json
from harness.assignment import REPOSITORY
from harness.intake.export import BATCH_NORMS, architecture_of

REFERENCE = runpy.run_path(str(REPOSITORY / "submission" / "model.py"))


class OverVectors(nn.Module):
    """A batch-norm over vectors, one without weights, one that never keeps statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bare, self.batch = nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4, track_running_stats=False)
        self.vectors, self.fc = nn.BatchNorm1d(4), nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.batch(self.bare(self.conv(x)).to(memory_format=torch.channels_last))
        logits: torch.Tensor = self.fc(self.vectors(x.mean((2, 3))))
        return logits


@pytest.mark.parametrize("model", [REFERENCE["Net"], REFERENCE["NetDilated"], OverVectors])
def test_a_graph_is_the_same_with_and_without_them(model, monkeypatch):
    network = model()
    said, _ = architecture_of(network, (3, 32, 32))
    assert all(operator in FAST_OP_IMPLEMENTATIONS for operator in BATCH_NORMS)
    for operator in BATCH_NORMS:
        monkeypatch.delitem(FAST_OP_IMPLEMENTATIONS, operator)
    worked_out, _ = architecture_of(network, (3, 32, 32))
    assert to_json(said) == to_json(worked_out)
