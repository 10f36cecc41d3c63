"""What is odd about an assignment is said, and is no mistake."""

from harness.assignment.spec import parse_assignment
from harness.authoring.remarks import remarks

RECIPE = {"epochs": 10, "batch_size": 8, "lr": 0.1}


def said(**changes):
    table = {
        "schema_version": 2, "id": "a", "title": "a", "data": {"dataset": "mnist"}, "recipe": RECIPE,
        "rules": {"min_accuracy": {"at_least": 0.5, "points": 5}},
    }  # fmt: skip
    checks = tuple(remarks(parse_assignment(table | changes)))
    *found, policy = [(check.level, check.found) for check in checks]
    assert policy == ("PASS", f"At most {found[0][1].split(', ')[1].split()[0]} points.")
    return found


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


def policy_of(named, **policy):
    table = {
        "schema_version": 2, "id": "a", "title": "a", "data": {"dataset": "mnist"}, "recipe": RECIPE,
        "rules": {"min_accuracy": {"at_least": 0.5, "points": 5}}, "policy": policy,
        "variants": {name: {"title": name, "rules": rules} for name, rules in named.items()},
    }  # fmt: skip
    *_, check = remarks(parse_assignment(table))
    return check


UNEQUAL = {"one": {}, "two": {"min_accuracy": {"points": 7}}}


def test_variants_that_are_worth_different_points_are_noticed_where_one_of_them_counts():
    assert policy_of(UNEQUAL, variants="all").level == "PASS"
    check = policy_of(UNEQUAL)
    assert (check.level, check.fix) == (
        "CAUTION",
        "Give all variants the same points (one 5, two 7): who hands in another one cannot reach the most.",
    )


def test_what_counts_is_said_with_the_most_points():
    check = policy_of({"one": {}, "two": {}}, variants="all", due="2026-12-01T23:59:00+01:00")
    assert check.found == (
        "At most 10 points. All of the variants one and two are asked for, and their points are added up. "
        "One that is missing has failed. Due 2026-12-01 23:59 UTC+01:00."
    )
