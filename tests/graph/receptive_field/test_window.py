import pytest

from harness.graph.receptive_field.layout import Unmeasurable
from harness.graph.receptive_field.window import each, window_of


def test_one_number_stands_for_both_sides():
    assert each(3, 2, 1) == each([3], 2, 1) == (3, 3)


def test_nothing_given_means_the_default():
    assert each(None, 2, 1) == each([], 2, 1) == (1, 1)


def test_a_pool_without_a_stride_steps_by_its_kernel(sketch):
    sketch.call("avg_pool2d", "x", [2, 3], shape=("batch", 3, 16, 10))
    window = window_of(sketch.nodes[0], None)
    assert (window.kernel, window.stride) == ((2, 3), (2, 3))


@pytest.mark.parametrize("stride", [[0, 0], [-1, 1], "x", [1, 2, 3], [1.5, 1]])
def test_a_window_torch_would_refuse_is_not_measurable(sketch, stride):
    sketch.call("avg_pool2d", "x", [2, 2], stride, shape=("batch", 3, 16, 16))
    with pytest.raises(Unmeasurable):
        window_of(sketch.nodes[0], None)
