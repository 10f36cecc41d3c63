import pytest

from harness.graph.ir import Special
from harness.graph.maxima import find_maxima
from harness.graph.receptive_field.engine import measure

MAP = ("batch", 4, 32, 32)
HALF = ("batch", 4, 16, 32)


def maxima(sketch, output):
    return find_maxima(measure(sketch.architecture(output), sketch.graph(output)))


def found(sketch, output):
    return [reason for _, reason in maxima(sketch, output).found]


def pool(s, x):
    return s.call("max_pool2d", x, [2, 2], shape=("batch", 4, 16, 16))


def adaptive(s, x):
    return s.call("adaptive_max_pool2d", x, [1, 1], shape=("batch", 4, 1, 1))


def amax(s, x):
    return s.call("amax", x, [2, 3], shape=("batch", 4))


def max_of_flattened(s, x):
    flat = s.call("flatten.using_ints", x, 2, shape=("batch", 4, 1024))
    return s.call("max.dim", flat, -1, shape=("batch", 4))


def topk(s, x):
    return s.call("topk", x, 1, 3, shape=("batch", 4, 32, 1))


def sort(s, x):
    return s.call("sort", x, 2)


def of_windows(s, x):
    windows = s.call("unfold", x, 2, 2, 2, shape=("batch", 4, 16, 32, 2))
    return s.call("amax", windows, [-1], shape=HALF)


def of_columns(s, x):
    columns = s.call("im2col", x, [3, 3], [1, 1], [1, 1], [1, 1], shape=("batch", 36, 1024))
    windows = s.call("view", columns, [-1, 4, 9, 1024], shape=("batch", 4, 9, 1024))
    return s.call("max.dim", windows, 2, shape=("batch", 4, 1024))


def of_split_rows(s, x):
    blocks = s.call("view", x, [-1, 4, 16, 2, 32], shape=("batch", 4, 16, 2, 32))
    return s.call("amax", blocks, [3], shape=HALF)


def of_slices(s, x):
    even = s.call("slice.Tensor", x, 2, 0, 99, 2, shape=HALF)
    odd = s.call("slice.Tensor", x, 2, 1, 99, 2, shape=HALF)
    return s.call("maximum", even, odd)


def of_shifts(s, x):
    return s.call("maximum", x, s.call("roll", x, [1], [2]))


def of_padded(s, x):
    moved = s.call("pad", x, [1, -1], shape=MAP)
    return s.call("max.other", x, moved)


def by_where(s, x):
    moved = s.call("roll", x, [1], [3])
    return s.call("where.self", s.call("gt.Tensor", x, moved), x, moved)


def by_clamp(s, x):
    return s.call("clamp.Tensor", x, s.call("roll", x, [1], [3]))


def of_a_stack(s, x):
    both = s.call("stack", [x, s.call("roll", x, [1], [3])], 1, shape=("batch", 2, *MAP[1:]))
    return s.call("amax", both, [1], shape=MAP)


def of_unshuffled(s, x):
    packed = s.call("pixel_unshuffle", x, 2, shape=("batch", 16, 16, 16))
    blocks = s.call("view", packed, [-1, 4, 4, 16, 16], shape=("batch", 4, 4, 16, 16))
    return s.call("amax", blocks, [2], shape=("batch", 4, 16, 16))


def of_negatives(s, x):
    return s.call("amin", s.call("neg", x), [2], shape=("batch", 4, 32))


def infinite_norm(s, x):
    infinity = Special(special="float", value="inf")
    return s.call("linalg_vector_norm", x, infinity, [2, 3], shape=("batch", 4))


def negative_infinite_norm(s, x):
    infinity = Special(special="float", value="-inf")
    return s.call("linalg_vector_norm", x, infinity, [3], shape=("batch", 4, 32))


def any_of_a_row(s, x):
    return s.call("any.dim", s.call("gt.Scalar", x, 1), 3, shape=("batch", 4, 32))


def of_normalised_shifts(s, x):
    moved = s.call("group_norm", s.call("roll", x, [1], [2]), 2)
    return s.call("maximum", s.call("group_norm", x, 2), moved)


DISGUISES = [
    pool, adaptive, amax, max_of_flattened, topk, sort, of_windows, of_columns, of_split_rows, of_slices,
    of_shifts, of_padded, by_where, by_clamp, of_a_stack, of_unshuffled, of_negatives, infinite_norm,
    negative_infinite_norm, any_of_a_row, of_normalised_shifts,
]  # fmt: skip


@pytest.mark.parametrize("disguise", DISGUISES, ids=lambda f: f.__name__)
def test_a_maximum_over_space_is_found_in_any_dress(sketch, disguise):
    assert len(found(sketch, disguise(sketch, sketch.conv("x", 4)))) == 1


def relu(s, x):
    return s.call("maximum", x, s.call("zeros", [1], shape=(1,)))


def leaky(s, x):
    return s.call("maximum", x, s.call("mul.Tensor", x, 0.1))


def clamp(s, x):
    return s.call("clamp", x, 0.0, 6.0)


def over_channels(s, x):
    return s.call("amax", x, [1], True, shape=("batch", 1, 32, 32))


def maxout(s, x):
    halves = [s.call("slice.Tensor", x, 1, 2 * i, 2 * i + 2, shape=("batch", 2, 32, 32)) for i in range(2)]
    return s.call("maximum", *halves)


def of_two_convolutions(s, x):
    return s.call("maximum", s.conv(x, 4), s.conv(x, 4, k=5))


def absolute_of_a_slice(s, x):
    part = s.call("slice.Tensor", x, 2, 0, 99, 2, shape=HALF)
    return s.call("maximum", part, s.call("neg", part))


def average(s, x):
    return s.call("avg_pool2d", x, [2, 2], shape=("batch", 4, 16, 16))


def euclidean_norm(s, x):
    return s.call("linalg_vector_norm", x, 2, [2, 3], shape=("batch", 4))


def infinite_norm_over_channels(s, x):
    infinity = Special(special="float", value="inf")
    return s.call("linalg_vector_norm", x, infinity, [1], shape=("batch", 32, 32))


def of_logits(s, x):
    return s.call("max.dim", s.flatten(s.gap(x)), 1, shape=("batch",))


HONEST = [
    relu, leaky, clamp, over_channels, maxout, of_two_convolutions, absolute_of_a_slice, average, of_logits,
    euclidean_norm, infinite_norm_over_channels,
]  # fmt: skip


@pytest.mark.parametrize("honest", HONEST, ids=lambda f: f.__name__)
def test_other_maxima_are_allowed(sketch, honest):
    assert found(sketch, honest(sketch, sketch.conv("x", 4))) == []


def test_a_max_pool_whose_result_is_discarded_is_not_there(sketch):
    x = sketch.conv("x", 4)
    pool(sketch, x)
    assert found(sketch, x) == []


def test_what_an_unknown_operator_hides_is_undecided(sketch):
    x = sketch.call("special_bessel_j0", sketch.conv("x", 4), "x", shape=MAP)
    assert [reason.node.name for reason in maxima(sketch, x).undecided] == [x]


def test_a_maximum_over_dimensions_nobody_knows_is_undecided(sketch):
    x = sketch.call("flip", sketch.conv("x", 4), [3])
    assert maxima(sketch, sketch.call("amax", x, [1], shape=("batch", 32, 32))).undecided


@pytest.mark.parametrize(
    ("op", "arguments"), [("prod.dim_int", (1,)), ("std.dim", ([1],)), ("logsumexp", ([1],))]
)
def test_a_reduction_other_than_a_sum_over_copies_of_one_map_is_a_pool(sketch, op, arguments):
    x = sketch.conv("x", 4)
    copies = sketch.call("stack", [x, sketch.call("roll", x, [1], [2])], 1, shape=("batch", 2, 4, 32, 32))
    reduced = sketch.call(op, copies, *arguments, shape=("batch", 4, 32, 32))
    maxima = find_maxima(measure(sketch.architecture(reduced), sketch.graph(reduced)))
    assert [why for _, why in maxima.found] == [f"{op.partition('.')[0]} over copies of one map, moved"]


def test_a_choice_between_what_is_not_followed_is_undecided(sketch):
    x = sketch.conv("x", 4)
    product = sketch.call("matmul", sketch.tensor("eye", 32, 32), x)
    chosen = sketch.call("maximum", x, product)
    maxima = find_maxima(measure(sketch.architecture(chosen), sketch.graph(chosen)))
    assert [reason.why for reason in maxima.undecided] == ["where its values lie in the image is not known"]
