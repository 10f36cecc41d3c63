"""rf, explain, doctor: commands that look at a network, a rule or this machine, and judge nothing."""

import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from harness.base.errors import UsageError
from harness.cli.defaults import NAME, VARIABLES, defaults_file
from harness.cli.options import (
    EXIT,
    AssignmentOption,
    ClassOption,
    CtorOption,
    DataOption,
    PathArgument,
    VariantOption,
    default_assignment,
    opened,
)

if TYPE_CHECKING:
    from harness.base.machine import Check


def rf(
    path: PathArgument,
    input_shape: Annotated[
        tuple[int, int, int] | None,
        typer.Option("--input", metavar="C H W", help="Shape of one image; the assignment's if not given."),
    ] = None,
    title: Annotated[str, typer.Option(help="Heading; RF: CLASS (HxW input) if not given.")] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,  # noqa: FBT002
    check: Annotated[  # noqa: FBT002
        bool, typer.Option("--check", help="Measure it a second time, by gradients, and compare.")
    ] = False,
    erf: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the effective receptive field.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Random images for --erf.")] = 32,
    assignment: AssignmentOption = None,
    variant: VariantOption = [],  # noqa: B006
    class_name: ClassOption = None,
    ctor: CtorOption = [],  # noqa: B006
) -> None:
    """Print the receptive field of every layer; check it by gradients; draw the effective one."""
    from harness.base.files import write_bytes
    from harness.cli.result_tables import show_field
    from harness.cli.terminal import Display, say
    from harness.pipeline.loading import in_sandbox, load
    from harness.pipeline.receptive_field import report_field
    from harness.pipeline.task import Settings
    from harness.report.markdown import render_field
    from harness.report.plots.field import draw_receptive_field
    from harness.training.client import Child

    if input_shape is not None and min(input_shape) < 1:
        raise UsageError(
            f"--input {' '.join(map(str, input_shape))}: expected three positive numbers, C H W."
        )
    with TemporaryDirectory(prefix="harness-") as out, Display() as display, closing(Child()) as worker:
        settings, source = Settings(out=Path(out)), in_sandbox(input_shape=input_shape)
        task = opened(path, assignment, variant, class_name, ctor, settings, display, source)
        if erf is not None and len(task.submission.variants) > 1:
            names = ", ".join(task.submission.variants)
            raise UsageError(f"--erf: expected one network, got {names}. Name one with --variant.")
        reports = [
            report_field(task, name, loaded, title, worker, check=check, images=images if erf else 0)
            for name, loaded in load(task).variants.items()
        ]
    for report in reports:
        if markdown:
            typer.echo(render_field(report))
        else:
            show_field(report)
        if erf is not None and report.effective is not None:
            write_bytes(erf, draw_receptive_field(report.effective, report.title))
            say(f"Effective receptive field: {erf}")
    if any(report.before_pool_px is None or report.doubtful for report in reports):
        raise typer.Exit(EXIT["not_judged"])


def explain(
    rule: Annotated[str | None, typer.Argument(help="A rule's name; all are listed without one.")] = None,
) -> None:
    """Explain what a rule measures, what it allows, what not, and why."""
    from harness.cli.result_tables import show_page
    from harness.rules.explain import overview, page

    show_page(page(rule) if rule else overview())


def doctor(
    data: DataOption = None,
    assignment: AssignmentOption = None,
    json: Annotated[bool, typer.Option("--json", help="Write what was found as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Check whether this machine is fit for reproducible grading: PASS, CAUTION or FAIL, and the fix.

    Exits with 3 if anything fails: nothing can be graded here.
    """
    from dataclasses import asdict
    from json import dumps

    from harness.assignment.spec import load_assignment
    from harness.cli.result_tables import show_checks
    from harness.cli.terminal import say
    from harness.pipeline.doctor import examine

    say("checking this machine; torch takes some seconds to start …")
    checks = (_defaults(), *examine(load_assignment(assignment or default_assignment()), data))
    if json:
        typer.echo(dumps([asdict(check) for check in checks], indent=2))
    else:
        show_checks(checks)
    if any(check.level == "FAIL" for check in checks):
        raise typer.Exit(EXIT["not_judged"])


# Private functions


def _defaults() -> "Check":
    """Return which file of defaults counts here, and the variables that it stands for."""
    from harness.base.machine import Check

    file = defaults_file()
    used = ", ".join(f"{key} {value}" for key in VARIABLES if (value := os.environ.get(VARIABLES[key])))
    return Check("defaults", "PASS", f"{file or f'no {NAME} from here upwards'}{f': {used}' if used else ''}")
