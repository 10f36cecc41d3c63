"""What a grade leaves beside its record, so that it can be judged again without the submission or torch."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.base.errors import UsageError
from harness.base.files import write_text
from harness.cohort.models import CACHED
from harness.graph.ir import parse_architecture
from harness.loader.load import Traced, Untraced
from harness.loader.protocol import ARCHITECTURE, WEIGHTS
from harness.pipeline.run import Run
from harness.record.record import Problem
from harness.settings.recipe import RecipeOverride
from harness.training.events import Probe

SCHEMA: Literal["harness/intake/1"] = "harness/intake/1"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Taken(_Frozen):
    """What is known of one variant before it is judged."""

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
    lines: dict[str, str] = {}
    """Where its layers are constructed, by their paths."""
    probe: Probe | None = None
    not_run: str = ""
    """Why a network that was taken in could not be run."""


class Intake(_Frozen):
    """All variants of one submission."""

    schema_: Literal["harness/intake/1"] = Field(default=SCHEMA, alias="schema")
    seed: int
    backend: str
    """What held the submission's code."""
    variants: dict[str, Taken]


def keep(run: Run, folder: Path) -> None:
    """Write what was taken in and probed to `folder`, where the variants' folders are."""
    taken = {name: _taken(run, name, traced) for name, traced in run.traced.items()}
    intake = Intake(seed=run.seed, backend=run.backend, variants=taken)
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


def traced_of(taken: Taken, folder: Path) -> Traced | Untraced:
    """Give one variant as it came out of the sandbox; `folder` is the artefact folder."""
    if (problem := taken.problem) is not None:
        return Untraced(
            taken.class_name, problem.ending, problem.cause, problem.message, problem.traceback, taken.output
        )
    assert taken.graph_sha256 is not None
    return Traced(
        class_name=taken.class_name,
        architecture=parse_architecture((folder / taken.folder / ARCHITECTURE).read_bytes()),
        sha256=taken.graph_sha256,
        weights=folder / taken.folder / WEIGHTS,
        summary=taken.summary,
        output=taken.output,
        seeds_differ=taken.seeds_differ,
        notes=taken.notes,
        lines=taken.lines,
    )


# Private functions


def _taken(run: Run, name: str, traced: Traced | Untraced) -> Taken:
    answered = run.submission.variants[name]
    if isinstance(traced, Untraced):
        problem = Problem(
            cause=traced.cause, message=traced.message, traceback=traced.traceback, ending=traced.ending
        )
        return Taken(
            class_name=traced.class_name,
            folder=answered.output,
            recipe=answered.recipe,
            graph_sha256=None,
            problem=problem,
            output=traced.output,
        )
    return Taken(
        class_name=traced.class_name,
        folder=answered.output,
        recipe=answered.recipe,
        graph_sha256=traced.sha256,
        summary=traced.summary,
        output=traced.output,
        seeds_differ=traced.seeds_differ,
        notes=traced.notes,
        lines=dict(traced.lines),
        probe=run.probes.get(name),
        not_run=run.not_run.get(name, ""),
    )
