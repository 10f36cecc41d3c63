"""The longest graphs that are allowed are judged, and in time that grows with their length."""

import pytest
from costs import cost

from harness.graph.ir import MAX_NODES, MAX_REFS
from harness.graph.maxima import find_maxima
from harness.graph.receptive_field.engine import measure

MAP = ("batch", 8, 32, 32)


def in_place(sketch, x, n):
    for _ in range(n):
        last = sketch.call("relu_", x)
    return last


def views_of_what_is_changed(sketch, x, n):
    views = [sketch.call("view", x, [-1, 8, 1024], shape=("batch", 8, 1024)) for _ in range(n // 2)]
    last = in_place(sketch, x, n // 2)
    sketch.call("cat", views, 1, shape=("batch", 8, 1024))
    return last


def uninitialised(sketch, x, n):
    for empty in [sketch.call("empty.memory_format", [1], shape=(1,)) for _ in range(n // 2)]:
        sketch.call("fill_.Scalar", empty, 1)
    return x


def strided(sketch, x, n):
    weight = sketch.tensor("w", 8, 8, 3, 3)
    for _ in range(n):
        x = sketch.call("conv2d", x, weight, None, [2, 2], [1, 1], [1, 1], 1, shape=MAP)
    return x


def beside_each_other(sketch, x, n):
    weight = sketch.tensor("w", 8, 8, 3, 3)
    arguments = (weight, None, [1, 1], [2, 2], [2, 2], 1)
    dilated = [sketch.call("conv2d", x, *arguments, shape=MAP) for _ in range(n)]
    return sketch.conv(sketch.call("cat", dilated, 1, shape=("batch", 8 * n, 32, 32)), 8, s=2)


def behind_a_depthwise_one(sketch, x, n):
    x = sketch.conv(x, 8, g=8)
    for _ in range(n):
        x = sketch.call("relu", x)
    return x


def maxima_of_much_moved_maps(sketch, x, n):
    for _ in range(n // 2):
        x = sketch.call("roll", x, [1], [2])
    y = x
    for _ in range(n // 2):
        y = sketch.call("maximum", x, y)
    return y


def maps_of_one_position(sketch, x, n):
    x = sketch.call("max_pool2d", x, [32, 32], [32, 32], shape=("batch", 8, 1, 1))
    for _ in range(n):
        x = sketch.call("relu", x)
    return x


def joined_again_and_again(sketch, x, n):
    for _ in range(n):
        x = sketch.call("cat", [x] * (MAX_REFS // MAX_NODES), 1, shape=MAP)
    return x


def larger_and_larger_strides(sketch, x, n):
    for _ in range(n):
        x = sketch.call("max_pool2d", x, [2**60, 2**60], [2**62, 2**62], shape=MAP)
    return x


def smaller_and_smaller_steps(sketch, x, n):
    weight = sketch.tensor("w", 8, 8, 3, 3)
    for i in range(n):
        strides = [2**62 - i, 2**61 + 1]
        x = sketch.call("conv_transpose2d.input", x, weight, None, strides, [1, 1], shape=MAP)
    return x


def more_and_more_dimensions(sketch, x, n):
    for _ in range(n):
        x = sketch.call("unsqueeze", x, 0)
    return x


LONG = (
    in_place, views_of_what_is_changed, uninitialised, strided, beside_each_other, behind_a_depthwise_one,
    maxima_of_much_moved_maps, maps_of_one_position, joined_again_and_again, larger_and_larger_strides,
    smaller_and_smaller_steps, more_and_more_dimensions,
)  # fmt: skip


CHEAP = (in_place, views_of_what_is_changed, uninitialised, maps_of_one_position, larger_and_larger_strides)
"""Longer than Python calls may be nested; the others are judged at their full length, which takes longer."""


@pytest.mark.parametrize("draw", CHEAP)
def test_a_long_graph_does_not_break_the_judge(sketch, judged, draw):
    x = draw(sketch, sketch.conv("x", 8), 1_200)
    assert judged(sketch.architecture(sketch.head(x))).max_parameters.rule == "max_parameters"


@pytest.mark.slow
@pytest.mark.parametrize("draw", LONG)
def test_judging_the_longest_graph_allowed_costs_as_its_length(sketch, judged, draw):
    def long(nodes):
        drawing = type(sketch)()
        return drawing.architecture(drawing.head(draw(drawing, drawing.conv("x", 8), nodes)))

    longest, shorter = long(MAX_NODES - 20), long(MAX_NODES // 4 - 5)
    # Four times as long: work that is not linear costs sixteen times as much, and more.
    assert cost(lambda: judged(longest), 1) < 10 * cost(lambda: judged(shorter))


def test_paths_without_number_are_not_followed_to_their_ends(sketch, judged):
    x = sketch.conv("x", 8)
    for _ in range(60):
        x = sketch.call("cat", [x, sketch.call("roll", x, [1], [2])], 1, shape=MAP)
    y = sketch.call("maximum", x, x)
    (undecided,) = find_maxima(measure(sketch.architecture(y), sketch.graph(y))).undecided
    assert undecided.why == "too many paths lead to it"
    finding = judged(sketch.architecture(sketch.head(y))).no_max_pool
    assert (finding.status, finding.cause) == ("not_judged", "harness")


@pytest.mark.parametrize("draw", [larger_and_larger_strides, smaller_and_smaller_steps])
def test_what_no_image_is_large_enough_for_is_not_measured(sketch, judged, draw):
    x = draw(sketch, sketch.conv("x", 8), 30)
    finding = judged(sketch.architecture(sketch.head(x))).min_receptive_field
    assert finding.status == "not_judged"
    assert "what it sees is too large to be measured" in finding.actual


def test_a_value_of_more_dimensions_than_torch_has_is_not_measured(sketch):
    x = more_and_more_dimensions(sketch, "x", 70)
    unknown = measure(sketch.architecture(x), sketch.graph(x)).fields[x].unknown
    assert unknown.why == "it has too many dimensions"
