import pytest
import torch

from harness.training.cuda.tally import Means, Tally


def test_means_are_over_all_images_since_the_epoch_began() -> None:
    tally = Tally(2, torch.device("cpu"))
    logits = torch.tensor([[3.0, 1.0], [0.0, 1.0]])
    tally.add(torch.tensor(9.0), logits, torch.tensor([1, 0]))
    tally.begin()
    tally.add(torch.tensor(0.5), logits, torch.tensor([0, 0]))
    tally.add(torch.tensor(1.5), logits, torch.tensor([0, 1]))
    assert tally.means(2) == Means(step=2, loss=pytest.approx(1.0), accuracy=0.75)


def test_on_a_cpu_the_means_are_there_at_once() -> None:
    tally = Tally(1, torch.device("cpu"))
    tally.add(torch.tensor(0.25), torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    assert tally.arrived(1) == Means(step=1, loss=0.25, accuracy=1.0)
