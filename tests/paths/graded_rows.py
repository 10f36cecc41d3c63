"""Rows of students whose grade was computed from the reference submission."""

import shutil
from functools import cache
from pathlib import Path

from checkout import REPOSITORY

from harness.assignment.spec import AssignmentSpec
from harness.base.files import write_text
from harness.cohort.graders.cached import Intake, Taken, loads_of, probes_of
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.models import CACHED, Row
from harness.graph.evidence import Evidence
from harness.graph.receptive_field.agreement import Extents
from harness.loader.protocol import ARCHITECTURE, WEIGHTS
from harness.pipeline.judging import judge
from harness.pipeline.recording import Graded, GradedVariant
from harness.pipeline.recording import record as record_of
from harness.pipeline.task import Settings, Task
from harness.pipeline.training import Trained
from harness.record.findings import Problem
from harness.record.record import Record, VariantRecord, load_record, to_json
from harness.rules.judging import judge_trainings
from harness.sources.submission import open_submission
from harness.training.events import Probe

REFERENCE = REPOSITORY / "submission"
BASE = REFERENCE / "results" / "base_model"
PROBE = Probe(
    accuracy_running=0.1, accuracy_batch=0.1, repeat_difference=0.0,
    batch_difference=1e-7, finite=True, extents=Extents(reason="not measured in a test"), evidence=Evidence(),
)  # fmt: skip


def graded_row(
    place: Path,
    assignment: AssignmentSpec,
    student: str = "ada",
    *,
    full: bool = True,
    problem: str = "",
    config: GradingConfig | None = None,
) -> Row:
    """Grade under the shipped assignment, with files below `place`; `full`: with the reference's training."""
    config = config or GradingConfig(assignment, seed=1)
    folder = place / "artefacts" / student
    (folder / "basic").mkdir(parents=True)
    graph_sha256 = _reference().graph_sha256
    taken = Taken(class_name="Net", folder="basic", recipe={}, graph_sha256=graph_sha256, probe=PROBE)
    if problem:
        told = Problem(cause="student", message=problem)
        taken = Taken(class_name="", folder="basic", recipe={}, graph_sha256=None, problem=told)
    else:
        for name in (ARCHITECTURE, WEIGHTS):
            shutil.copyfile(BASE / name, folder / "basic" / name)
    intake = Intake(seed=config.seed, backend="lock", variants={"basic": taken})
    write_text(folder / CACHED, intake.model_dump_json(by_alias=True))
    found = _judged(intake, folder, config, full=full)
    write_text(folder / "scorecard.json", to_json(found))
    return Row(
        student=student, source=f"{student}.zip", submitted_at=None, state="graded", key="k",
        record=found, folder=folder, sources=REFERENCE, stage="full" if full else "rules",
    )  # fmt: skip


@cache
def _reference() -> VariantRecord:
    return load_record(REFERENCE / "results" / "scorecard.json").variants["basic"]


def _judged(intake: Intake, folder: Path, config: GradingConfig, *, full: bool) -> Record:
    """Judge what was taken in; once in a run, for nothing of a record depends on the student."""
    key = (intake.model_dump_json(), config.assignment_sha256, config.seed, full)
    if key not in _JUDGED:
        submission = open_submission(REFERENCE, config.assignment, variants=["basic"])
        settings = Settings(out=folder, seed=config.seed)
        task = Task(submission, config.assignment, settings, lambda _: loads_of(intake, folder))
        (probed,) = probes_of(intake, task.source(task)).values()
        trainings, rules = _reference().trainings, config.assignment.rules_for("basic")
        trained = Trained(trainings, judge_trainings(trainings, rules)) if full else None
        basic = GradedVariant(judge(task, "basic", probed), full=full, trained=trained)
        _JUDGED[key] = record_of(task, Graded("", {"basic": basic}))
    return _JUDGED[key]


_JUDGED: dict[tuple[object, ...], Record] = {}
