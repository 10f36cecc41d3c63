import numpy as np
import pytest
import torch
from torch import nn

from harness.base.errors import GraphError
from harness.datasets.images import Data
from harness.training import measure as module
from harness.training.images.pixels import Pixels
from harness.training.images.statistics import Stats, measured
from harness.training.measure import measure

CPU = torch.device("cpu")


class SaysThree(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.one_hot(torch.full((len(x),), 3), 10).float() * 100


def test_rows_are_true_classes_and_columns_what_was_said(few: Data) -> None:
    result = measure(SaysThree(), Pixels(measured(few.train.images), CPU), few.test, 10)
    assert np.array_equal(result.confusion, np.outer(np.full(10, 5), np.arange(10) == 3))
    assert (result.correct, result.total) == (5, 50)
    assert result.loss == pytest.approx(90.0)


class NineForMany(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(x), 10 if len(x) == 2 else 9)


def test_logits_whose_shape_depends_on_the_batch_are_refused(few: Data) -> None:
    pixels = Pixels(measured(few.train.images), CPU)
    with pytest.raises(GraphError, match=r"expected \(50, 10\) for a batch of 50 images, got \(50, 9\)"):
        measure(NineForMany(), pixels, few.test, 10)


def test_the_batch_does_not_matter(few: Data, tiny: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    network, pixels = tiny(), Pixels(measured(few.train.images), CPU)
    whole = measure(network, pixels, few.test, 10)
    monkeypatch.setattr(module, "BATCH", 7)
    parts = measure(network, pixels, few.test, 10)
    assert parts.confusion == whole.confusion
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)


def test_images_can_be_measured_at_another_size(few: Data, tiny: type[nn.Module]) -> None:
    network, pixels = tiny(), Pixels(measured(few.train.images), CPU)
    small = measure(network, pixels, few.test, 10, size_px=16)
    with torch.no_grad():
        logits = network.eval()(pixels(torch.from_numpy(few.test.images), 16))
    assert np.allclose(small.logits, logits.numpy(), atol=1e-6)
    assert not np.allclose(small.logits, measure(network, pixels, few.test, 10).logits)


def test_pixels_are_normalised_per_channel(few: Data) -> None:
    pixels = Pixels(Stats((0.1, 0.2, 0.3), (0.5, 0.25, 0.2)), CPU)
    images = torch.from_numpy(few.train.images)
    expected = (images.double() / 255 - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([0.5, 0.25, 0.2])
    found = pixels(images)
    assert found.dtype == torch.float32
    assert found.shape == (64, 3, 32, 32)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found.permute(0, 2, 3, 1).double(), expected, atol=1e-5)


def test_pixels_can_be_resized_and_laid_out_in_rows(few: Data) -> None:
    images = torch.full((2, 32, 32, 3), 255, dtype=torch.uint8)
    small = Pixels(Stats((0.0,) * 3, (1.0,) * 3), CPU, torch.contiguous_format)(images, 16)
    assert small.shape == (2, 3, 16, 16)
    assert small.is_contiguous()
    assert torch.allclose(small, torch.ones(()))
