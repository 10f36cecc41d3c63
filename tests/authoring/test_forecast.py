"""A grade's time is told from one epoch: stages of smaller images cost less, seeds cost a training each."""

from harness.assignment.spec import parse_assignment
from harness.authoring.forecast import forecast


def spec(**changes):
    return parse_assignment(
        {
            "schema_version": 2, "id": "a", "title": "a", "data": {"dataset": "cifar10"},
            "rules": {"min_accuracy": {"at_least": 0.5}},
            "recipe": {"epochs": 10, "batch_size": 8, "lr": 0.1, "stages": [{"epochs": 4, "size_px": 16}]},
            "seeds": {"first": 1, "borderline": 3},
        }
        | changes
    )  # fmt: skip


def test_an_epoch_of_half_the_side_costs_a_quarter():
    found = forecast(spec(), "basic", spec().recipe, epoch_s=10)
    assert (found.first_s, found.borderline_s) == (70, 210)
    assert (found.epochs, found.trainings, found.most_trainings) == (10, 1, 3)


def test_a_rule_about_the_mean_of_seeds_takes_as_many_trainings():
    asked = spec(rules={"min_accuracy": {"at_least": 0.5, "mean_of_seeds": 3}})
    assert forecast(asked, "basic", asked.recipe, epoch_s=10).first_s == 210


def test_without_a_rule_about_trainings_nothing_is_trained():
    untrained = spec(rules={})
    assert forecast(untrained, "basic", untrained.recipe, epoch_s=10).most_trainings == 0
