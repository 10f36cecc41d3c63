"""Which precision `auto` chooses, and what is said where the processor is the reason."""

import pytest
from checkout import REPOSITORY
from torch import nn

from harness.graph.ir import Architecture, parse_architecture
from harness.graph.precision import intensity, settled
from harness.loader.export import architecture_of

RESULTS = REPOSITORY / "submission" / "results"


def exported(model: nn.Module) -> Architecture:
    return architecture_of(model, (3, 32, 32))[0]


@pytest.fixture(scope="module")
def heavy() -> Architecture:
    return exported(nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3), nn.ReLU()))


@pytest.fixture(scope="module")
def light() -> Architecture:
    return exported(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()))


def test_the_intensity_is_multiply_adds_for_each_number_that_is_made(light: Architecture) -> None:
    # Each of 8 channels takes 3 multiply-adds in the convolution and none in the ReLU that follows it.
    assert intensity(light) == pytest.approx(3 / 2)


@pytest.mark.parametrize("folder", ["base_model", "dilated_model"])
def test_the_reference_networks_have_the_arithmetic_that_bfloat16_pays_for(folder: str) -> None:
    graph = parse_architecture((RESULTS / folder / "architecture.json").read_bytes())
    assert settled("auto", graph, native=True) == ("bfloat16", None)


def test_auto_is_bfloat16_where_network_and_processor_gain_by_it(
    heavy: Architecture, light: Architecture
) -> None:
    assert settled("auto", heavy, native=True) == ("bfloat16", None)
    assert settled("auto", light, native=True) == ("float32", None)
    assert settled("auto", light, native=False) == ("float32", None)


def test_a_network_that_would_gain_on_another_processor_is_told_so(heavy: Architecture) -> None:
    assert settled("auto", heavy, native=False) == (
        "float32", "Trained in float32: this processor does not compute bfloat16 natively.",
    )  # fmt: skip


def test_a_recipe_that_names_its_precision_is_followed_and_a_slow_one_is_said(heavy: Architecture) -> None:
    assert settled("float32", heavy, native=True) == ("float32", None)
    assert settled("bfloat16", heavy, native=True) == ("bfloat16", None)
    assert settled("bfloat16", heavy, native=False) == (
        "bfloat16", "Trained in bfloat16, which this processor computes several times slower than float32.",
    )  # fmt: skip
