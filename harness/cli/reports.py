"""augment, readme, report, schema: commands that render; nothing is judged."""

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from harness.base.errors import UsageError
from harness.cli.options import (
    DEFAULT_OUT,
    EXIT,
    AssignmentOption,
    DataOption,
    OutOption,
    RecordArgument,
    SeedOption,
    default_assignment,
    opened,
)
from harness.cli.outputs import check_writable

if TYPE_CHECKING:
    from harness.record.record import Record
    from harness.report.readme import Measured


def augment(
    n_samples: Annotated[int, typer.Option(min=1, max=256, help="Training images to show.")] = 16,
    data: DataOption = None,
    seed: SeedOption = None,
    out: OutOption = DEFAULT_OUT,
    assignment: AssignmentOption = None,
) -> None:
    """Show what the recipe's augmentation does: training images beside what four epochs make of them."""
    from harness.assignment.spec import load_assignment
    from harness.base.files import write_bytes
    from harness.cli.terminal import Display, say
    from harness.pipeline.jobs import run_augmentation
    from harness.pipeline.task import Settings
    from harness.report.plots.image_file import read_samples
    from harness.report.plots.samples import draw_augmented
    from harness.report.plots.sources import SAMPLES
    from harness.training.client import Child

    check_writable(out)
    spec, settings = load_assignment(assignment or default_assignment()), Settings(seed=seed, data=data)
    with TemporaryDirectory(prefix="harness-") as folder, Display() as display, closing(Child()) as worker:
        samples = Path(folder) / SAMPLES
        classes = run_augmentation(spec, settings, n_samples, samples, display.show, worker)
        shown = read_samples(samples).train
    picture = out / "augmentations" / "augmented_grid.png"
    write_bytes(picture, draw_augmented(shown, classes, f"{spec.title}: training images, augmented"))
    say(f"Augmentation: {picture}")


def readme(
    path: Annotated[Path, typer.Argument(metavar="README.md", help="The file whose blocks are filled.")],
    results: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder with the record.", envvar="HARNESS_RESULTS")
    ] = DEFAULT_OUT,
    rf: Annotated[
        list[str],
        typer.Option(
            "--rf",
            metavar="FILE:CLASS[:TITLE]",
            help="Measure this network's receptive field anew; repeatable. Else the record's is shown.",
        ),
    ] = [],  # noqa: B006
    rf_input: Annotated[
        tuple[int, int, int] | None,
        typer.Option(metavar="C H W", help="Shape of one image for --rf; the assignment's if not given."),
    ] = None,
    rf_ctor: Annotated[
        list[str], typer.Option(metavar="NAME=VALUE", help="A constructor argument for --rf; repeatable.")
    ] = [],  # noqa: B006
    check: Annotated[  # noqa: FBT002
        bool, typer.Option("--check", help="Change nothing; exit with 1 if a block is stale.")
    ] = False,
) -> None:
    """Fill the blocks between <!-- NAME --> and <!-- /NAME --> of a README from the results.

    All other text stays as it is, byte for byte.
    """
    from harness.base.files import atomic_file
    from harness.cli.terminal import say
    from harness.record.record import load_record
    from harness.report.folders import variant_folders
    from harness.report.readme import Book, changed_sections, fill_readme

    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected a README with blocks to fill.")
    saved = results / "scorecard.json"
    record = load_record(saved) if saved.is_file() else None
    book = Book(
        home=path.resolve().parent,
        results=results.resolve(),
        record=record,
        folders=variant_folders(record, results.resolve()) if record else {},
        fields=_measured(rf, rf_input, rf_ctor, record) if rf else {},
    )
    before = path.read_bytes()
    after = fill_readme(before, book, str(path))
    stale = ", ".join(changed_sections(before, after, book, str(path)))
    if check and stale:
        say(f"{path}: stale: {stale}. Run harness readme {path}, and commit the file.")
        raise typer.Exit(EXIT["failed"])
    if stale:
        with atomic_file(path.resolve()) as file:
            file.write(after)
    say(f"{path}: {f'filled {stale}' if stale else 'every block is up to date'}")


def report(
    record: RecordArgument,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAMES",
            help="One or more of md, html, json, junit, gradescope, classroom50, github, with commas.",
        ),
    ] = "md",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the files; the record's if not given.")
    ] = None,
) -> None:
    """Write reports again from a record; nothing is graded or measured.

    Exits with 3 where a rule was not judged and a format asked for (classroom50, github) could only
    show that as a zero: do not hand such a file in as a grade.
    """
    from harness.base.files import write_text
    from harness.cli.terminal import say
    from harness.record.record import load_record
    from harness.report.folders import variant_folders
    from harness.report.formats.rows import open_points
    from harness.report.report import Sources, chosen
    from harness.report.report import formats as known

    names = chosen(formats)
    loaded = load_record(record)
    folder = out or record.parent
    sources = Sources(variant_folders(loaded, record.parent), folder, os.environ)
    for name in names:
        for file, text in known()[name].files(loaded, sources).items():
            write_text(folder / file, text)
            say(f"{name}: {folder / file}")
    lossy = [name for name in names if not known()[name].holds_open]
    if lossy and (left := open_points(loaded)):
        say(
            f"{', '.join(lossy)}: {left} points were not judged, and this format can only show them as 0; "
            "expected a record whose rules were all judged. Grade again before you hand it in."
        )
        raise typer.Exit(EXIT["not_judged"])


def schema() -> None:
    """Print the JSON Schema of a record."""
    from harness.report.report import record_schema

    sys.stdout.write(record_schema())


# Private functions


def _measured(
    asked: Sequence[str],
    input_shape: tuple[int, int, int] | None,
    ctor: Sequence[str],
    record: "Record | None",
) -> "dict[str, Measured]":
    """Measure the receptive field of every ``FILE:CLASS[:TITLE]``, by the section that shows it."""
    from harness.report.readme import field_sections

    wanted = [_requested(text) for text in asked]
    sections = field_sections([class_name for _, class_name, _ in wanted], record)
    return {section: _measure(*one, input_shape, ctor) for section, one in zip(sections, wanted, strict=True)}


def _requested(text: str) -> tuple[Path, str, str]:
    file, _, rest = text.partition(":")
    class_name, _, title = rest.partition(":")
    if not file or not class_name.isidentifier():
        raise UsageError(f'--rf {text}: expected FILE:CLASS or FILE:CLASS:"TITLE", as in model.py:Net.')
    return Path(file), class_name, title


def _measure(
    file: Path, class_name: str, title: str, input_shape: tuple[int, int, int] | None, ctor: Sequence[str]
) -> "Measured":
    from harness.cli.terminal import Display
    from harness.pipeline.loading import in_sandbox, load
    from harness.pipeline.receptive_field import report_field
    from harness.pipeline.task import Settings
    from harness.report.readme import Measured
    from harness.training.client import Child

    with TemporaryDirectory(prefix="harness-") as out, Display() as display, closing(Child()) as worker:
        settings, source = Settings(out=Path(out)), in_sandbox(input_shape=input_shape)
        task = opened(file, None, [], class_name, ctor, settings, display, source)
        ((variant, loaded),) = load(task).variants.items()
        report = report_field(task, variant, loaded, title, worker, check=False, images=0)
        return Measured(class_name, report)
