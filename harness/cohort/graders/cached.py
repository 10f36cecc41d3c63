"""The cache of a grade, beside its record: enough to judge it again without the submission or torch."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from harness.base.errors import UsageError
from harness.base.files import write_text
from harness.base.tables import Frozen
from harness.cohort.store.models import CACHED
from harness.graph.ir import parse_architecture
from harness.loader.client import Loaded, LoadFailure
from harness.loader.protocol import ARCHITECTURE, WEIGHTS
from harness.pipeline.judging import Judged
from harness.pipeline.probing import Probed, Probes
from harness.pipeline.recording import Graded
from harness.pipeline.task import Loads, Task
from harness.record.findings import Problem
from harness.settings.recipe import RecipeOverride
from harness.training.events import Probe

SCHEMA: Literal["harness/intake/1"] = "harness/intake/1"


class Taken(Frozen):
    """The facts of one variant before it is judged."""

    class_name: str
    folder: str
    """Name of the variant's folder beside this file, with its graph and initial weights."""
    recipe: RecipeOverride
    """What the submission changes of the assignment's recipe."""
    graph_sha256: str | None
    """None where it could not be taken in; `problem` says why."""
    problem: Problem | None = None
    summary: str = ""
    output: str = ""
    seeds_differ: bool = True
    notes: tuple[str, ...] = ()
    lines: dict[str, str] = Field(default_factory=dict)
    """Where its layers are constructed, by their paths."""
    probe: Probe | None = None
    not_run: str = ""
    """Why a network that was loaded could not be run."""

    @field_validator("probe", mode="before")
    @classmethod
    def _of_an_older_harness(cls, probe: Any) -> Any:
        """Remove what is no longer measured; a class keeps what it was graded from for years."""
        if not isinstance(probe, dict):
            return probe
        return {key: value for key, value in probe.items() if key != "logits_shape"}


class Intake(Frozen):
    """All variants of one submission."""

    schema_: Literal["harness/intake/1"] = Field(default=SCHEMA, alias="schema")
    seed: int
    backend: str
    """What held the submission's code."""
    variants: dict[str, Taken]


def keep(task: Task, graded: Graded, folder: Path) -> None:
    """Write what was loaded and probed to `folder`, where the variants' folders are."""
    taken = {name: _taken(task, name, one.judged) for name, one in graded.variants.items()}
    intake = Intake(seed=task.seed, backend=graded.backend, variants=taken)
    write_text(folder / CACHED, intake.model_dump_json(by_alias=True, indent=1) + "\n")


def load_intake(folder: Path) -> Intake:
    """Read what `keep` wrote.

    Raises:
        UsageError: there is no such file.
    """
    try:
        return Intake.model_validate_json((folder / CACHED).read_bytes())
    except FileNotFoundError:
        raise UsageError(
            f"{folder / CACHED}: no such file; expected what was graded, beside its record. "
            "Name the store's folder with --files."
        ) from None


def loads_of(intake: Intake, folder: Path) -> Loads:
    """Return the variants as they came out of the sandbox; `folder` is the artefact folder."""
    return Loads(intake.backend, {name: loaded_of(taken, folder) for name, taken in intake.variants.items()})


def loaded_of(taken: Taken, folder: Path) -> Loaded | LoadFailure:
    """Return one variant as it came out of the sandbox."""
    if (problem := taken.problem) is not None:
        return LoadFailure(
            taken.class_name, problem.ending, problem.cause, problem.message, problem.traceback, taken.output
        )
    text = (folder / taken.folder / ARCHITECTURE).read_bytes()
    return Loaded(
        class_name=taken.class_name,
        architecture=parse_architecture(text),
        text=text.decode(),
        weights=folder / taken.folder / WEIGHTS,
        summary=taken.summary,
        output=taken.output,
        seeds_differ=taken.seeds_differ,
        notes=taken.notes,
        lines=taken.lines,
    )


def probes_of(intake: Intake, loads: Loads) -> Probes:
    """Return what the variants did when they were probed."""
    return {
        name: Probed(loaded, intake.variants[name].probe, intake.variants[name].not_run)
        if isinstance(loaded, Loaded)
        else loaded
        for name, loaded in loads.variants.items()
    }


# Private functions


def _taken(task: Task, name: str, judged: Judged | LoadFailure) -> Taken:
    answered = task.submission.variants[name]
    if isinstance(judged, LoadFailure):
        problem = Problem(
            cause=judged.cause, message=judged.message, traceback=judged.traceback, ending=judged.ending
        )
        return Taken(
            class_name=judged.class_name,
            folder=answered.output,
            recipe=answered.recipe,
            graph_sha256=None,
            problem=problem,
            output=judged.output,
        )
    loaded = judged.probed.loaded
    return Taken(
        class_name=loaded.class_name,
        folder=answered.output,
        recipe=answered.recipe,
        graph_sha256=loaded.sha256,
        summary=loaded.summary,
        output=loaded.output,
        seeds_differ=loaded.seeds_differ,
        notes=loaded.notes,
        lines=dict(loaded.lines),
        probe=judged.probed.probe,
        not_run=judged.probed.not_run,
    )
