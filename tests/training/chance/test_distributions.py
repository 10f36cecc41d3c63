"""Each distribution has its moments and its tails; draws are fixed, so no test fails by chance."""

import math

import pytest
import torch

from harness.training.chance.distributions import exponential, integers, kept, normal, uniform
from harness.training.chance.philox import Moment
from harness.training.probe.trial import in_default

CPU = torch.device("cpu")
STREAM = Moment(seed=1, epoch=2, step=3).stream(4)
MANY = 2**20


def is_near(found: float, expected: float, deviation: float) -> bool:
    """Tell whether a mean of `MANY` numbers of one standard deviation is what it should be."""
    return abs(found - expected) < 4 * deviation / math.sqrt(MANY)


@pytest.mark.parametrize("p", [1e-4, 0.001, 0.01, 0.1, 0.25, 1 / 3, 0.5, 0.8, 0.99, 0.999, 0.9999])
def test_as_many_are_dropped_as_was_asked(p: float) -> None:
    mask = kept(STREAM, (MANY,), p, CPU)
    assert mask.dtype == torch.bool
    assert is_near(1 - mask.float().mean().item(), p, math.sqrt(p * (1 - p)))


@pytest.mark.parametrize(("p", "left"), [(1e-12, MANY), (1 - 1e-12, 0), (1.0, 0)])
def test_next_to_nothing_and_next_to_all_are_no_special_cases(p: float, left: int) -> None:
    assert kept(STREAM, (MANY,), p, CPU).sum() == left


@pytest.mark.parametrize("p", [0.001, 0.3])
def test_elements_are_dropped_independently(p: float) -> None:
    mask = kept(STREAM, (MANY,), p, CPU)
    for distance in (1, 2, 3, 4, 7, 8, 16, 1024):
        both = (mask & mask.roll(distance)).float().mean().item()
        assert is_near(both, (1 - p) ** 2, 1 - p)


def test_the_elements_of_maps_are_counted_as_they_lie_in_channels_last() -> None:
    mask = kept(STREAM, (2, 8, 3, 5), 0.5, CPU)
    assert mask.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(mask.permute(0, 2, 3, 1).reshape(-1), kept(STREAM, (240,), 0.5, CPU))


@pytest.mark.parametrize("p", [0.001, 0.5])
def test_the_images_of_a_smaller_batch_have_the_masks_of_the_first(p: float) -> None:
    assert torch.equal(kept(STREAM, (3, 5, 7, 9), p, CPU), kept(STREAM, (8, 5, 7, 9), p, CPU)[:3])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_uniform_numbers_fill_their_range_and_never_reach_its_end(dtype: torch.dtype) -> None:
    drawn = uniform(STREAM, (MANY,), dtype, CPU)
    assert (drawn.dtype, drawn.min().item() >= 0, drawn.max().item() < 1) == (dtype, True, True)
    shares = torch.histc(drawn.double(), 64, 0, 1) / MANY
    assert all(is_near(share, 1 / 64, math.sqrt(1 / 64)) for share in shares.tolist())


def test_a_number_of_more_digits_is_the_same_with_more_digits() -> None:
    single, double = (uniform(STREAM, (1000,), dtype, CPU) for dtype in (torch.float32, torch.float64))
    assert torch.equal((double * 2**24).floor() / 2**24, single.double())
    assert ((double * 2**53) % 2).mean() == pytest.approx(0.5, abs=0.1)


def test_normal_numbers_have_the_moments_and_the_tails_of_a_normal_distribution() -> None:
    drawn = normal(STREAM, (MANY,), torch.float64, CPU)
    for power, expected in ((1, 0), (2, 1), (3, 0), (4, 3)):
        of_powers = math.prod(range(1, 2 * power, 2)) - expected**2
        assert is_near((drawn**power).mean().item(), expected, math.sqrt(of_powers))
    for bound in (0.5, 1, 2, 3, 4):
        share = math.erfc(bound / math.sqrt(2))
        assert is_near((drawn.abs() > bound).double().mean().item(), share, math.sqrt(share * (1 - share)))


def test_exponential_numbers_wait_without_memory() -> None:
    drawn = exponential(STREAM, (MANY,), torch.float32, CPU)
    assert drawn.min() > 0
    for bound in (0.01, 0.1, 0.5, math.log(2), 1, 2, 5, 9):
        share = math.exp(-bound)
        assert is_near((drawn > bound).double().mean().item(), share, math.sqrt(share * (1 - share)))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-2, 5), (0, 1000), (-(2**62), 2**62), (0, 2**63 - 1)])
def test_integers_lie_between_their_bounds_and_are_equally_likely(low: int, high: int) -> None:
    drawn = integers(STREAM, low, high, (MANY,), CPU)
    assert drawn.dtype == torch.int64
    assert low <= drawn.min() and drawn.max() < high
    share = ((drawn.double() - low) / (high - low)).mean().item()
    n = high - low
    assert is_near(share, (n - 1) / (2 * n), 0.3)


def test_complex_numbers_have_two_independent_parts() -> None:
    drawn = normal(STREAM, (MANY,), torch.complex64, CPU)
    assert drawn.abs().square().mean().item() == pytest.approx(1, abs=0.01)
    assert (drawn.real * drawn.imag).mean().item() == pytest.approx(0, abs=0.01)
    assert uniform(STREAM, (4, 5), torch.complex64, CPU).shape == (4, 5)


def test_numbers_do_not_depend_on_the_default_dtype() -> None:
    def all_of_them() -> list[torch.Tensor]:
        return [draw(STREAM, (1000,), torch.float32, CPU) for draw in (uniform, normal, exponential)]

    before = all_of_them()
    with in_default(torch.float64):
        assert all(map(torch.equal, all_of_them(), before))
