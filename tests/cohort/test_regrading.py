"""Another assignment over a graded class: judged from what is stored, nothing trained, nothing lost."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from checkout import REPOSITORY
from sqlalchemy import update
from typer.testing import CliRunner

from harness.assignment.spec import DEFAULT_ASSIGNMENT, AssignmentSpec, load_assignment, parse_assignment
from harness.base.errors import HarnessError, UsageError
from harness.base.files import write_text
from harness.cli.app import app
from harness.cohort.graders.cached import Intake, Taken, load_intake, loads_of, probes_of
from harness.cohort.ingest import ingest
from harness.cohort.platforms.roster import Listed
from harness.cohort.regrading import NotRegraded, Regraded, apply, new_config, regrade, regrade_class
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.models import CACHED, Row
from harness.cohort.store.objects import tree_sha256
from harness.cohort.store.queries import rows
from harness.cohort.store.repository import enter as enter_submission
from harness.cohort.store.repository import enter_config, grade_row
from harness.cohort.store.schema import SubmissionTable, TaskTable
from harness.cohort.store.store import opened_store
from harness.cohort.table import seconds
from harness.graph.evidence import Evidence
from harness.graph.receptive_field.agreement import Extents
from harness.loader.protocol import ARCHITECTURE, WEIGHTS
from harness.pipeline.judging import judge
from harness.pipeline.recording import Graded, GradedVariant
from harness.pipeline.recording import record as record_of
from harness.pipeline.task import Settings, Task
from harness.pipeline.training import Trained
from harness.record.findings import Problem
from harness.record.record import Record, load_record, to_json
from harness.rules.judging import judge_trainings
from harness.sources.submission import open_submission
from harness.training.events import Probe

REFERENCE = REPOSITORY / "submission"
BASE = REFERENCE / "results" / "base_model"
PROBE = Probe(
    accuracy_running=0.1, accuracy_batch=0.1, repeat_difference=0.0,
    batch_difference=1e-7, finite=True, extents=Extents(reason="not measured in a test"), evidence=Evidence(),
)  # fmt: skip
ACCURACY = load_record(REFERENCE / "results" / "scorecard.json").variants["basic"].facts.accuracy
"""Of the reference's training."""


def changed(assignment: AssignmentSpec, **places: object) -> AssignmentSpec:
    """Change values of an assignment: ``rules__max_parameters__below=50_000``."""
    data = assignment.model_dump(mode="json", by_alias=True)
    for place, value in places.items():
        *path, last = place.split("__")
        table = data
        for key in path:
            table = table[key]
        table[last] = value
    return parse_assignment(data)


@pytest.fixture
def graded(tmp_path, assignment) -> Callable[..., Row]:
    """Give a row graded under the shipped assignment; `full`: with the reference's training."""

    def made(
        student: str = "ada", *, full: bool = True, problem: str = "", config: GradingConfig | None = None
    ) -> Row:
        config = config or GradingConfig(assignment, seed=1)
        folder = tmp_path / "artefacts" / student
        (folder / "basic").mkdir(parents=True)
        record = load_record(REFERENCE / "results" / "scorecard.json").variants["basic"]
        taken = Taken(
            class_name="Net", folder="basic", recipe={}, graph_sha256=record.graph_sha256, probe=PROBE
        )
        if problem:
            told = Problem(cause="student", message=problem)
            taken = Taken(class_name="", folder="basic", recipe={}, graph_sha256=None, problem=told)
        else:
            for name in (ARCHITECTURE, WEIGHTS):
                shutil.copyfile(BASE / name, folder / "basic" / name)
        intake = Intake(seed=config.seed, backend="lock", variants={"basic": taken})
        write_text(folder / CACHED, intake.model_dump_json(by_alias=True))
        submission = open_submission(REFERENCE, config.assignment, variants=["basic"])
        settings = Settings(out=folder, seed=config.seed)
        task = Task(submission, config.assignment, settings, lambda _: loads_of(intake, folder))
        (probed,) = probes_of(intake, task.source(task)).values()
        trainings, rules = record.trainings, config.assignment.rules_for("basic")
        trained = Trained(trainings, judge_trainings(trainings, rules)) if full else None
        basic = GradedVariant(judge(task, "basic", probed), full=full, trained=trained)
        found = record_of(task, Graded("", {"basic": basic}))
        write_text(folder / "scorecard.json", to_json(found))
        return Row(
            student=student, source=f"{student}.zip", submitted_at=None, state="graded", key="k",
            record=found, folder=folder, sources=REFERENCE, stage="full" if full else "rules",
        )  # fmt: skip

    return made


def test_what_an_older_harness_has_kept_is_read(graded):
    row = graded()
    file = row.folder / CACHED
    kept = json.loads(file.read_text())
    kept["variants"]["basic"]["probe"]["logits_shape"] = [500, 10]
    file.write_text(json.dumps(kept))
    assert load_intake(row.folder).variants["basic"].probe == PROBE


OTHER_POINTS = {"rules__dilation__points": 15, "rules__no_max_pool__points": 0}


def again(row: Row, **places: object) -> Regraded:
    before = load_assignment(DEFAULT_ASSIGNMENT)
    return regrade(row, before, GradingConfig(changed(before, **places), seed=1))


def statuses(record: Record) -> dict[str, str]:
    return {finding.rule: finding.status for finding in record.variants["basic"].findings}


@pytest.mark.parametrize("full", [True, False])
def test_under_the_same_assignment_the_result_is_the_same_to_the_byte(graded, full):
    row = graded(full=full)
    found = again(row)
    assert found.record.result_sha256 == row.record.result_sha256
    assert found.changes == ()
    assert bool(found.to_train) != full


def test_a_higher_line_fails_what_had_passed_without_training(graded):
    found = again(graded(), rules__min_accuracy__at_least=0.9)
    assert statuses(found.record)["min_accuracy"] == "failed"
    assert found.record.variants["basic"].facts.accuracy == ACCURACY
    most = found.record.variants["basic"].findings[-1].max_points
    assert found.changes == (f"basic: min_accuracy passed {most} of {most} → failed 0 of {most}",)
    assert found.to_train == ()
    assert found.line_moved


def test_a_line_inside_the_interval_asks_for_more_seeds(graded):
    found = again(graded(), rules__min_accuracy__at_least=ACCURACY)
    assert found.to_train == ("basic: too close to the line for 1 seed(s); 3 are needed",)
    assert "min_accuracy" not in statuses(found.record)


def test_other_points_change_the_total_alone(graded, assignment):
    row = graded()
    found = again(row, **OTHER_POINTS)
    assert (found.record.points, found.record.verdict) == (row.record.points, "passed")
    assert statuses(found.record) == statuses(row.record)
    assert [change.split()[1] for change in found.changes] == ["no_max_pool", "dilation"]
    assert not found.line_moved


def test_a_stricter_rule_is_judged_on_the_stored_graph(graded):
    found = again(graded(), rules__max_parameters__below=50_000)
    assert statuses(found.record)["max_parameters"] == "failed"
    assert (found.record.verdict, found.to_train) == ("failed", ())
    assert found.record.variants["basic"].training is not None


def test_another_recipe_asks_for_training_and_says_what_changed(graded, assignment):
    found = again(graded(), recipe__lr=assignment.recipe.lr / 2)
    (why,) = found.to_train
    assert why.startswith("basic: the recipe has changed (lr ")
    assert found.record.variants["basic"].training is None
    assert not found.record.variants["basic"].full


def test_another_tier_of_the_network_itself_alone_asks_for_training(graded, assignment):
    tiers = assignment.model_dump(mode="json")["recipe"]["tiers"]
    others = [one | {"epochs": 3, "stages": []} if one["up_to_mmacs"] != 16 else one for one in tiers]
    assert again(graded("ada"), recipe__tiers=others).to_train == ()
    (why,) = again(graded("eve"), recipe__tiers=[{"epochs": 3, "stages": []}]).to_train
    assert why.startswith("basic: the recipe has changed (epochs 16 → 3, stages ")


def test_another_recipe_asks_for_no_training_where_the_rules_fail(graded, assignment):
    found = again(graded(), recipe__lr=assignment.recipe.lr / 2, rules__max_parameters__below=50_000)
    assert (found.to_train, found.record.verdict) == ((), "failed")


def test_who_was_not_worth_training_and_now_is_has_to_be_trained(graded, assignment):
    strict = changed(assignment, rules__max_parameters__below=50_000)
    row = graded(full=False, config=GradingConfig(strict, seed=1))
    assert row.record.verdict == "failed"
    found = regrade(row, strict, GradingConfig(assignment, seed=1))
    assert found.record.verdict == "passed"
    assert found.to_train == ("basic: not trained yet",)


def test_what_could_not_be_taken_in_stays_so_at_the_new_points(graded, assignment):
    row = graded(full=False, problem="model.py:3: NameError")
    found = again(row, **OTHER_POINTS)
    assert found.record.verdict == "not_judged"
    assert found.record.variants["basic"].problem.message == "model.py:3: NameError"
    assert found.record.variants["basic"].findings[1].max_points == 0


def test_a_diverged_training_stays_failed_at_the_new_points(graded, assignment):
    row = graded()
    variant = row.record.variants["basic"]
    diverged = variant.findings[-1].model_copy(update={"status": "failed", "actual": "diverged", "points": 0})
    without = variant.model_copy(update={"training": None, "findings": (*variant.findings[:-1], diverged)})
    row = replace(row, record=row.record.model_copy(update={"variants": {"basic": without}}))
    found = again(row, rules__min_accuracy__points=35).record.variants["basic"].findings[-1]
    assert (found.status, found.actual, found.points) == ("failed", "diverged", 0)
    assert found.max_points == 35


def test_another_seed_is_refused_with_what_to_do(assignment, graded):
    with pytest.raises(UsageError, match="seed 2: the class was taken in and trained with seed 1"):
        new_config(GradingConfig(assignment, seed=1), changed(assignment, seed=2))
    assert new_config(GradingConfig(assignment, seed=7), changed(assignment, seed=2)).seed == 7
    with pytest.raises(HarnessError, match=r"ada: taken in with seed 1.*expected seed 1, got 7"):
        regrade(graded(), assignment, GradingConfig(assignment, seed=7))


def test_a_variant_that_the_assignment_does_not_have_any_more_is_named(assignment, graded):
    data = assignment.model_dump(mode="json", by_alias=True)
    del data["variants"]["basic"]
    only_dilated = parse_assignment({**data, "default_variant": "dilated"})
    with pytest.raises(HarnessError, match=r"ada: answers variant 'basic'.*expected one of dilated"):
        regrade(graded(), assignment, GradingConfig(only_dilated, seed=1))


def test_one_that_cannot_be_judged_again_leaves_the_others(assignment, graded):
    broken, fine, waiting = graded("bob"), graded("eve"), replace(graded("gus"), record=None)
    (broken.folder / CACHED).unlink()
    torn = graded("hal")
    (torn.folder / "basic" / ARCHITECTURE).write_text("{")
    found = list(regrade_class([broken, fine, torn, waiting], assignment, GradingConfig(assignment, seed=1)))
    assert [type(one) for one in found] == [NotRegraded, Regraded, NotRegraded, NotRegraded]
    assert f"{CACHED}: no such file" in found[0].why
    assert "architecture.json" in found[2].why
    assert found[3].why == "not graded yet"


# In a store


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
def test_a_rubric_change_over_200_grades_is_shown_in_ten_seconds(stored, toml):
    path = stored(*(f"student {i:03}" for i in range(200)))
    new = toml(HIGHER)
    started = time.process_time()
    answer = command(path, new)
    seconds = time.process_time() - started
    assert "200 students: 200 grades change" in answer.stdout
    assert seconds < 10


@pytest.mark.parametrize(
    ("store", "said"), [("none.db", "--store none.db: no such file; expected a store."), (None, "is empty")]
)
def test_a_store_without_a_class_is_named(store, said, stored, toml, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = command(store or stored(), toml())
    assert isinstance(answer.exception, UsageError)
    assert said in str(answer.exception)
