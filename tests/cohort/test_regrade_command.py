"""`harness cohort regrade`: the difference is shown, and entered when it is asked for."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from graded_rows import REFERENCE, graded_row
from sqlalchemy import update
from typer.testing import CliRunner

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.base.errors import UsageError
from harness.cli.app import app
from harness.cohort.ingest import ingest
from harness.cohort.platforms.roster import Listed
from harness.cohort.regrading import apply, regrade_class
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.models import CACHED, Row
from harness.cohort.store.objects import tree_sha256
from harness.cohort.store.queries import rows
from harness.cohort.store.repository import enter as enter_submission
from harness.cohort.store.repository import enter_config, grade_row
from harness.cohort.store.schema import SubmissionTable, TaskTable
from harness.cohort.store.store import opened_store
from harness.cohort.table import seconds
from harness.graph.ir import Architecture
from harness.loader.protocol import ARCHITECTURE, WEIGHTS
from harness.record.record import load_record


@pytest.fixture
def graded(tmp_path, assignment) -> Callable[..., Row]:
    """Give a row graded under the shipped assignment; `full`: with the reference's training."""
    return partial(graded_row, tmp_path, assignment)


@pytest.fixture
def stored(tmp_path, graded, assignment):
    """Give what fills a store with students graded under the shipped assignment; gives its path."""

    def made(*students: str, **settings: object):
        path = tmp_path / "cohort.db"
        config = GradingConfig(assignment, seed=1)
        with opened_store(str(path)) as store:
            enter_config(store, config)
            for student in students:
                row = graded(student, **settings)
                submission = tmp_path / "submissions" / student
                submission.mkdir(parents=True)
                shutil.copyfile(REFERENCE / "model.py", submission / "model.py")
                (submission / "name.txt").write_text(student)
                handed_in = ingest(Listed(student, str(submission), student), config, store.objects)
                key = enter_submission(store, handed_in, config)
                folder = store.objects.adopt(row.folder)
                stage = "trained" if row.stage == "full" else "judged"
                with store.writing() as session:
                    session.add(grade_row(key, 0, row.stage, "graded", row.record, folder, "me@here:1", 60.0))
                    session.get_one(TaskTable, key).stage = stage
        return path

    return made


@pytest.fixture
def toml(tmp_path):
    """Write the shipped assignment with changes in its text."""

    def made(*changes: tuple[str, str]):
        text = DEFAULT_ASSIGNMENT.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "new.toml"
        path.write_text(text)
        return path

    return made


def command(store, assignment, *options, name="regrade"):
    return CliRunner().invoke(
        app, ["cohort", name, "--store", str(store), "--assignment", str(assignment), *options]
    )


HIGHER = ("at_least = 0.85", "at_least = 0.90")


def test_the_command_shows_the_difference_and_changes_nothing(stored, toml):
    path = stored("ada", "bob")
    with opened_store(str(path)) as store:
        before = rows(store)
        answer = command(path, toml(HIGHER))
        assert answer.exit_code == 0, answer.output
        assert rows(store) == before
    assert "ada: passed, 100 of 100 points → failed, 75 of 100 points\n" in answer.stdout
    assert "  basic: min_accuracy passed" in answer.stdout
    assert (
        "2 students: 2 grades change, 0 stay, 0 need training, 0 could not be judged again" in answer.stdout
    )
    assert "Nothing was changed." in answer.stderr


def test_the_command_s_old_name_rejudge_does_the_same_and_is_not_listed(stored, toml):
    path, assignment = stored("ada"), toml(HIGHER)
    old, new = (command(path, assignment, name=name) for name in ("rejudge", "regrade"))
    assert (old.exit_code, old.stdout) == (0, new.stdout)
    listed = CliRunner().invoke(app, ["cohort", "--help"]).stdout
    assert "regrade" in listed
    assert "rejudge" not in listed


def test_with_apply_the_new_grade_counts_and_the_old_one_stays_in_the_history(stored, toml):
    path = stored("ada")
    with opened_store(str(path)) as store:
        (before,) = rows(store)
        kept = tree_sha256(before.folder)
        answer = command(path, toml(HIGHER), "--apply")
        assert answer.exit_code == 0, answer.output
        assert "Entered: 1 grades." in answer.stderr
        (after,) = rows(store)
    assert (before.record.verdict, after.record.verdict, after.state) == ("passed", "failed", "graded")
    assert [(entry.reason, entry.verdict) for entry in after.history] == [
        ("graded", "passed"),
        ("rejudged", "failed"),
    ]
    assert (after.seconds, seconds(after)) == (0.0, 60.0)
    assert tree_sha256(before.folder) == kept
    assert load_record(after.folder / "scorecard.json").verdict == "failed"
    assert load_record(before.folder / "scorecard.json").verdict == "passed"
    assert (after.folder / CACHED).is_file()


def test_applying_it_twice_enters_nothing_twice(stored, toml):
    path = stored("ada")
    new = toml(HIGHER)
    for _ in range(2):
        assert command(path, new, "--apply").exit_code == 0
    with opened_store(str(path)) as store:
        (row,) = rows(store)
    assert [entry.reason for entry in row.history] == ["graded", "rejudged"]


def test_grading_the_class_again_takes_the_regraded_grade_for_its_own(stored, toml, tmp_path):
    path, new = stored("ada"), toml(HIGHER)
    command(path, new, "--apply")
    config = GradingConfig(load_assignment(new), seed=1)
    with opened_store(str(path)) as store:
        (row,) = rows(store)
        listed = Listed("ada", str(tmp_path / "submissions" / "ada"), "ada")
        handed_in = ingest(listed, config, store.objects)
        assert config.key(handed_in.sources_sha256, handed_in.recipe_sha256) == row.key


def test_where_the_recipe_changed_the_rules_are_entered_and_the_training_is_left_to_grade(stored, toml):
    path = stored("ada")
    answer = command(path, toml(("label_smoothing = 0.0", "label_smoothing = 0.05")), "--apply")
    assert answer.exit_code == 0, answer.output
    assert "to be trained; harness cohort grade does that" in answer.stdout
    assert "ada: basic: the recipe has changed (label_smoothing 0.0 → 0.05)" in answer.stdout
    with opened_store(str(path)) as store:
        (row,) = rows(store)
        assert (row.stage, row.record.variants["basic"].full) == ("rules", False)
        assert store.write(lambda session: session.get_one(TaskTable, row.key).stage) == "judged"
    assert sorted(file.name for file in (row.folder / "basic").iterdir()) == [ARCHITECTURE, WEIGHTS]


def points(path) -> dict[str, tuple[str, int]]:
    with opened_store(str(path)) as store:
        return {row.student: (row.record.verdict, row.record.points) for row in rows(store) if row.record}


def test_two_assignments_in_turn_change_nothing_without_a_word(stored, toml):
    path, new = stored("ada", "bob"), toml(HIGHER)
    before = points(path)
    assert "2 grades change" in command(path, new, "--apply").stdout
    assert points(path) == {"ada": ("failed", 75), "bob": ("failed", 75)}
    back = command(path, DEFAULT_ASSIGNMENT, "--apply")
    assert "ada: failed, 75 of 100 points → passed, 100 of 100 points" in back.stdout
    assert "2 grades change, 0 stay" in back.stdout
    assert points(path) == before
    assert "0 grades change, 2 stay" in command(path, DEFAULT_ASSIGNMENT, "--apply").stdout


def test_a_grade_that_is_there_under_the_new_assignment_stands(stored, toml):
    path = stored("ada")
    with opened_store(str(path)) as store:
        (first,) = rows(store)
    command(path, toml(("label_smoothing = 0.0", "label_smoothing = 0.05")), "--apply")
    assert points(path) == {"ada": ("passed", 75)}
    answer = command(path, DEFAULT_ASSIGNMENT, "--apply")
    assert "ada: passed, 75 of 100 points, 25 open → passed, 100 of 100 points" in answer.stdout
    assert "0 need training" in answer.stdout
    with opened_store(str(path)) as store:
        (row,) = rows(store)
    assert (row.key, row.folder) == (first.key, first.folder)
    assert [entry.reason for entry in row.history] == ["graded", "rejudged"]


def test_who_has_no_grade_when_the_assignment_changes_is_graded_anew_and_not_lost(
    stored, toml, handed_in, assignment
):
    path = stored("ada")
    config = GradingConfig(assignment, seed=1)
    with opened_store(str(path)) as store:
        with store.objects.unfinished() as folder:
            (folder / "model.py").write_text("x = 1\n")
            sources = store.objects.adopt(folder)
        enter_submission(store, handed_in("gus", sources_sha256=sources), config)
        answer = command(path, toml(HIGHER), "--apply")
        assert "gus: graded anew by harness cohort grade: not graded yet" in answer.stdout
        assert "1 could not be judged again" in answer.stdout
        assert [(row.student, row.state) for row in rows(store)] == [("ada", "graded"), ("gus", "waiting")]


def test_who_answers_a_variant_that_is_no_more_is_told_so_by_the_next_grade(stored, tmp_path):
    path = stored("ada")
    text = DEFAULT_ASSIGNMENT.read_text().replace("basic", "plain")
    (tmp_path / "plain.toml").write_text(text)
    answer = command(path, tmp_path / "plain.toml", "--apply")
    assert "ada: graded anew by harness cohort grade: ada: answers variant 'basic'" in answer.stdout
    with opened_store(str(path)) as store:
        (ada,) = rows(store)
    assert (ada.state, ada.record) == ("waiting", None)


def test_a_change_of_what_lateness_costs_alone_is_shown(stored, toml, tmp_path):
    path = stored("ada")
    with opened_store(str(path)) as store, store.writing() as session:
        session.execute(update(SubmissionTable).values(submitted_at=datetime(2026, 5, 4, tzinfo=UTC)))
    late = "[policy]\ndue = 2026-05-03T12:00:00Z\nlate = { per_day_percent = 10 }\n\n[data]"
    answer = command(path, toml(("[data]", late)))
    assert (
        "ada: passed, 100 of 100 points → passed, 90 of 100 points (100 before lateness): "
        "due 2026-05-03 12:00 UTC; 1 day late, begun ones counted: 10 % off\n"
    ) in answer.stdout
    assert "1 grades change, 0 stay" in answer.stdout


def test_the_rules_alone_count_where_the_new_assignment_says_so(stored, toml):
    path = stored("ada")
    answer = command(path, toml(("[data]", "[policy]\nrules_only = true\n\n[data]")))
    assert "ada: passed, 100 of 100 points → passed, 75 of 75 points" in answer.stdout
    assert "0 need training" in answer.stdout


def test_a_variant_that_is_asked_for_now_and_was_not_handed_in_has_failed(stored, toml):
    path = stored("ada")
    answer = command(path, toml(("[data]", '[policy]\nvariants = "all"\n\n[data]')))
    assert "ada: passed, 100 of 100 points → failed, 100 of 200 points" in answer.stdout
    assert "dilated: not asked → not handed in, failed 0 of 100" in answer.stdout


def test_until_all_is_entered_the_old_assignment_counts(stored, toml, monkeypatch):
    path, new = stored("ada", "bob"), load_assignment(toml(HIGHER))
    before = points(path)
    config = GradingConfig(new, seed=1)
    with opened_store(str(path)) as store:
        found = list(regrade_class(rows(store), load_assignment(DEFAULT_ASSIGNMENT), config))
        shutil.rmtree(found[1].row.folder)
        with pytest.raises(OSError, match="No such file"):
            apply(store, found, config, "me@here:1")
    assert points(path) == before


@pytest.mark.slow
def test_a_rubric_change_parses_the_graph_of_a_grade_twice_at_most(stored, toml, monkeypatch):
    path, parsed = stored(*(f"student {i:03}" for i in range(20))), []
    parse = Architecture.model_validate_json
    monkeypatch.setattr(
        Architecture, "model_validate_json", lambda text, **k: parsed.append(1) or parse(text, **k)
    )
    assert "20 students: 20 grades change" in command(path, toml(HIGHER)).stdout
    assert len(parsed) <= 2 * 20


@pytest.mark.parametrize(
    ("store", "said"), [("none.db", "--store none.db: no such file; expected a store."), (None, "is empty")]
)
def test_a_store_without_a_class_is_named(store, said, stored, toml, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = command(store or stored(), toml())
    assert isinstance(answer.exception, UsageError)
    assert said in str(answer.exception)
