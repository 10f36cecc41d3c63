"""What is odd about an assignment is said, and is no mistake."""

from harness.assignment import parse_assignment
from harness.authoring.remarks import remarks

RECIPE = {"epochs": 10, "batch_size": 8, "lr": 0.1}


def said(**changes):
    table = {
        "schema_version": 2, "id": "a", "title": "a", "data": {"dataset": "mnist"}, "recipe": RECIPE,
        "rules": {"min_accuracy": {"at_least": 0.5, "points": 5}},
    }  # fmt: skip
    checks = tuple(remarks(parse_assignment(table | changes)))
    return [(check.level, check.found) for check in checks]


def test_an_assignment_is_worth_the_sum_of_its_points():
    assert said() == [("PASS", "basic: 1 rules, 5 points")]


def test_rules_that_are_worth_nothing_are_noticed():
    assert said(rules={"no_max_pool": {}}) == [("CAUTION", "basic: 1 rules, 0 points")]


def test_an_assignment_without_a_training_is_noticed():
    assert said(rules={"no_max_pool": {"points": 1}}) == [
        ("CAUTION", "basic: 1 rules, 1 points, and none is about a training")
    ]


def test_stages_larger_than_the_images_are_noticed():
    assert said(recipe=RECIPE | {"stages": [{"epochs": 3, "size_px": 56}]})[1:] == [
        ("CAUTION", "basic: a stage of 56 px, and images of 28 px")
    ]


def test_a_recipe_outside_its_own_limits_is_noticed():
    assert said(overrides={"epochs": {"min": 20, "max": 30}})[1:] == [
        ("CAUTION", "basic: epochs is 10, outside of 20 to 30")
    ]
