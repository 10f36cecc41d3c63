"""The commands for who writes an assignment."""

import pytest
from PIL import Image
from typer.testing import CliRunner

from harness.assignment.spec import load_assignment
from harness.base.errors import AssignmentError, UsageError
from harness.cli.app import app

TEN_MISTAKES = """
schema_version = 3
id = "My assignment"
sed = 1
default_variant = "basics"
data = { dataset = "mnst" }
[rules.max_parameters]
below = "20k"
[rules.no_maxpool]
[rules.min_accuracy]
at_least = 85
points = 12.5
[recipe]
epochs = 10
batch_size = 1
lr = 0.1
augmentation = [{ name = "HorizontlFlip", p = 50 }]
[overrides]
epochs = { min = 30, max = 1 }
[variants.basic]
title = "one"
rules = { dilation = false }
"""


def run(*args, code=0):
    """Run a command in this process; an error of the harness is raised."""
    done = CliRunner().invoke(app, ["assignment", *map(str, args)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def test_the_list_names_the_shipped_assignments():
    assert "cifar10-compact-cnn" in run("list")


def test_a_new_assignment_says_which_two_commands_come_next(tmp_path):
    said = run("new", tmp_path / "mine", "--dataset", "mnist")
    file, reference = tmp_path / "mine" / "mine.toml", tmp_path / "mine" / "mine"
    assert f"harness assignment check {file}" in said
    assert f"harness grade {reference} --assignment {file}" in said


def test_an_assignment_for_own_images_says_where_they_are(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for shade in range(10):
            Image.new("RGB", (16, 16), (shade, 0, 0)).save(tmp_path / "pets" / name / f"{shade}.png")
    assert f"--data {tmp_path}" in run("new", tmp_path / "mine", "--folder", tmp_path / "pets")
    assert load_assignment(tmp_path / "mine" / "mine.toml").data.class_names == ("cat", "dog")


def test_only_one_thing_to_begin_with_can_be_named(tmp_path):
    with pytest.raises(UsageError, match="expected one of them, got more"):
        run("new", tmp_path, "--dataset", "mnist", "--from", "cifar10-compact-cnn")


def test_every_mistake_of_a_file_is_named_at_once(tmp_path):
    (tmp_path / "mine.toml").write_text(TEN_MISTAKES)
    with pytest.raises(AssignmentError) as caught:
        run("check", tmp_path / "mine.toml")
    said = str(caught.value)
    for mistake in (
        "schema_version: expected 2, got 3.",
        "id: expected small letters, digits and hyphens",
        "title: missing; a value is required.",
        "sed: unknown key. Did you mean 'seed'?",
        "default_variant: no variant 'basics'. Did you mean 'basic'?",
        "data.dataset: unknown data set 'mnst' (Did you mean 'mnist'?)",
        "rules.max_parameters.below: expected a whole number, got '20k'.",
        "rules.no_maxpool: unknown rule no_maxpool. Did you mean 'no_max_pool'?",
        "rules.min_accuracy.at_least: expected a share from 0 to 1, got 85; write 0.85.",
        "rules.min_accuracy.points: expected a whole number, got 12.5.",
        "recipe.batch_size: expected at least 2, got 1.",
        "did you mean 'HorizontalFlip'?",
        "recipe.augmentation.0.p: expected a share from 0 to 1, got 50; write 0.5.",
        "overrides.epochs: expected min up to max, got min 30 and max 1.",
        "variants.basic.rules.dilation: [rules] has no dilation to switch off.",
    ):
        assert mistake in said
    assert len(said.splitlines()) == 15


@pytest.mark.slow
def test_the_trial_of_an_assignment_is_shown_and_decides_the_exit_code(tmp_path, elsewhere):
    run("new", tmp_path / "mine", "--dataset", "mnist")
    file = tmp_path / "mine" / "mine.toml"
    file.write_text(file.read_text().replace("below = 110_000", "below = 100"))
    said = run("check", file, code=1)
    assert "not ready: 1 to correct" in said


def test_the_schema_is_printed():
    assert '"$schema"' in run("schema")
