"""A folder of results as the source of a grade: the graphs and initial weights beside a record."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from harness.assignment.spec import AssignmentSpec
from harness.base.errors import UsageError
from harness.base.tables import validate
from harness.graph.ir import MAX_JSON_BYTES, parse_architecture
from harness.loader.client import Loaded, LoadFailure
from harness.loader.protocol import ARCHITECTURE, WEIGHTS
from harness.pipeline.task import Listener, Loads, Settings, Task
from harness.record.record import Record
from harness.report.folders import variant_folders
from harness.settings.recipe import RecipeChanges, RecipeOverride
from harness.sources.requested import Requested
from harness.sources.submission import Answered, Submission

ADVICE = "Copy the whole results folder, or reproduce the record where it was made."


def task_of_record(
    record: Record, beside: Path, assignment: AssignmentSpec, settings: Settings, listen: Listener
) -> Task:
    """Set up the task of grading a record once more, from the folders `beside` it.

    Of `settings`, the seed, the device and whether the data is the embedded set are taken from the record.
    The source raises UsageError where a file is missing or is not the one that was graded.
    """
    folders = variant_folders(record, beside)
    answered = {
        name: Answered(
            Requested(file=beside, class_name=variant.class_name),
            folders[name].name,
            _override(record, name),
        )
        for name, variant in record.variants.items()
        if not variant.is_missing
    }
    missing = tuple(name for name in record.variants if name not in answered)
    same = replace(settings, self_check=record.self_check)
    for training in (training for variant in record.variants.values() for training in variant.trainings[:1]):
        data = "mini" if training.data.name == "mini" else settings.data
        device: Literal["cpu", "cuda"] = "cuda" if training.device == "cuda" else "cpu"
        same = replace(same, seed=training.seed, device=device, data=data)
    submission = Submission(beside, record.submission_sha256, answered, missing=missing)

    def source(asked: Task) -> Loads:
        below = "" if asked.seed == task.seed else f"seed_{asked.seed}"
        most_mib = assignment.limits.intake_output_mib
        return Loads(
            "",
            {
                name: _from_results(record, name, folders[name] / below, most_mib)
                for name in asked.submission.variants
            },
        )

    task = Task(submission, assignment, same, source, listen)
    return _in_its_precision(task, record)


# Private functions


def _from_results(record: Record, name: str, folder: Path, most_mib: int) -> Loaded | LoadFailure:
    """Load what lies beside the record; a variant that could not be loaded stays so."""
    variant = record.variants[name]
    if (problem := variant.problem) is not None:
        return LoadFailure(
            variant.class_name, problem.ending, problem.cause, problem.message, problem.traceback, ""
        )
    graph = _read(folder / ARCHITECTURE, MAX_JSON_BYTES)
    found = hashlib.sha256(graph).hexdigest()
    if found != variant.graph_sha256:
        raise UsageError(
            f"{folder / ARCHITECTURE}: not the graph that was graded; expected SHA-256 "
            f"{variant.graph_sha256}, got {found}. {ADVICE}"
        )
    _read(folder / WEIGHTS, most_mib * 2**20)
    return Loaded(
        class_name=variant.class_name,
        architecture=parse_architecture(graph),
        text=graph.decode(),
        weights=folder / WEIGHTS,
        summary=variant.summary,
        output="",
        seeds_differ=_intake(record, name).get("seeds_differ") is not False,
        notes=variant.taken_in,
        lines=_intake(record, name).get("lines") or {},
    )


def _read(path: Path, most_bytes: int) -> bytes:
    if not path.is_file():
        raise UsageError(f"{path}: missing; expected what was graded, beside its record. {ADVICE}")
    if (size := path.stat().st_size) > most_bytes:
        raise UsageError(f"{path}: too large; expected at most {most_bytes:,} bytes, got {size:,}. {ADVICE}")
    return path.read_bytes()


def _intake(record: Record, name: str) -> Mapping[str, Any]:
    """Return what the record holds of a loaded variant; nothing, in an older record."""
    intake = record.provenance.get("intake")
    found = intake.get(name) if isinstance(intake, dict) else None
    return found if isinstance(found, dict) else {}


def _in_its_precision(task: Task, record: Record) -> Task:
    """Ask for the precision that each training ran in, where the recipe leaves it to the processor."""
    answered = dict(task.submission.variants)
    for name, loaded in task.source(task).variants.items():
        training = record.variants[name].training
        if training is None or not isinstance(loaded, Loaded):
            continue
        if task.recipe_of(name, loaded.architecture).precision == "auto":
            changes = answered[name].recipe.model_copy(update={"precision": training.recipe.get("precision")})
            answered[name] = replace(answered[name], recipe=changes)
    return replace(task, submission=replace(task.submission, variants=answered))


def _override(record: Record, name: str) -> RecipeChanges:
    """Find out what the manifest changed of the recipe; in an older record, from the recipe that ran."""
    training = record.variants[name].training
    override = _intake(record, name).get("recipe")
    if override is None and training is not None:
        override = {key: training.recipe.get(key) for key in RecipeOverride.model_fields}
    return validate(RecipeChanges, override or {}, f"provenance.intake.{name}.recipe")
