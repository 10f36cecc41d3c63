import copy

import pytest

from harness.analysis.graph import SCHEMA, Architecture


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
