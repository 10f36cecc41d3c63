"""The work of a step is counted by kind, from the graph alone."""

import pytest
from torch import nn

from harness.graph.cost import million_multiply_adds
from harness.graph.workload import Workload, orthogonalising, workload
from harness.loader.export import architecture_of


@pytest.fixture(scope="module")
def architecture():
    layers = (
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 16, 1, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 64, 10, bias=False),
    )
    return architecture_of(nn.Sequential(*layers), (3, 8, 8))[0]


def test_each_convolution_counts_as_its_own_kind_of_work(architecture):
    found = workload(architecture)
    assert found.dense == pytest.approx(64 * 8 * 27 / 1e6)
    assert found.depthwise == pytest.approx(64 * 8 * 9 / 1e6)
    assert found.pointwise == pytest.approx((64 * 16 * 8 + 10 * 1024) / 1e6)
    assert found.dense + found.depthwise + found.pointwise == pytest.approx(
        million_multiply_adds(architecture)
    )


def test_what_is_only_seen_in_another_shape_is_no_work(architecture):
    found = workload(architecture)
    assert found.operators == 5
    assert found.numbers == pytest.approx((2 * 512 + 2 * 1024 + 10) / 1e6)


def test_an_orthogonal_step_is_of_convolutions_that_mix_channels(architecture):
    assert orthogonalising((4, 2, 1, 1)) == 5 * (2 * 2 * 2 * 4 + 2**3)
    assert orthogonalising((2, 4, 1, 1)) == orthogonalising((4, 2, 1, 1))
    assert orthogonalising((8, 1, 3, 3)) == orthogonalising((10, 1024)) == orthogonalising((8,)) == 0
    mixing = (8, 3, 3, 3), (16, 8, 1, 1)
    assert workload(architecture).matrices == pytest.approx(sum(map(orthogonalising, mixing)) / 1e6)


def test_images_and_their_pixels_multiply_what_grows_with_them_alone():
    work = Workload(dense=1, pointwise=2, depthwise=3, numbers=4, operators=5, matrices=6)
    assert work.amounts(10, 0.5) == (5, 10, 15, 20, 5, 6)
    assert len(work.amounts(1)) == Workload.kinds()
