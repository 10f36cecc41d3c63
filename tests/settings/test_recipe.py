import pytest

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.base.errors import AssignmentError
from harness.base.tables import content_hash, validate
from harness.settings.recipe import RecipeSpec

PLAIN = {"epochs": 16, "batch_size": 8, "lr": 0.1, "stages": [{"epochs": 8, "size_px": 16}]}
TIERS = [
    {"up_to_mmacs": 5, "epochs": 24},
    {"up_to_mmacs": 20},
    {"epochs": 4, "precision": "bfloat16", "stages": [{"epochs": 3, "size_px": 8}]},
]


def a_recipe(**changes):
    return validate(RecipeSpec, PLAIN | {"tiers": TIERS} | changes, "a.toml", "recipe")


def mistake(tiers):
    with pytest.raises(AssignmentError) as caught:
        a_recipe(tiers=tiers)
    return str(caught.value)


def test_a_network_gets_the_first_tier_that_it_fits_in():
    recipe = a_recipe()
    assert [recipe.at_cost(mmacs).epochs for mmacs in (0, 5, 5.001, 20, 21, 1e9)] == [24, 24, 16, 16, 4, 4]
    assert recipe.at_cost(21).precision == "bfloat16"
    assert recipe.tier(5).up_to_mmacs == 5
    assert recipe.tier(21).up_to_mmacs is None


def test_a_tier_that_says_nothing_of_the_stages_keeps_their_share():
    recipe = a_recipe()
    stages = [[(s.epochs, s.size_px) for s in recipe.at_cost(mmacs).stages] for mmacs in (1, 10, 30)]
    assert stages == [[(12, 16)], [(8, 16)], [(3, 8)]]


def test_the_recipe_of_a_network_knows_no_tiers_and_one_without_them_keeps_its_hash():
    plain = validate(RecipeSpec, PLAIN, "a.toml")
    assert content_hash(plain) == content_hash(validate(RecipeSpec, PLAIN | {"anneal": "cosine"}, "a.toml"))
    assert "anneal" not in plain.model_dump()
    assert a_recipe().at_cost(10) == plain == plain.at_cost(10)
    assert "tiers" not in plain.model_dump()
    assert content_hash(a_recipe().at_cost(10)) == content_hash(plain)
    assert plain.tier(10) is None


@pytest.mark.parametrize("changes", [{}, {"epochs": 12}, {"lr": 0.3}, {"epochs": 9, "precision": "float32"}])
@pytest.mark.parametrize("mmacs", [1, 10, 30])
def test_what_changes_a_recipe_changes_each_of_its_tiers(mmacs, changes):
    assert a_recipe().changed(changes).at_cost(mmacs) == a_recipe().at_cost(mmacs).changed(changes)


def test_changes_after_changes_are_those_of_the_network_s_own_recipe():
    twice = (
        a_recipe().changed({"epochs": 8, "stages": [{"epochs": 2, "size_px": 16}]}).changed({"epochs": 16})
    )
    assert {twice.at_cost(mmacs) for mmacs in (1, 10)} == {twice.at_cost(1)}
    assert [(s.epochs, s.size_px) for s in twice.at_cost(1).stages] == [(4, 16)]


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        (
            [{"up_to_mmacs": 5}, {"up_to_mmacs": 20}],
            "a.toml: recipe: the last of tiers is for all other networks; expected no up_to_mmacs, got 20.",
        ),
        (
            [{"up_to_mmacs": 20}, {"up_to_mmacs": 5}, {}],
            "a.toml: recipe: tiers rise by up_to_mmacs; expected more than 20, got 5.",
        ),
        (
            [{"up_to_mmacs": 5}, {"up_to_mmacs": 5}, {}],
            "a.toml: recipe: tiers rise by up_to_mmacs; expected more than 5, got 5.",
        ),
        (
            [{"epochs": 5}, {"up_to_mmacs": 20}, {}],
            "a.toml: recipe: tier 1 of 3 says no up_to_mmacs; only the last one may.",
        ),
        ([{"up_to_mmacs": 0}, {}], "a.toml: recipe.tiers.0.up_to_mmacs: expected more than 0, got 0."),
        (
            [{"up_to_mmac": 5}, {}],
            "a.toml: recipe.tiers.0.up_to_mmac: unknown key. Did you mean 'up_to_mmacs'?",
        ),
        (
            [{"up_to_mmacs": 5, "epochs": 0}, {}],
            "a.toml: recipe: the tier up to 5: epochs: expected more than 0, got 0.",
        ),
        (
            [{"up_to_mmacs": 5}, {"epochs": 2, "stages": [{"epochs": 2, "size_px": 16}]}],
            "a.toml: recipe: the last tier: stages take 2 of 2 epochs; the last epoch must run at full size.",
        ),
    ],
)
def test_tiers_that_cannot_be_chosen_from_are_refused(tiers, said):
    assert mistake(tiers) == said


def test_changes_that_a_tier_cannot_take_name_it():
    with pytest.raises(AssignmentError, match=r"^submission: the last tier: stages take 4 of 4 epochs"):
        a_recipe().changed({"stages": [{"epochs": 4, "size_px": 16}]}, "submission")


def test_progressive_resizing_keeps_its_share_when_the_epochs_change():
    recipe = load_assignment(DEFAULT_ASSIGNMENT).recipe.at_cost(14)
    doubled = recipe.changed({"epochs": 2 * recipe.epochs})
    assert [s.epochs for s in doubled.stages] == [2 * s.epochs for s in recipe.stages]
    assert recipe.changed({"epochs": 1}).stages == ()


def test_full_size_epochs_that_take_the_place_of_stages_cost_no_more():
    stages = [{"epochs": 5, "size_px": 16}, {"epochs": 6, "size_px": 24}]
    recipe = validate(RecipeSpec, PLAIN | {"stages": stages}, "a.toml")
    both = recipe.at_full_size({16, 24}, 32)
    # 5 / 4 + 6 * 9 / 16 of an epoch are 4.625; 5 are at full size anyway.
    assert (both.epochs, both.stages) == (9, ())
    one = recipe.at_full_size({16}, 32)
    assert (one.epochs, [stage.size_px for stage in one.stages]) == (12, [24])
    assert recipe.at_full_size({}, 32) == recipe
    assert both.changed({}) == both


def test_stages_that_are_given_are_taken_as_they_are():
    recipe = load_assignment(DEFAULT_ASSIGNMENT).recipe.at_cost(14)
    changed = recipe.changed({"epochs": 3, "stages": [{"epochs": 1, "size_px": 8}]})
    assert [(s.epochs, s.size_px) for s in changed.stages] == [(1, 8)]


def test_a_training_that_says_its_precision_follows_a_recipe_that_leaves_it_open():
    recipe = load_assignment(DEFAULT_ASSIGNMENT).recipe.at_cost(14)
    ran = recipe.model_dump(mode="json") | {"precision": "bfloat16"}
    assert recipe.precision == "auto"
    assert recipe.differences(ran) == ()
    assert recipe.changed({"precision": "float32"}).differences(ran) == ("precision",)
    assert recipe.differences(ran | {"lr": 1.0, "precision": "auto"}) == ("lr",)
    assert recipe.differences(ran | {"precision": "float8"}) == ("precision",)
