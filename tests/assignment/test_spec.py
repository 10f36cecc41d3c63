"""The assignment: the shipped one is valid, and every mistake in another is named at once."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment, parse_assignment
from harness.base.errors import AssignmentError
from harness.base.tables import content_hash
from harness.settings.recipe import RecipeOverride


@pytest.fixture
def table() -> dict[str, Any]:
    return tomllib.loads(DEFAULT_ASSIGNMENT.read_text())


def mistakes(table: dict[str, Any]) -> list[str]:
    with pytest.raises(AssignmentError) as caught:
        parse_assignment(table, "a.toml")
    return str(caught.value).splitlines()


def test_the_shipped_assignment_is_valid_and_worth_100_points_a_variant():
    spec = load_assignment(DEFAULT_ASSIGNMENT)
    assert spec.id == "cifar10-compact-cnn"
    assert [sum(r.settings.points for r in rules) for rules in spec.every_rule().values()] == [100, 100]
    assert set(spec.variants) == {"basic", "dilated"}


def test_every_mistake_is_reported_in_one_message(table):
    table["recipe"]["epoch"] = 3
    table["rules"]["min_accuracy"]["points"] = -1
    table["rules"]["no_maxpool"] = {}
    table["variants"]["basic"]["rules"]["dilation"]["distinct"] = 1
    table["seed"] = "one"
    del table["title"]
    assert mistakes(table) == [
        "a.toml: title: missing; a value is required.",
        "a.toml: seed: expected a whole number, got 'one'.",
        "a.toml: recipe.epoch: unknown key. Did you mean 'epochs'?",
        "a.toml: variants.basic.rules.dilation.distinct: unknown key. Did you mean 'distinct_at_least'?",
        "a.toml: rules.min_accuracy.points: expected at least 0, got -1.",
        "a.toml: rules.no_maxpool: unknown rule no_maxpool. Did you mean 'no_max_pool'?",
    ]


def test_a_family_in_place_of_a_rule_is_told_where_it_belongs(table):
    table["rules"]["dropout"] = {"exactly": 0}
    assert mistakes(table) == [
        "a.toml: rules.dropout: unknown rule dropout. dropout is a family of layers: "
        'write rule = "count", family = "dropout".'
    ]


def test_an_unknown_key_without_a_near_name_lists_the_known_ones(table):
    table["rules"]["min_accuracy"]["zzz"] = 1
    assert mistakes(table) == [
        "a.toml: rules.min_accuracy.zzz: unknown key. Known keys: after_epochs, asks, at_least, curve, "
        "in_each_of_last, mean_of_seeds, points, rule."
    ]


def test_a_misspelt_key_inside_a_list_of_tables_is_named_with_its_place(table):
    table["recipe"]["augmentation"][1]["argument"] = {}
    assert mistakes(table) == [
        "a.toml: recipe.augmentation.1.argument: unknown key. Did you mean 'arguments'?"
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.2", -1.0])
def test_a_learning_rate_must_be_a_positive_finite_number(table, value):
    table["recipe"]["lr"] = value
    assert any(line.startswith("a.toml: recipe.lr: ") for line in mistakes(table))


def test_a_whole_number_is_not_taken_from_a_string(table):
    table["recipe"]["epochs"] = "24"
    assert mistakes(table)[0].startswith("a.toml: recipe.epochs: expected a whole number")


def test_the_default_variant_must_be_one_of_the_variants(table):
    table["default_variant"] = "other"
    assert mistakes(table) == ["a.toml: default_variant: no variant 'other'. Known variants: basic, dilated."]


def test_near_the_line_there_are_as_many_seeds_as_at_first_or_more(table):
    table["seeds"] = {"first": 3, "borderline": 2}
    assert mistakes(table) == [
        "a.toml: seeds: borderline counts all trainings, so it is at least first; expected 3 or more, got 2."
    ]
    del table["seeds"]
    assert parse_assignment(table).seeds.borderline == 1


def test_progressive_resizing_must_leave_the_last_epoch_at_full_size(table):
    table["recipe"]["stages"] = [{"epochs": table["recipe"]["epochs"], "size_px": 16}]
    assert "the last epoch must run at full size" in mistakes(table)[0]


def test_a_missing_file_and_a_file_that_is_not_toml_are_said_plainly(tmp_path):
    with pytest.raises(AssignmentError, match=r"none\.toml: no such file\. Give the path of a TOML file"):
        load_assignment(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("a = ")
    with pytest.raises(AssignmentError, match=r"broken\.toml: not valid TOML"):
        load_assignment(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(AssignmentError, match="cannot be read"):
        load_assignment(broken)


def test_comments_and_the_order_of_keys_do_not_change_the_hash(table):
    reordered = dict(reversed(table.items()))
    assert content_hash(parse_assignment(table)) == content_hash(parse_assignment(reordered))
    table["seed"] += 1
    assert content_hash(parse_assignment(table)) != content_hash(parse_assignment(reordered))


def test_a_manifest_may_change_the_recipe_within_the_limits():
    spec = load_assignment(DEFAULT_ASSIGNMENT)
    recipe = spec.recipe_with("basic", RecipeOverride(epochs=48, lr=0.1), "submission.toml")
    assert (recipe.epochs, recipe.lr, recipe.batch_size) == (48, 0.1, spec.recipe.batch_size)


def test_a_variant_changes_the_recipe_of_every_tier_and_a_manifest_that_of_the_variant(table):
    table["variants"]["dilated"]["recipe"] = {"epochs": 6, "lr": 0.1}
    spec = parse_assignment(table)
    basic, dilated = (spec.recipe_for(variant).at_cost(200) for variant in ("basic", "dilated"))
    assert spec.recipe_for("basic") == spec.recipe
    assert (basic.epochs, dilated.epochs, dilated.lr) == (7, 6, 0.1)
    own = {"epochs", "lr", "stages"}
    assert dilated.model_dump(exclude=own) == basic.model_dump(exclude=own)
    longer = spec.recipe_with("dilated", RecipeOverride(epochs=12), "submission.toml").at_cost(200)
    assert (longer.epochs, longer.lr) == (12, 0.1)
    assert [s.epochs for s in longer.stages] == [2 * s.epochs for s in dilated.stages]


def test_the_reference_networks_keep_the_epochs_that_they_were_measured_with():
    recipe = load_assignment(DEFAULT_ASSIGNMENT).recipe
    stages = {
        mmacs: (one.epochs, [(stage.epochs, stage.size_px) for stage in one.stages])
        for mmacs in (13.7, 200)
        for one in [recipe.at_cost(mmacs)]
    }
    assert stages == {13.7: (14, [(4, 16), (5, 24)]), 200: (7, [(3, 16), (2, 24)])}


def test_a_recipe_of_a_variant_that_does_not_hold_is_named(table):
    table["variants"]["dilated"]["recipe"] = {"epochs": 3, "stages": [{"epochs": 3, "size_px": 16}]}
    assert mistakes(table) == [
        "a.toml: variants.dilated.recipe: stages take 3 of 3 epochs; the last epoch must run at full size."
    ]


def test_an_unknown_key_in_the_recipe_of_a_variant_is_named(table):
    table["variants"]["dilated"]["recipe"] = {"precison": "bfloat16"}
    assert mistakes(table) == [
        "a.toml: variants.dilated.recipe.precison: unknown key. Did you mean 'precision'?"
    ]


def test_recipe_values_outside_the_limits_are_all_named():
    spec = load_assignment(DEFAULT_ASSIGNMENT)
    with pytest.raises(AssignmentError) as caught:
        spec.recipe_with("basic", RecipeOverride(epochs=1000, lr=5.0), "submission.toml: variants.basic")
    assert str(caught.value).splitlines() == [
        "submission.toml: variants.basic: recipe.epochs: outside the assignment's limits; "
        "expected 1 to 60, got 1000.",
        "submission.toml: variants.basic: recipe.lr: outside the assignment's limits; "
        "expected 0.001 to 1, got 5.",
    ]


COUNT = "expected a whole number or { at_least = 1 }"
OLDER = DEFAULT_ASSIGNMENT.with_name("cifar10-c1c2c3c4.toml")


def test_the_older_edition_differs_in_numbers_and_choices_of_the_rules_alone():
    older, newer = load_assignment(OLDER), load_assignment(DEFAULT_ASSIGNMENT)
    assert (older.id, set(older.variants)) == ("cifar10-c1c2c3c4", {"basic"})
    for same in ("seed", "data", "recipe", "overrides", "limits"):
        assert getattr(older, same) == getattr(newer, same)
    assert [(r.name, r.settings.points) for r in older.rules_for("basic")] == [
        (r.name, r.settings.points) for r in newer.rules_for("basic")
    ]
    assert older.rules["min_receptive_field"]["place"] == "with_pool"
    assert older.rules["max_parameters"] == newer.rules["max_parameters"]


def test_settings_that_are_not_given_are_those_of_the_first_edition(table):
    del table["variants"]["basic"]["rules"]["downsampling"]["kernel"]
    rules = {one.name: one.settings for one in parse_assignment(table).rules_for("basic")}
    assert rules["gap_linear_head"].classifier == ("linear_after_pool",)
    assert rules["downsampling"].kernel == (3,)
    assert rules["downsampling"].jump.exactly == 8


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("strided_convolutions", "one", f": {COUNT}, got 'one'."),
        ("strided_convolutions", True, f": {COUNT}, got True."),
        ("strided_convolutions", -1, ".exactly: expected at least 0, got -1."),
        ("strided_convolutions", {"at_leest": 1}, ".at_leest: unknown key. Did you mean 'at_least'?"),
        ("jump", {}, f": {COUNT}, got neither or both of exactly and at_least."),
        ("jump", {"exactly": 1, "at_least": 2}, f": {COUNT}, got neither or both of exactly and at_least."),
        ("jump", {"at_least": 0}, ": a jump is at least 1, got 0."),
        ("kernel", [], ": expected at least one, got an empty list."),
        ("kernel", [3, 0], ".1: expected more than 0, got 0."),
    ],
)  # fmt: skip
def test_a_mistake_in_what_may_downsample_is_said_plainly(table, key, value, message):
    table["variants"]["basic"]["rules"]["downsampling"][key] = value
    assert mistakes(table) == [f"a.toml: variants.basic.rules.downsampling.{key}{message}"]


def test_a_place_of_the_classifier_that_does_not_exist_is_answered_with_those_that_do(table):
    table["rules"]["gap_linear_head"] = {"classifier": ["linear"]}
    assert mistakes(table) == [
        "a.toml: rules.gap_linear_head.classifier.0: expected 'linear_after_pool', "
        "'convolution_after_pool' or 'convolution_before_pool', got 'linear'."
    ]
    table["rules"]["gap_linear_head"] = {"classifier": []}
    assert mistakes(table) == [
        "a.toml: rules.gap_linear_head.classifier: expected at least one, got an empty list."
    ]


def test_a_rule_applies_because_it_is_named_and_a_variant_switches_it_off(table):
    del table["rules"]["no_max_pool"]
    table["variants"]["dilated"]["rules"]["min_receptive_field"] = False
    table["variants"]["dilated"]["rules"]["small"] = {"rule": "max_parameters", "below": 9, "points": 3}
    basic, dilated = ([one.name for one in rules] for rules in parse_assignment(table).every_rule().values())
    assert "no_max_pool" not in basic
    assert set(basic) - set(dilated) == {"min_receptive_field"}
    assert "small" in dilated


def test_a_table_of_a_variant_with_a_rule_of_its_own_replaces_all_but_the_points(table):
    table["rules"]["shortcuts"] = {"rule": "residual", "adds": 0, "points": 5}
    table["variants"]["basic"]["rules"]["shortcuts"] = {"layers": 2}
    table["variants"]["dilated"]["rules"]["shortcuts"] = {"rule": "residual", "per_stage": 1}
    rules = parse_assignment(table).every_rule()
    basic, dilated = (
        next(one.settings for one in rules[variant] if one.name == "shortcuts").model_dump(exclude_none=True)
        for variant in ("basic", "dilated")
    )
    assert (basic["adds"], basic["layers"]) == ({"exactly": 0}, {"exactly": 2})
    assert "adds" not in dilated
    assert (dilated["per_stage"], dilated["points"]) == ({"exactly": 1}, 5)


def test_a_rule_may_appear_several_times_under_different_names(table):
    table["rules"]["tiny"] = {"rule": "max_parameters", "below": 1_000, "points": 7, "asks": "a tiny network"}
    spec = parse_assignment(table)
    tiny = next(one for one in spec.rules_for("basic") if one.name == "tiny")
    assert (tiny.asks, tiny.rule.name, tiny.settings.points) == ("a tiny network", "max_parameters", 7)


def test_loading_does_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_assignment(Path(DEFAULT_ASSIGNMENT)).schema_version == 2


def test_values_of_the_command_line_are_checked_like_those_of_a_file():
    recipe = load_assignment(DEFAULT_ASSIGNMENT).recipe
    with pytest.raises(AssignmentError, match=r"recipe: lr: expected more than 0, got 0\.0"):
        recipe.changed({"lr": 0.0})
    with pytest.raises(AssignmentError, match="recipe: lr: expected a finite number"):
        recipe.changed({"lr": float("nan")})
