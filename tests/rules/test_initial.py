import pytest

from harness.base.errors import AssignmentError


@pytest.mark.parametrize(("accuracy", "status"), [(0.2, "passed"), (0.21, "failed")])
def test_random_weights_are_at_chance_and_ten_points_at_most(basic, by_rule, accuracy, status):
    finding = by_rule("initial", basic(), weights="random", run={"accuracy_running": accuracy})
    assert (finding.status, finding.expected) == (status, "at most 20 % before training (chance is 10 %)")


def test_an_assignment_may_say_how_much(basic, by_rule):
    finding = by_rule("initial", basic(), weights="random", max_accuracy=0.15, run={"accuracy_batch": 0.16})
    assert finding.status == "failed"


def test_weights_that_were_trained_may_be_allowed(basic, by_rule):
    finding = by_rule("initial", basic(), weights="pretrained_allowed", run={"accuracy_running": 0.93})
    assert (finding.status, finding.expected) == ("passed", "any accuracy before training")
    assert finding.actual.startswith("93.0 % with running")


def test_a_limit_of_trained_weights_is_refused(basic, by_rule):
    with pytest.raises(AssignmentError, match="max_accuracy belongs to random weights: leave it out"):
        by_rule("initial", basic(), weights="pretrained_allowed", max_accuracy=0.5)
