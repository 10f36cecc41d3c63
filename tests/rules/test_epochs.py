def test_the_epochs_of_the_recipe_are_counted(basic, by_rule):
    finding = by_rule("epochs", basic(), at_most=30)
    assert (finding.status, finding.expected, finding.actual) == ("passed", "at most 30 epochs", "24 epochs")


def test_help_names_the_nearest_number(basic, by_rule):
    architecture = basic()
    many = by_rule("epochs", architecture, recipe={"epochs": 30}, at_least=10, at_most=20)
    assert (many.status, many.help) == ("failed", "Set recipe.epochs in submission.toml to 20.")
    few = by_rule("epochs", architecture, recipe={"epochs": 5}, at_least=10, at_most=20)
    assert few.help == "Set recipe.epochs in submission.toml to 10."
