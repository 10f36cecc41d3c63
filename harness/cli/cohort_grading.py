"""cohort grade, retry: the commands that grade a class."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from harness.base.errors import UsageError
from harness.cli.cohort_store import (
    DEFAULT_STORE,
    FilesOption,
    RosterOption,
    StoreOption,
    assignment_for,
    every_submission,
)
from harness.cli.options import (
    EXIT,
    AssignmentOption,
    DataOption,
    DeviceOption,
    SandboxOption,
    SeedOption,
    VariantOption,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.assignment.spec import AssignmentSpec
    from harness.cohort.graders.worker import Job
    from harness.cohort.platforms.class_list import ClassList
    from harness.cohort.store.keys import GradingConfig
    from harness.cohort.store.models import Row
    from harness.record.findings import Cause
    from harness.sandbox.backends import BackendChoice

GradersOption = Annotated[
    int,
    typer.Option("--graders", "--workers", min=0, help="Graders at once; 0: as many as there is room for."),
]
EngineOption = Annotated[
    Literal["local", "ray"], typer.Option(help="Graders on this machine, or on those of a Ray cluster.")
]
ClusterOption = Annotated[
    str, typer.Option("--cluster", metavar="HOST:PORT", help="Head of the Ray cluster; auto: this machine's.")
]
GpusOption = Annotated[
    float, typer.Option("--gpus", min=0, help="Ray: GPUs of one training, or the share of one.")
]
MemoryOption = Annotated[
    int, typer.Option("--memory", metavar="MIB", min=0, help="Ray: memory set aside for each grader.")
]
RulesOnlyOption = Annotated[bool, typer.Option("--rules-only", help="Stop before any training.")]
LeaseOption = Annotated[
    float, typer.Option(min=1, help="Seconds after which others claim the tasks of a dead grader.")
]
LayoutName = Literal["auto", "moodle", "canvas", "gradescope", "classroom50", "nbgrader", "plain"]
CAUSES = ("infrastructure", "resource", "harness", "student")


def grade(
    submissions: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|ALL.zip|LIST.csv",
            help="What Moodle, Canvas, Gradescope, GitHub Classroom, Classroom 50 or nbgrader hand out, or a "
            "folder with one folder, archive, notebook or .py file a student; or a list: student, "
            "path-or-git-url\\[@commit], submitted_at.",
        ),
    ],
    store: StoreOption = DEFAULT_STORE,
    files: FilesOption = None,
    assignment: AssignmentOption = None,
    variant: VariantOption = [],  # noqa: B006 - Typer copies it
    seed: SeedOption = None,
    device: DeviceOption = "auto",
    data: DataOption = None,
    workers: GradersOption = 0,
    rules_only: RulesOnlyOption = False,  # noqa: FBT002
    train_all: Annotated[  # noqa: FBT002
        bool, typer.Option("--train-all", help="Train those too that can pass no more, for their points.")
    ] = False,
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Show what would be graded and how long it should take.")
    ] = False,
    layout: Annotated[
        LayoutName,
        typer.Option(
            help="The platform of the folder or zip; auto: recognised by the names in it, and shown."
        ),
    ] = "auto",
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="nbgrader: which of several assignments.")
    ] = None,
    roster: RosterOption = None,
    sandbox: SandboxOption = "auto",
    lease_s: LeaseOption = 60.0,
    engine: EngineOption = "local",
    cluster: ClusterOption = "auto",
    gpus: GpusOption = 1.0,
    memory_mib: MemoryOption = 0,
) -> None:
    """Grade a class: the rules of everyone first, then the training of those that can still pass.

    What is graded is never graded again: after an interruption the same command goes on.
    A store is graded by one assignment: the first one, until harness cohort regrade --apply switches.
    Exits with 0 if every submission has a verdict, or is itself the reason why it has none; else with 3.
    """
    from harness.assignment.points import named
    from harness.cli.cohort_answers import show_changes
    from harness.cli.cohort_display import ClassDisplay, show_forecast, show_roster
    from harness.cli.terminal import say
    from harness.cohort.graders.ray_engine import Cluster
    from harness.cohort.platforms.class_list import read_class_list
    from harness.cohort.platforms.roster import read_roster
    from harness.cohort.runner import Plan, forecast, grade_class
    from harness.cohort.store.keys import GradingConfig
    from harness.cohort.store.store import opened_store
    from harness.cohort.store.stored_class_list import class_list_of, enter_class_list, identities

    spec = assignment_for(assignment, store, files)
    config = GradingConfig(
        assignment=spec,
        seed=spec.seed if seed is None else seed,
        preview=data == "mini",
        variants=_known(variant, spec),
    )
    job = job_of(config, store, files, device, data, sandbox, lease_s)
    machines = Cluster(cluster, gpus, memory_mib) if engine == "ray" else None
    plan = Plan(job, workers, rules_only, train_all, machines)
    listed = None if roster is None else read_class_list(roster)
    read = partial(
        read_roster,
        submissions,
        every=spec.policy.counts != "last",
        layout=None if layout == "auto" else layout,
        task=task,
    )
    if "://" not in store and not Path(store).is_file():  # a mistake makes no store
        found = read(class_list=listed)
        if dry_run:
            show_forecast(forecast(None, show_roster(found, listed), config, plan))
            return
    with opened_store(store, files) as opened:
        known = class_list_of(opened) if listed is None else listed
        found = show_roster(read(class_list=known, known=identities(opened)), known if dry_run else None)
        if dry_run:
            show_forecast(forecast(opened, found, config, plan))
            return
        if listed is not None:
            enter_class_list(opened, listed)
        say(f"assignment: {named(spec)}")
        before = every_submission(opened)
        with ClassDisplay() as display:
            rows = grade_class(opened, found, config, plan, display)
        show_changes(before, every_submission(opened), spec)
    _finish(rows, known)


def retry(
    cause: Annotated[
        list[str], typer.Option("--cause", metavar="|".join(CAUSES), help="Whose fault it was; repeatable.")
    ],
    store: StoreOption = DEFAULT_STORE,
    files: FilesOption = None,
    device: DeviceOption = "auto",
    data: DataOption = None,
    workers: GradersOption = 0,
    rules_only: RulesOnlyOption = False,  # noqa: FBT002
    sandbox: SandboxOption = "auto",
    lease_s: LeaseOption = 60.0,
    engine: EngineOption = "local",
    cluster: ClusterOption = "auto",
    gpus: GpusOption = 1.0,
    memory_mib: MemoryOption = 0,
) -> None:
    """Grade those once more that got no verdict for one of the causes; the history keeps what was.

    What could not be fetched is fetched again by harness cohort grade. Exits as that does.
    """
    from harness.base.installation import VERSION
    from harness.cli.cohort_answers import show_changes
    from harness.cli.cohort_display import ClassDisplay, show_again
    from harness.cohort.graders.ray_engine import Cluster
    from harness.cohort.runner import Plan, begin_again, finish_class
    from harness.cohort.store.queries import rows
    from harness.cohort.store.repository import current_config
    from harness.cohort.store.store import opened_store

    causes = _known_causes(cause)
    with opened_store(store, files, must_exist=True) as opened:
        config = current_config(opened)
        if config.harness_version != VERSION:
            raise UsageError(
                f"--store {store}: graded by harness {config.harness_version}; expected {VERSION}, this one. "
                "Grade the class again with harness cohort grade."
            )
        before = every_submission(opened)
        show_again(begin_again(opened, rows(opened), causes))
        job = job_of(config, store, files, device, data, sandbox, lease_s)
        machines = Cluster(cluster, gpus, memory_mib) if engine == "ray" else None
        with ClassDisplay() as display:
            finish_class(opened, config, Plan(job, workers, rules_only, cluster=machines), display)
        found = rows(opened)
        show_changes(before, every_submission(opened), config.assignment)
    _finish(found)


def job_of(
    config: "GradingConfig",
    store: str,
    files: Path | None,
    device: Literal["auto", "cpu", "cuda"],
    data: str | None,
    sandbox: "BackendChoice",
    lease_s: float,
) -> "Job":
    """Return what each grader is to do, as the options say."""
    from harness.cohort.graders.worker import Job
    from harness.sources.files import printable

    return Job(
        store=store,
        files=files,
        stage="rules",
        assignment_sha256=config.assignment_sha256,
        seed=config.seed,
        mini=config.preview,
        variants=config.variants,
        device=device,
        data=data,
        sandbox=sandbox,
        lease_s=lease_s,
        command=tuple(map(printable, sys.argv[1:])),
    )


# Private functions


def _known(asked: "Sequence[str]", spec: "AssignmentSpec") -> tuple[str, ...]:
    for name in asked:
        if name not in spec.variants:
            raise UsageError(
                f"--variant {name}: not in assignment {spec.id}; expected one of {', '.join(spec.variants)}."
            )
    return tuple(asked)


def _known_causes(asked: "Sequence[str]") -> "frozenset[Cause]":
    for name in asked:
        if name not in CAUSES:
            raise UsageError(f"--cause {name}: expected one of {', '.join(CAUSES)}.")
    return frozenset(cast("Sequence[Cause]", asked))


def _finish(rows: "Sequence[Row]", listed: "ClassList | None" = None) -> None:
    """Print the summary by cause, and exit with 3 if anything was left without a verdict."""
    from harness.cli.cohort_answers import show_summary
    from harness.cli.terminal import say
    from harness.cohort.platforms.attendance import joined_to, notes_on, with_missing
    from harness.cohort.store.models import by_cause

    show_summary(by_cause(with_missing(listed, rows)))
    for note in notes_on(joined_to(listed, rows)) if listed else ():
        say(f"note: {note}")
    if any(row.state != "graded" for row in rows):
        raise typer.Exit(EXIT["not_judged"])
