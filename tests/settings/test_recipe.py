from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment


def test_progressive_resizing_keeps_its_share_when_the_epochs_change():
    recipe = load_assignment(DEFAULT_ASSIGNMENT).recipe
    doubled = recipe.changed({"epochs": 2 * recipe.epochs})
    assert [s.epochs for s in doubled.stages] == [2 * s.epochs for s in recipe.stages]
    assert recipe.changed({"epochs": 1}).stages == ()


def test_full_size_epochs_that_take_the_place_of_stages_cost_no_more():
    recipe = load_assignment(DEFAULT_ASSIGNMENT).recipe
    both = recipe.at_full_size({16, 24}, 32)
    # 5 / 4 + 6 * 9 / 16 of an epoch are 4.625; 5 are at full size anyway.
    assert (both.epochs, both.stages) == (9, ())
    one = recipe.at_full_size({16}, 32)
    assert (one.epochs, [stage.size_px for stage in one.stages]) == (12, [24])
    assert recipe.at_full_size({}, 32) == recipe
    assert both.changed({}) == both


def test_stages_that_are_given_are_taken_as_they_are():
    recipe = load_assignment(DEFAULT_ASSIGNMENT).recipe
    changed = recipe.changed({"epochs": 3, "stages": [{"epochs": 1, "size_px": 8}]})
    assert [(s.epochs, s.size_px) for s in changed.stages] == [(1, 8)]


def test_a_training_that_says_its_precision_follows_a_recipe_that_leaves_it_open():
    recipe = load_assignment(DEFAULT_ASSIGNMENT).recipe
    ran = recipe.model_dump(mode="json") | {"precision": "bfloat16"}
    assert recipe.precision == "auto"
    assert recipe.differences(ran) == ()
    assert recipe.changed({"precision": "float32"}).differences(ran) == ("precision",)
    assert recipe.differences(ran | {"lr": 1.0, "precision": "auto"}) == ("lr",)
    assert recipe.differences(ran | {"precision": "float8"}) == ("precision",)
