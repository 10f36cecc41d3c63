"""Average pools of a fixed size, made global ones: only those that cover their whole map."""

import pytest
import torch
from torch import nn

from harness.graph.ir import Architecture
from harness.loader.export import architecture_of
from harness.training.any_size import at_any_size
from harness.training.network import Network

CPU = torch.device("cpu")


def exported(*layers: nn.Module) -> tuple[Architecture, dict[str, torch.Tensor]]:
    return architecture_of(nn.Sequential(*layers), (3, 32, 32))


@pytest.mark.parametrize(
    "pool", [nn.AvgPool2d(32), nn.AvgPool2d((32, 32), stride=1), nn.AvgPool2d(32, count_include_pad=False)]
)
def test_a_pool_that_covers_its_map_computes_the_same_and_takes_smaller_images(pool: nn.Module) -> None:
    architecture, tensors = exported(pool, nn.Flatten(), nn.Linear(3, 10))
    network = Network(architecture, tensors, CPU)
    images = torch.randn(2, 3, 32, 32)
    before = network(images)
    network.pools_globally = True
    assert torch.allclose(network(images), before, atol=1e-6)
    small = torch.randn(2, 3, 20, 20)
    assert torch.allclose(
        network(small), nn.functional.linear(small.mean((2, 3)), *map(tensors.get, ("2.weight", "2.bias"))),
        atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(16),
        nn.AvgPool2d(31),
        nn.AvgPool2d((32, 16)),
        nn.AvgPool2d(32, padding=1),
        nn.AvgPool2d(32, divisor_override=7),
        nn.MaxPool2d(32),
    ],
)
def test_any_other_pool_is_left_as_it_is(pool: nn.Module) -> None:
    architecture, _ = exported(nn.Conv2d(3, 2, 1), pool)
    assert at_any_size(architecture) is None
