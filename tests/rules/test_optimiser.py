import pytest

from harness.base.errors import AssignmentError


def test_numbers_of_the_recipe_lie_within_limits(basic, by_rule):
    finding = by_rule("optimiser", basic(), lr={"at_least": 0.1, "at_most": 0.3}, batch_size={"at_most": 128})
    assert finding.status == "passed"
    assert finding.expected == "lr at least 0.1 and at most 0.3, batch_size at most 128"
    assert finding.actual == "lr 0.2, batch_size 128"


def test_help_names_the_nearest_numbers(basic, by_rule):
    finding = by_rule("optimiser", basic(), lr={"at_most": 0.1}, weight_decay={"at_least": 0.001})
    assert finding.status == "failed"
    assert finding.help == "Set recipe.lr = 0.1 and recipe.weight_decay = 0.001 in submission.toml."


MISTAKES = {
    "expected one of lr, batch_size, weight_decay, label_smoothing, got none of them": {},
    "rules.optimiser.lr: expected at_least or at_most, got none of them": {"lr": {}},
    "at_least is 2 and at_most 1: no number is allowed": {"lr": {"at_least": 2, "at_most": 1}},
}


@pytest.mark.parametrize("message", MISTAKES)
def test_limits_that_make_no_sense_are_refused(basic, by_rule, message):
    with pytest.raises(AssignmentError) as error:
        by_rule("optimiser", basic(), **MISTAKES[message])
    assert message in str(error.value)
