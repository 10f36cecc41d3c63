"""harness cohort table: a store in, files or standard output out."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from harness.assignment.points import named
from harness.assignment.spec import DEFAULT_ASSIGNMENT
from harness.base.errors import UsageError
from harness.base.files import write_text
from harness.cli.app import app
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.repository import enter, enter_config, grade_row
from harness.cohort.store.schema import TaskTable
from harness.cohort.store.store import opened_store


@pytest.fixture
def stored(tmp_path, config, handed_in, row):
    """A store with ada, who passed, and bob, whom nobody has graded; gives its path."""
    path = tmp_path / "cohort.db"
    with opened_store(str(path)) as store:
        enter_config(store, config)
        for name in ("ada", "bob"):
            key = enter(store, handed_in(name, sources_sha256=name[0] * 64), config)
            if name == "ada":
                with store.objects.unfinished() as folder:
                    write_text(folder / "scorecard.html", "<title>ada</title>")
                    sha256 = store.objects.adopt(folder)
                with store.writing() as session:
                    graded = row("ada").record
                    session.add(grade_row(key, 0, "full", "graded", graded, sha256, "me", 2.0))
                    session.get_one(TaskTable, key).stage = "trained"
    return path


def table(*options):
    return CliRunner().invoke(app, ["cohort", "table", *map(str, options)])


def test_every_format_is_written_to_the_folder(stored, tmp_path):
    out = tmp_path / "out"
    answer = table("--store", stored, "--out", out, "--format", "md,csv,html,json,canvas,moodle")
    assert answer.exit_code == 0
    assert sorted(file.name for file in out.iterdir()) == [
        "canvas.csv", "moodle.csv", "table.csv", "table.html", "table.json", "table.md",
    ]  # fmt: skip
    (line, _) = json.loads((out / "table.json").read_text())["rows"]
    assert (line["student"], line["points"], line["seconds"]) == ("ada", 100, 2.0)
    assert (out / line["scorecard"]).read_text() == "<title>ada</title>"


def test_one_format_goes_to_standard_output(stored):
    answer = table("--store", stored, "--out", "-", "--format", "csv")
    assert [line["student"] for line in csv.DictReader(io.StringIO(answer.stdout))] == ["ada", "bob"]


def test_who_is_in_no_gradebook_file_is_told(stored, tmp_path):
    answer = table("--store", stored, "--out", tmp_path, "--format", "moodle")
    assert "no final total, so in no gradebook file: bob" in answer.stderr


def test_the_platform_s_list_is_filled_and_remembered(stored, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text("name;points\nada;\nnie;\n", encoding="utf-16")
    out = tmp_path / "out"
    answer = table("--store", stored, "--out", out, "--format", "roster,md,html", "--roster", roster)
    assert answer.exit_code == 0
    assert (out / "roster.csv").read_text() == "name,points\nada,100\nnie,\n"
    assert "no final total, so in no gradebook file: bob: not graded yet\n" in answer.stderr
    assert "note: handed in nothing: nie\nnote: not in the list of the class: bob\n" in answer.stderr
    assert "nothing handed in" in (out / "table.md").read_text()
    assert "nothing handed in" in (out / "table.html").read_text()
    again = table("--store", stored, "--out", "-", "--format", "roster")
    assert again.stdout.splitlines() == ["name,points", "ada,100", "nie,"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "cvs"], "--format cvs: no such format. Did you mean 'csv'?"),
        (
            ["--format", ","],
            "--format: expected at least one of md, csv, html, json, canvas, moodle, roster, got none.",
        ),
        (["--format", "md,csv", "--out", "-"], "--out -: expected one format, got 2. Name a folder, or one"),
        (["--store", "none.db"], "--store none.db: no such file; expected a store."),
        (["--format", "roster"], "--format roster: no list of the class; expected the platform's CSV file."),
    ],
)
def test_a_mistake_is_named(stored, options, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = table("--store", stored, *options)
    assert isinstance(answer.exception, UsageError)
    assert said in str(answer.exception)


def test_an_assignment_that_nobody_was_graded_under_is_named(stored, config, tmp_path, assignment):
    other = GradingConfig(assignment.model_copy(update={"seed": assignment.seed + 1}), seed=1)
    file = tmp_path / "other.toml"
    source = DEFAULT_ASSIGNMENT.read_text()
    file.write_text(source.replace(f"seed = {assignment.seed}", f"seed = {assignment.seed + 1}", 1))
    answer = table("--store", stored, "--assignment", file)
    assert isinstance(answer.exception, UsageError)
    assert str(answer.exception) == (
        f"assignment {other.assignment_sha256[:8]}: not in this store; expected one that was graded under "
        f"({named(assignment)})."
    )
