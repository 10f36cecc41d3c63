"""harness cohort grade, show, failures, retry: what they say, without grading anything."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cards import install
from typer.testing import CliRunner

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.cli import cohort_display
from harness.cli.app import app
from harness.cli.cohort_display import ClassDisplay, duration, show_again
from harness.cohort.runner import Again
from harness.cohort.store.current_assignment import switch_to
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.leases import Outcome, claim, finish
from harness.cohort.store.queries import Counts
from harness.cohort.store.repository import Ingested, enter, enter_config
from harness.cohort.store.store import opened_store
from harness.record.facts import Facts
from harness.record.findings import Finding
from harness.record.record import Record, VariantRecord, sealed


def record(verdict: str, cause: str | None = None) -> Record:
    finding = Finding(
        rule="dilation", status=verdict, cause=cause, expected="one", actual=f"what of {cause}", points=None
    )
    variant = VariantRecord(
        title="", class_name="Net", full=False, verdict=verdict, points=0, max_points=10, findings=(finding,),
        facts=Facts(),
    )  # fmt: skip
    return sealed(
        Record(
            assignment="a", assignment_title="", assignment_sha256="", submission_sha256="", verdict=verdict,
            points=0, max_points=10, variants={"basic": variant},
        )
    )  # fmt: skip


@pytest.fixture
def graded(tmp_path: Path) -> str:
    """Make a store in which ada passed, and bob and cem were not judged for different causes."""
    address = str(tmp_path / "cohort.db")
    config = GradingConfig(load_assignment(DEFAULT_ASSIGNMENT), seed=1)
    records = {
        "ada": record("passed"),
        "bob": record("not_judged", "student"),
        "cem": record("not_judged", "resource"),
    }
    with opened_store(address) as store:
        enter_config(store, config)
        for number, (student, one) in enumerate(records.items()):
            at = datetime(2026, 5, 4, 22, number, tzinfo=UTC)
            enter(store, Ingested(student, f"{student}.zip", at, f"{number:064}", "", "c" * 64), config)
            (work,) = claim(store, config.run_key, "rules", 1, "me@here:1/x/y", 60)
            assert finish(store, work, "me@here:1/x/y", Outcome(one, "f" * 64, 1.25))
    return address


@pytest.fixture
def harness():
    def run(*words: str):
        return CliRunner().invoke(app, ["cohort", *words])

    return run


@pytest.mark.parametrize("name", ["grade", "show", "failures", "retry"])
def test_the_help_of_every_command_shows_an_example(harness, name):
    assert f"Example: harness cohort {name}" in harness(name, "--help").output


def test_show_says_the_verdict_where_the_scorecard_is_and_the_history(harness, graded):
    said = harness("show", "ada", "--store", graded)
    assert said.exit_code == 0
    assert "ada: ada.zip, handed in 2026-05-04 22:00 UTC: passed" in said.output
    assert f"scorecard: {Path(graded).with_suffix('.files')}/ff/" in said.output
    assert (
        "graded by the rules alone: passed, 0 of 10 points; ada.zip handed in 2026-05-04 22:00;"
        in said.output
    )
    assert "by me@here:1 in 1.2 s" in said.output


def test_failures_are_listed_by_cause_and_only_the_student_s_own_are_an_end(harness, graded):
    said = harness("failures", "--store", graded)
    assert said.exit_code == 3
    assert "not judged: resource:\n  cem: dilation: what of resource" in said.output
    assert "not judged: student:\n  bob: dilation: what of student" in said.output
    assert "ada" not in said.output


def test_a_dry_run_says_what_would_be_done_and_makes_no_store(harness, tmp_path):
    (tmp_path / "class" / "ada").mkdir(parents=True)
    (tmp_path / "class" / "ada" / "model.py").write_text("x = 1\n")
    (tmp_path / "class" / "bob.zip").write_text("not a zip")
    (tmp_path / "roster.csv").write_text("Name\nada\nnie\n")
    said = harness(
        "grade", str(tmp_path / "class"), "--store", str(tmp_path / "new.db"), "--dry-run",
        "--roster", str(tmp_path / "roster.csv"),
    )  # fmt: skip
    assert said.exit_code == 0
    assert said.stdout.splitlines() == [
        "2 submissions",
        "rules: 1, for how long is not known: none has been graded in this store yet: ada",
        "training: at most 1, for how long is not known: none has been graded in this store yet: ada",
        "cannot be opened: bob: bob.zip: cannot be unpacked; expected an archive that is whole, got "
        "'File is not a zip file'. Pack the submission's files again.",
    ]
    assert said.stderr.splitlines() == [
        "note: taken for one entry a student: 2 submissions (--layout plain)",
        "note: handed in nothing: nie",
        "note: not in the list of the class: bob",
    ]
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("options", "visible", "said"),
    [
        (("--graders", "5"), "1", ["graders: 4 on NVIDIA A100-SXM4-40GB MIG 3g.20gb, "
                                   "1 on NVIDIA A100-SXM4-40GB MIG 1g.5gb+me"]),
        ((), "0", [f"graders: {len(os.sched_getaffinity(0))} on NVIDIA H100 80GB HBM3"]),
        (("--device", "cpu"), "0", []),
    ],
)  # fmt: skip
def test_a_dry_run_says_on_which_gpus_networks_would_be_trained(
    harness, tmp_path, monkeypatch, options, visible, said
):
    install(tmp_path, monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ada.py").write_text("x = 1\n")
    store = str(tmp_path / "new.db")
    found = harness("grade", str(tmp_path / "class"), "--store", store, "--dry-run", *options)
    assert found.stdout.splitlines()[3:] == said


def test_a_retry_says_who_is_graded_once_more_and_why_others_are_not(capsys):
    show_again(Again(("ada",), (("bob", "is running already"),)))
    assert capsys.readouterr().err.splitlines() == [
        "1 submissions are graded once more: ada", "left out: bob: is running already",
    ]  # fmt: skip


def test_students_who_are_graded_are_named_with_the_next_line(capsys, monkeypatch):
    monkeypatch.setattr(cohort_display, "LINE_S", 0.0)
    with ClassDisplay() as display:
        display.stage("rules", Counts({"rules": 9}, {}, {}, 0))
        for number in range(9):
            display.graded(f"s{number}", "passed")
        display.stage("rules", Counts({}, {}, {"passed": 9}, 9))
        display.stage("rules", Counts({}, {}, {"passed": 9}, 10))
    lines = capsys.readouterr().err.splitlines()
    named = ", ".join(f"s{number} passed" for number in range(1, 9))
    assert lines[1].endswith(f"9 passed; just graded: {named} and 1 more")
    assert "just graded" not in lines[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["grade", "nowhere"],
            "nowhere: expected a folder of submissions, a platform's .zip file of all, or a .csv file, got",
        ),
        (
            ["grade", ".", "--variant", "large"],
            "--variant large: not in assignment cifar10-compact-cnn;",
        ),
        (["show", "ada", "--store", "none.db"], "none.db: no such file; expected a store. Make one with"),
        (["failures", "--store", "none.db"], "none.db: no such file; expected a store"),
        (
            ["retry", "--cause", "weather"],
            "--cause weather: expected one of infrastructure",
        ),
    ],
)
def test_bad_usage_says_what_was_expected(harness, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = harness(*words)
    assert message in str(said.exception)
    assert not list(tmp_path.iterdir())


def test_what_another_version_has_graded_is_not_retried(harness, graded):
    old = GradingConfig(load_assignment(DEFAULT_ASSIGNMENT), seed=1, harness_version="0.0.1")
    with opened_store(graded) as store:
        enter_config(store, old)
        enter(store, Ingested("ada", "ada.zip", None, "e" * 64, "", "c" * 64), old)
    said = harness("retry", "--cause", "resource", "--store", graded)
    assert "graded by harness 0.0.1; expected" in str(said.exception)


def test_a_student_who_is_not_there_is_said(harness, graded):
    assert "eda: not in this store. Did you mean 'ada'?" in str(
        harness("show", "eda", "--store", graded).exception
    )


@pytest.mark.parametrize("written", ["ada", "ADA", "a", "Ad"])
def test_a_name_is_found_in_any_letters_and_by_how_no_other_begins(harness, graded, written):
    assert harness("show", written, "--store", graded).output.startswith("ada: ada.zip")


def test_a_beginning_that_several_have_names_them_and_a_whole_name_is_no_beginning(harness, graded):
    with opened_store(graded) as store:
        config = GradingConfig(load_assignment(DEFAULT_ASSIGNMENT), seed=1)
        for number, name in enumerate(("Ada Byron", "adam")):
            enter(store, Ingested(name, "x.zip", None, f"{number + 7:064}", "", "c" * 64), config)
    assert "ad: could be 3 students (Ada Byron, ada, adam). Write more of the name." in str(
        harness("show", "ad", "--store", graded).exception
    )
    assert harness("show", "ada", "--store", graded).output.startswith("ada: ada.zip")
    assert harness("show", "ADAM", "--store", graded).output.startswith("adam: x.zip: waiting")


def test_a_student_of_an_earlier_assignment_alone_is_said(harness, graded):
    other = load_assignment(DEFAULT_ASSIGNMENT).model_copy(update={"id": "other"})
    with opened_store(graded) as store:
        enter_config(store, config := GradingConfig(other, seed=1))
        enter(store, Ingested("dan", "dan.zip", None, "e" * 64, "", "c" * 64), config)
        switch_to(store, config.assignment_sha256)
    assert "ada: handed in nothing under this assignment; expected who did." in str(
        harness("show", "ada", "--store", graded).exception
    )


def test_show_loads_neither_torch_nor_what_draws(graded):
    script = (
        "import sys; from harness.cli.app import app; app(sys.argv[1:], standalone_mode=False); "
        "print(sorted({'torch', 'matplotlib', 'numpy', 'harness.pipeline.grade'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script, "cohort", "show", "ada", "--store", graded],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.splitlines()[-1] == "[]"


def test_without_a_terminal_a_stage_begins_with_a_line_and_goes_on_now_and_then(capsys):
    display = ClassDisplay()
    with display:
        display.handed_in(1, 2)
        display.handed_in(2, 2)
        for graded in range(3):
            display.graded("ada", "not_judged")
            display.stage("rules", Counts({"rules": 2 - graded}, {}, {"not_judged": graded}, graded))
    assert capsys.readouterr().err.splitlines() == [
        "ingested: 2 submissions",
        "rules: 2 left; 0 not judged; just graded: ada not judged",
    ]


def test_without_a_terminal_what_has_not_changed_is_not_said_over_and_over(capsys, monkeypatch):
    monkeypatch.setattr(cohort_display, "LINE_S", 0.0)
    display = ClassDisplay()
    with display:
        for _ in range(3):
            display.stage("training", Counts({"training": 1}, {}, {"passed": 1}, 1))
        display.stage("training", Counts({}, {}, {"passed": 1}, 2))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training: 1 left; 1 passed"
    assert lines[1].startswith("training: 0 left, ")
    assert lines[1].endswith(" a minute, about 0 s left; 1 passed")
    assert len(lines) == 2


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (700, "12 min"), (12_600, "3.5 h")])
def test_a_duration_is_written_for_people(seconds, text):
    assert duration(seconds) == text
