import copy

import pytest

from harness.graph.ir import SCHEMA, Architecture


def two_graphs(sketch, draw):
    """Draw the same network for training and for evaluation; `draw` is told which."""
    x = sketch.conv("x", 4, layer="a")
    start = copy.deepcopy(sketch)
    train = sketch.graph(sketch.head(draw(sketch, x, True)))
    # The same tensors, under the same names.
    again = copy.deepcopy(start)
    evaluation = again.graph(again.head(draw(again, x, False)))
    tensors = {t.name: t for t in (*sketch.tensors, *again.tensors)}
    return Architecture(schema=SCHEMA, tensors=tuple(tensors.values()), train=train, eval=evaluation)


def norm(s, x, training):
    mean, var = (s.tensor(f"bn.{n}", 4, kind="buffer") for n in ("running_mean", "running_var"))
    return s.call("batch_norm", x, None, None, mean, var, training, 0.1, 1e-5, True, layer="bn")


def drop(s, x, training):
    return s.call("dropout", x, 0.1, training)


def skip_in_eval(s, x, training):
    return s.conv(x, 4, layer="b") if training else x


def always_drop(s, x, training):
    return s.call("feature_dropout", x, 0.1, True, layer="drop")


def noise(s, x, training):
    return s.call("add.Tensor", x, s.call("randn_like", x, layer="noise"))


def batch_statistics(s, x, training):
    return s.call("batch_norm", x, None, None, None, None, True, 0.1, 1e-5, True, layer="bn")


def running_average(s, x, training):
    state = s.tensor("state", 4, 1, 1, kind="buffer")
    if training:
        s.call("mul_.Tensor", state, 0.9, layer="ema")
    return s.call("sub.Tensor", x, state)


def counter(s, x, training):
    if training:
        s.call("add_.Tensor", s.tensor("bn.num_batches_tracked", kind="buffer", dtype="int64"), 1)
    return norm(s, x, training)


def attends(s, x, *rest, **options):
    return s.call("scaled_dot_product_attention", x, x, x, *rest, layer="attention", **options)


def attention_dropout(s, x, training):
    return attends(s, x, None, 0.1) if training else attends(s, x)


def attention_dropout_by_name(s, x, training):
    return attends(s, x, dropout_p=0.1 if training else 0.0, scale=0.5)


def attention_dropout_in_eval(s, x, training):
    return attends(s, x, None, 0.1)


def causal_in_training(s, x, training):
    return attends(s, x, None, 0.1, True) if training else attends(s, x)


def scaled_in_eval(s, x, training):
    return attends(s, x, dropout_p=0.1) if training else attends(s, x, scale=0.5)


@pytest.mark.parametrize("draw", [norm, drop, counter, attention_dropout, attention_dropout_by_name])
def test_batch_norm_and_dropout_may_differ(sketch, judged, draw):
    finding = judged(two_graphs(sketch, draw)).same_graph_in_eval
    assert finding.status == "passed", finding


@pytest.mark.parametrize(
    ("draw", "what", "layer"),
    [
        (skip_in_eval, "compute different things", "b"),
        (always_drop, "depends on chance", "drop"),
        (noise, "depends on chance", "noise"),
        (attention_dropout_in_eval, "depends on chance", "attention"),
        (causal_in_training, "compute different things", "attention"),
        (scaled_in_eval, "compute different things", "attention"),
        (batch_statistics, "statistics of the batch", "bn"),
        (running_average, "is changed", "ema"),
    ],
)
def test_anything_else_fails_and_is_named(sketch, judged, draw, what, layer):
    finding = judged(two_graphs(sketch, draw)).same_graph_in_eval
    assert finding.status == "failed"
    assert what in finding.actual
    assert layer in [place.layer for place in finding.where]


def test_a_rule_must_hold_in_the_training_graph_too(sketch, judged):
    def pool_in_training(s, x, training):
        return s.call("max_pool2d", x, [3, 3], [1, 1], [1, 1], layer="pool") if training else x

    finding = judged(two_graphs(sketch, pool_in_training)).no_max_pool
    assert finding.status == "failed"
    assert finding.actual.startswith("in the graph used for training: max_pool2d")


@pytest.mark.parametrize(
    ("measured", "what"),
    [({"batch_difference": 0.5}, "others in its batch"), ({"repeat_difference": 0.5}, "two passes")],
)
def test_what_the_graph_does_not_show_is_seen_when_it_runs(basic, judged, measured, what):
    finding = judged(basic(), **measured).same_graph_in_eval
    assert finding.status == "failed"
    assert what in finding.actual


def test_the_last_bits_of_a_sum_are_no_influence(basic, judged):
    assert judged(basic(), batch_difference=2e-6).same_graph_in_eval.status == "passed"


def norm_of(momentum, statistics="bn"):
    def draw(s, x, training):
        names = ("running_mean", "running_var")
        mean, var = (s.tensor(f"{statistics}.{n}", 4, kind="buffer") for n in names)
        return s.call("batch_norm", x, None, None, mean, var, training, momentum, 1e-5, True, layer="bn")

    return draw


@pytest.mark.parametrize(
    ("momentum", "status"),
    [(0.001, "passed"), (0.999, "passed"), (0.0, "failed"), (1e-12, "failed"), (1.0, "failed")],
)
def test_running_statistics_have_to_follow_those_of_the_batches(sketch, judged, momentum, status):
    finding = judged(two_graphs(sketch, norm_of(momentum))).same_graph_in_eval
    assert finding.status == status
    if status == "failed":
        assert finding.actual.startswith("running statistics do not follow those of the batches")
        assert "momentum from 0.001 to less than 1" in finding.help


def test_other_statistics_in_eval_are_a_difference(sketch, judged):
    def draw(s, x, training):
        return norm_of(0.1, "one" if training else "other")(s, x, training)

    finding = judged(two_graphs(sketch, draw)).same_graph_in_eval
    assert finding.actual.startswith("train and eval compute different things")


@pytest.mark.parametrize(("p", "status"), [(0.9, "passed"), (0.91, "failed"), (1 - 1e-12, "failed")])
def test_a_dropout_has_to_leave_something(sketch, judged, p, status):
    finding = judged(two_graphs(sketch, lambda s, x, t: s.call("dropout", x, p, t))).same_graph_in_eval
    assert finding.status == status
    if status == "failed":
        assert finding.actual.startswith("hardly anything is left by a dropout in training")
        assert "p of at most 0.9" in finding.help


ACROSS = {
    "a mean": lambda s, x: s.call("mean.dim", x, [0], shape=(4, 32, 32)),
    "a sum of everything": lambda s, x: s.call("sum", x, shape=()),
    "a slice": lambda s, x: s.call("slice.Tensor", x, 0, 0, 1, shape=(1, 4, 32, 32)),
    "a roll": lambda s, x: s.call("roll", x, [1], [0]),
    "a flip": lambda s, x: s.call("flip", x, [0]),
    "a sort": lambda s, x: s.call("sort", x, 0),
    "a softmax": lambda s, x: s.call("softmax.int", x, 0),
}


@pytest.mark.parametrize("across", ACROSS.values(), ids=ACROSS)
def test_images_of_a_batch_are_not_combined_or_exchanged(sketch, judged, across):
    def draw(s, x, _):
        return s.call("add.Tensor", x, across(s, x))

    finding = judged(two_graphs(sketch, draw)).same_graph_in_eval
    assert finding.status == "failed"
    assert finding.actual.startswith("images of a batch are combined")
    assert "the batch" in finding.help


ALONG = {
    "all of the batch": lambda s, x: s.call("slice.Tensor", x, 0, 0, 2**63 - 1),
    "the channels": lambda s, x: s.call("flip", x, [1]),
    "rows and columns": lambda s, x: s.call("mean.dim", x, [2, 3], True, shape=("batch", 4, 1, 1)),
}


@pytest.mark.parametrize("along", ALONG.values(), ids=ALONG)
def test_what_keeps_the_images_apart_is_allowed(sketch, judged, along):
    def draw(s, x, _):
        return s.call("add.Tensor", x, along(s, x))

    assert judged(two_graphs(sketch, draw)).same_graph_in_eval.status == "passed"


def constant(s, shape):
    return s.call("ones", list(shape), shape=shape)


def switch_of_dropout(s, x, training):
    ones = s.call("dropout", constant(s, (4, 1, 1)), 0.5, training, layer="coin")
    return s.call("mul.Tensor", x, s.call("eq.Scalar", ones, 1.0))


def switch_of_norm(s, x, training):
    mean, var = (s.tensor(f"bn.{n}", 4, kind="buffer") for n in ("running_mean", "running_var"))
    ones = constant(s, (2, 4))
    coin = s.call("batch_norm", ones, None, None, mean, var, training, 0.1, 1e-5, True, layer="coin")
    return s.call("add.Tensor", x, s.call("sum", coin, shape=()))


@pytest.mark.parametrize("draw", [switch_of_dropout, switch_of_norm])
def test_what_the_image_does_not_reach_is_no_switch_between_the_modes(sketch, judged, draw):
    finding = judged(two_graphs(sketch, draw)).same_graph_in_eval
    assert finding.actual.startswith("what the image does not reach is normalised or dropped")
    assert [where.layer for where in finding.where] == ["coin"]


def test_a_dropped_constant_may_scale_what_is_computed_from_the_image(sketch, judged):
    def drop_path(s, x, training):
        return s.call("mul.Tensor", x, s.call("dropout", constant(s, (4, 1, 1)), 0.5, training))

    assert judged(two_graphs(sketch, drop_path)).same_graph_in_eval.status == "passed"


def test_statistics_do_not_follow_what_nobody_reads(sketch, judged):
    def draw(s, x, training):
        unused = s.call("mul.Tensor", x, 100.0)
        mean, var = (s.tensor(f"bn.{n}", 4, kind="buffer") for n in ("running_mean", "running_var"))
        rest = (None, None, mean, var, training, 0.1, 1e-5, True)
        s.call("batch_norm", unused, *rest, layer="unused")
        return s.call("batch_norm", x, *rest, layer="bn")

    finding = judged(two_graphs(sketch, draw)).same_graph_in_eval
    assert finding.actual.startswith("statistics follow what nobody reads")


def test_dropouts_one_behind_the_other_count_together(sketch, judged):
    def draw(s, x, training):
        return s.call("dropout", s.call("dropout", x, 0.8, training), 0.8, training)

    assert judged(two_graphs(sketch, draw)).same_graph_in_eval.actual.startswith("hardly anything is left")


def test_statistics_that_a_batch_is_just_changing_are_used_by_nobody_else(sketch, judged):
    def draw(s, x, training):
        mean, var = (s.tensor(f"bn.{n}", 4, kind="buffer") for n in ("running_mean", "running_var"))
        one = s.call("batch_norm", x, None, None, mean, var, training, 0.1, 1e-5, True)
        return s.call(
            "sub.Tensor", one, s.call("batch_norm", x, None, None, mean, var, False, 0.1, 1e-5, True)
        )

    finding = judged(two_graphs(sketch, draw)).same_graph_in_eval
    assert finding.actual.startswith("running statistics are used that a batch just changes")


def test_the_number_of_images_is_used_in_shapes_alone(sketch, judged):
    def scaled(s, x, _):
        return s.call("div.Tensor", x, s.call("sym_size.int", x, 0, shape=()))

    def counted(s, x, _):
        ones = s.call("new_ones", x, ["batch"], shape=("batch",))
        return s.call("mul.Tensor", x, s.call("sum", ones, shape=()))

    for draw in (scaled, counted):
        finding = judged(two_graphs(copy.deepcopy(sketch), draw)).same_graph_in_eval
        assert finding.actual.startswith("the number of images in a batch is computed with")
