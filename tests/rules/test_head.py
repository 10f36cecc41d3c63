import pytest
from torch import nn

from harness.base.errors import AssignmentError

GAP, ALL = "global_average_pool", ["global_average_pool", "linear", "dropout", "log_softmax"]


@pytest.fixture(scope="session")
def ending(exported):
    """Export a convolution and a head."""

    def draw(head, **layers):
        return exported(lambda m, x: head(m, m.conv(x)), conv=nn.Conv2d(3, 8, 3), **layers)

    return draw


def test_the_steps_that_are_allowed_may_stand_there(ending, by_rule):
    def head(m, x):
        return m.fc(m.drop(x.mean((2, 3)))).log_softmax(1)

    finding = by_rule(
        "head", ending(head, fc=nn.Linear(8, 10), drop=nn.Dropout(0.2)), may_hold=ALL, must_hold=[GAP]
    )
    assert (finding.status, finding.actual) == (
        "passed",
        "global average pool -> Linear(8, 10) -> log-softmax",
    )
    assert (
        finding.expected
        == "nothing but global_average_pool, linear, dropout, log_softmax; with global_average_pool"
    )


def test_what_must_stand_there_may_be_all_that_is_asked_for(ending, by_rule):
    architecture = ending(lambda m, x: m.fc(x.mean((2, 3))).softmax(1), fc=nn.Linear(8, 10))
    finding = by_rule("head", architecture, must_hold=[GAP])
    assert (finding.status, finding.expected) == ("passed", "anything; with global_average_pool")
    assert by_rule("head", architecture, must_hold=["dropout"]).help == "Add dropout."
    with pytest.raises(
        AssignmentError, match=r"rules\.head: expected may_hold or must_hold, got none of them"
    ):
        by_rule("head", architecture)


def test_a_dropout_that_must_stand_there_is_looked_for_in_training(ending, by_rule):
    layers = {"fc": nn.Linear(8, 10), "drop": nn.Dropout(0.2)}
    architecture = ending(lambda m, x: m.fc(m.drop(x.mean((2, 3)))), **layers)
    assert by_rule("head", architecture, may_hold=ALL, must_hold=["dropout"]).status == "passed"
    finding = by_rule("head", ending(lambda m, x: m.fc(x.mean((2, 3))), **layers), must_hold=["dropout"])
    assert (finding.status, finding.help) == ("failed", "Add dropout.")


STRAY = {
    "hidden_linear": lambda m, x: m.fc(m.hidden(x.mean((2, 3)))),
    "activation": lambda m, x: m.fc(x.mean((2, 3)).relu()),
    "flatten": lambda m, x: m.wide(x.flatten(1)),
    "pointwise_convolution": lambda m, x: m.point(x.mean((2, 3), keepdim=True)).flatten(1),
    "global_max_pool": lambda m, x: m.fc(x.amax((2, 3))),
    "normalisation": lambda m, x: m.fc(m.norm(x.mean((2, 3)))),
    "softmax": lambda m, x: m.fc(x.mean((2, 3))).softmax(1),
}


@pytest.mark.parametrize("step", STRAY)
def test_another_step_is_named(ending, by_rule, step):
    layers = {
        "fc": nn.Linear(8, 10), "hidden": nn.Linear(8, 8), "wide": nn.Linear(8 * 900, 10),
        "point": nn.Conv2d(8, 10, 1), "norm": nn.BatchNorm1d(8),
    }  # fmt: skip
    architecture = ending(STRAY[step], **layers)
    finding = by_rule("head", architecture, may_hold=ALL)
    assert finding.status == "failed"
    assert finding.actual.endswith(f"; {step} is not allowed")
    assert "out of the head: it may hold global_average_pool, linear" in finding.help
    assert by_rule("head", architecture, may_hold=[*ALL, step]).status == "passed"


def test_a_step_without_a_name_is_not_allowed(ending, by_rule):
    finding = by_rule(
        "head", ending(lambda m, x: m.fc(x.mean((2, 3)).exp()), fc=nn.Linear(8, 10)), may_hold=ALL
    )
    assert "an element-wise operator in exp is not allowed" in finding.actual


def test_a_pool_over_rows_and_then_columns_is_one(ending, by_rule):
    architecture = ending(lambda m, x: m.fc(x.mean(3).mean(2) * 0.5), fc=nn.Linear(8, 10))
    assert by_rule("head", architecture, may_hold=ALL).status == "passed"


def test_a_step_that_must_be_there_and_is_not_is_named(ending, by_rule):
    architecture = ending(lambda m, x: m.wide(x.flatten(1)), wide=nn.Linear(8 * 900, 10))
    finding = by_rule("head", architecture, may_hold=["flatten", "linear"], must_hold=[GAP])
    assert finding.actual.endswith("; no global_average_pool")
    assert finding.help == "Add global_average_pool."


def test_another_number_of_classes_is_named(ending, by_rule):
    finding = by_rule("head", ending(lambda m, x: m.fc(x.mean((2, 3))), fc=nn.Linear(8, 7)), may_hold=ALL)
    assert finding.actual.endswith("; the network returns (batch, 7)")
    assert finding.help == "Return one tensor of logits, shape (N, 10)."


def test_an_unknown_operator_leaves_it_open(sketch, by_rule):
    architecture = sketch.architecture(sketch.head(sketch.call("mystery", sketch.conv("x", 8))))
    assert by_rule("head", architecture, may_hold=ALL).status == "not_judged"


def test_an_empty_list_of_steps_is_refused(ending, by_rule):
    with pytest.raises(AssignmentError, match="expected at least one, got an empty list"):
        by_rule("head", ending(lambda m, x: x.mean((2, 3))), may_hold=[])
