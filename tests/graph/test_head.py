import pytest


def mean(s, x):
    return s.linear(s.call("mean.dim", x, [2, 3], shape=("batch", 32)), 10)


def mean_twice(s, x):
    x = s.call("mean.dim", x, [3], shape=("batch", 32, 4))
    return s.linear(s.call("mean.dim", x, [2], shape=("batch", 32)), 10)


def mean_of_flattened(s, x):
    x = s.call("flatten.using_ints", x, 2, shape=("batch", 32, 16))
    return s.linear(s.call("mean.dim", x, [-1], shape=("batch", 32)), 10)


def sum_over_area(s, x):
    x = s.call("sum.dim_IntList", x, [2, 3], shape=("batch", 32))
    return s.linear(s.call("div.Tensor", x, 16), 10)


def covering_pool(s, x):
    x = s.call("avg_pool2d", x, [4, 4], shape=("batch", 32, 1, 1))
    return s.linear(s.call("view", x, [-1, 32], shape=("batch", 32)), 10)


def squeezed(s, x):
    return s.linear(s.call("squeeze", s.gap(x), shape=("batch", 32)), 10)


def indexed(s, x):
    x = s.call("select.int", s.gap(x), 2, 0, shape=("batch", 32, 1))
    return s.linear(s.call("select.int", x, 2, 0, shape=("batch", 32)), 10)


def with_dropout_and_log_softmax(s, x):
    x = s.call("dropout", s.flatten(s.gap(x)), 0.1, False)
    return s.call("log_softmax.int", s.linear(x, 10), -1)


def by_hand(s, x):
    x = s.flatten(s.gap(x))
    x = s.call("matmul", x, s.tensor("w", 32, 10), shape=("batch", 10))
    return s.call("add.Tensor", x, s.tensor("b", 10))


ALLOWED = [
    mean, mean_twice, mean_of_flattened, sum_over_area, covering_pool, squeezed, indexed,
    with_dropout_and_log_softmax, by_hand,
]  # fmt: skip


@pytest.mark.parametrize("head", ALLOWED, ids=lambda f: f.__name__)
def test_every_way_to_write_an_average_and_one_linear_passes(sketch, basic, judged, head):
    finding = judged(basic(head=lambda x: head(sketch, x))).gap_linear_head
    assert finding.status == "passed", finding


def flattened(s, x):
    return s.linear(s.flatten(x), 10)


def convolution_after_the_pool(s, x):
    return s.flatten(s.conv(s.gap(x), 10, k=1, layer="classifier"))


def convolution_to_classes(s, x):
    return s.flatten(s.gap(s.conv(x, 10, k=1)))


def two_linears(s, x):
    return s.linear(s.linear(s.flatten(s.gap(x)), 16, "f1"), 10, "f2")


def hidden_activation(s, x):
    return s.linear(s.call("relu", s.flatten(s.gap(x))), 10)


def softmax(s, x):
    return s.call("softmax.int", s.head(x), 1)


def log_softmax_twice(s, x):
    return s.call("log_softmax.int", s.call("log_softmax.int", s.head(x), 1), 1)


def two_by_two(s, x):
    x = s.call("adaptive_avg_pool2d", x, [2, 2], shape=("batch", 32, 2, 2))
    return s.linear(s.flatten(x), 10)


def maximum(s, x):
    return s.linear(s.call("amax", x, [2, 3], shape=("batch", 32)), 10)


def one_position(s, x):
    x = s.call("select.int", x, 3, 2, shape=("batch", 32, 4))
    return s.linear(s.call("select.int", x, 2, 2, shape=("batch", 32)), 10)


def eleven_classes(s, x):
    return s.linear(s.flatten(s.gap(x)), 11)


def two_outputs(s, x):
    return s.head(x), x


def a_map(s, x):
    return s.conv(x, 10, k=1)


WHY = [
    (flattened, "not its global average"),
    (convolution_after_the_pool, "1x1 convolution to 10 channels is not part of it"),
    (convolution_to_classes, "no Linear follows the pool"),
    (two_linears, "a second Linear follows f1"),
    (hidden_activation, "relu is not part of it"),
    (softmax, "softmax is not part of it"),
    (log_softmax_twice, "log-softmax is applied twice"),
    (two_by_two, "not its global average"),
    (maximum, "global maximum is not part of it"),
    (one_position, "not its global average"),
    (eleven_classes, "shape (batch, 11)"),
    (two_outputs, "2 outputs"),
    (a_map, "shape (batch, 10, 4, 4)"),
]


@pytest.mark.parametrize(("head", "why"), WHY, ids=[head.__name__ for head, _ in WHY])
def test_other_heads_fail_and_are_told_why(sketch, basic, judged, head, why):
    finding = judged(basic(head=lambda x: head(sketch, x))).gap_linear_head
    assert finding.status == "failed"
    assert why in finding.actual
    assert finding.help


def test_the_fact_says_the_head_in_a_line(basic, judged):
    assert judged(basic()).facts.head == "global average pool -> Linear(32, 10)"


def test_a_pool_that_leaves_out_a_part_of_the_map_is_of_the_head_and_does_not_belong_there(
    sketch, basic, judged
):
    """AvgPool2d(3) on a 4x4 map: the map before it is the last one, RF 53 and jump 8."""

    def head(x):
        x = sketch.call("avg_pool2d", x, [3, 3], shape=("batch", 32, 1, 1), layer="gap")
        return sketch.linear(sketch.flatten(x), 10)

    judgement = judged(basic(head=head))
    assert judgement.gap_linear_head.actual.endswith("; avg_pool2d leaves out a part of the 4x4 map")
    assert judgement.gap_linear_head.status == "failed"
    assert judgement.downsampling.status == "passed"
    assert judgement.facts.receptive_field_px == 53
    assert judgement.facts.jump == 8
