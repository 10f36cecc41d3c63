"""harness.toml is found upwards and outdone by what is said nearer; its mistakes are named with the key."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.assignment.spec import DEFAULT_ASSIGNMENT
from harness.base.errors import UsageError
from harness.cli.app import app
from harness.cli.cohort_store import assignment_for
from harness.cli.defaults import VARIABLES, defaults_file, take_defaults
from harness.cli.options import default_assignment


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course's folder with a week's in it, which is the working directory, and no variable set."""
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, "")
    (tmp_path / "images").mkdir()
    (tmp_path / "week").mkdir()
    monkeypatch.chdir(tmp_path / "week")
    return tmp_path


def write(folder: Path, *lines: str) -> Path:
    file = folder / "harness.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_without_a_file_nothing_is_set_and_the_shipped_assignment_counts(course):
    assert defaults_file() is None
    take_defaults()
    assert not os.environ["HARNESS_STORE"]
    assert default_assignment() == DEFAULT_ASSIGNMENT


def test_the_nearest_file_upwards_counts(course):
    above = write(course)
    assert defaults_file() == above
    here = write(course / "week")
    assert defaults_file() == here


def test_paths_are_those_of_the_file_and_addresses_and_ids_stay(course):
    write(course, 'assignment = "mnist-8k"', 'data = "images"', 'store = "a.db"', 'results = "out"')
    take_defaults()
    assert default_assignment() == DEFAULT_ASSIGNMENT.with_name("mnist-8k.toml")
    assert os.environ["HARNESS_DATA"] == str(course / "images")
    assert os.environ["HARNESS_STORE"] == str(course / "a.db")
    assert os.environ["HARNESS_RESULTS"] == str(course / "out")


def test_an_address_of_a_store_stays_as_it_is(course):
    write(course, 'store = "postgresql://grader@db/class"')
    take_defaults()
    assert os.environ["HARNESS_STORE"] == "postgresql://grader@db/class"


def test_an_assignment_beside_the_file_is_meant_by_its_path(course):
    own = course / "own.toml"
    own.write_text(DEFAULT_ASSIGNMENT.read_text())
    write(course, 'assignment = "own.toml"')
    take_defaults()
    assert default_assignment() == own


def test_a_variable_outdoes_the_file(course, monkeypatch):
    monkeypatch.setenv("HARNESS_STORE", "mine.db")
    monkeypatch.setenv("HARNESS_ASSIGNMENT", "mnist-20k")
    write(course, 'store = "a.db"', 'assignment = "mnist-8k"')
    take_defaults()
    assert os.environ["HARNESS_STORE"] == "mine.db"
    assert default_assignment().stem == "mnist-20k"


def test_an_option_outdoes_the_file_and_the_file_what_is_built_in(course):
    write(course, 'store = "a.db"', 'results = "out"')
    named = CliRunner().invoke(app, ["cohort", "failures", "--store", "named.db"])
    assert "named.db" in str(named.exception)
    taken = CliRunner().invoke(app, ["cohort", "failures"])
    assert str(course / "a.db") in str(taken.exception)


def test_a_class_takes_the_assignment_of_the_file_for_a_new_store(course):
    write(course, 'assignment = "mnist-8k"')
    take_defaults()
    assert assignment_for(None, "new.db", None).id == "mnist-8k"


def test_a_command_that_uses_the_file_names_it_and_a_quiet_one_does_not(course):
    file = write(course, 'store = "a.db"')
    assert f"defaults: {file}\n" in CliRunner().invoke(app, ["cohort", "failures"]).stderr
    assert "defaults" not in CliRunner().invoke(app, ["cohort", "failures", "-q"]).stderr
    assert "defaults" not in CliRunner().invoke(app, ["explain", "dilation"]).stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('stor = "a.db"', "stor: no such key. Did you mean 'store'?"),
        ('colour = "red"', "colour: no such key. Known keys: assignment, data, results, store."),
        ("data = 3", "data: expected text in quotes, got 3."),
        ('store = ""', "store: expected text in quotes, got ''."),
        (
            'data = "none"',
            "data: none: no such folder. Name the folder that holds the data, relative to this",
        ),
        ('assignment = "mnist"', "assignment: assignment mnist: no such file, and no assignment of this id"),
        ('assignment = "none.toml"', "assignment: none.toml: no such file. Name one relative to this file"),
        ("store = ", "not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_the_file_and_the_key(course, line, said):
    file = write(course, line)
    with pytest.raises(UsageError) as refused:
        take_defaults()
    assert str(refused.value).startswith(f"{file}: {said}")


def test_all_mistakes_are_named_at_once(course):
    write(course, "data = 3", "store = 4")
    with pytest.raises(UsageError) as refused:
        take_defaults()
    assert len(str(refused.value).splitlines()) == 2


def test_a_file_that_is_not_readable_text_is_said(course):
    file = course / "harness.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError) as refused:
        take_defaults()
    assert str(refused.value).startswith(f"{file}: ")
