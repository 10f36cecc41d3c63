import pytest

from harness.training.on_data import gpu_share


def test_a_training_leaves_of_a_large_gpu_what_it_does_not_need() -> None:
    assert gpu_share(4_096, 143_360) == pytest.approx(0.129, abs=0.001)


def test_a_gpu_that_is_smaller_than_the_limit_is_used_up() -> None:
    assert gpu_share(12_288, 8_192) == 1
