"""The commands for who writes an assignment."""

import pytest
from PIL import Image
from typer.testing import CliRunner

from harness.assignment import load_assignment
from harness.cli import app
from harness.errors import UsageError


def run(*args):
    """Run a command in this process; an error of the harness is raised."""
    done = CliRunner().invoke(app, ["assignment", *map(str, args)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
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
