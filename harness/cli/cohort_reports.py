"""cohort show, failures, table, feedback, similar: what came of a class; nothing of a submission runs."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.base.errors import UsageError
from harness.cli.cohort_store import DEFAULT_STORE, FilesOption, RosterOption, StoreOption
from harness.cli.options import DEFAULT_OUT, EXIT, AssignmentOption, OutOption
from harness.cli.outputs import check_writable

if TYPE_CHECKING:
    from harness.cohort.store.models import Row
    from harness.cohort.store.store import Store
    from harness.cohort.table import ClassTable
    from harness.similarity.graphs import Level

STANDARD_OUTPUT = Path("-")


def show(
    student: Annotated[str, typer.Argument(help="The name, or how it begins; small letters will do.")],
    store: StoreOption = DEFAULT_STORE,
    files: FilesOption = None,
) -> None:
    """Show why a student's submission has its verdict: rules, what to do, the scorecard; then the history."""
    from harness.cli.cohort_answers import show_row
    from harness.cohort.store.current_assignment import current_assignment
    from harness.cohort.store.one_student import row_of, with_the_same_bytes
    from harness.cohort.store.repository import assignment_of
    from harness.cohort.store.store import opened_store

    with opened_store(store, files, must_exist=True) as opened:
        row = row_of(opened, student)
        show_row(row, assignment_of(opened, current_assignment(opened)), with_the_same_bytes(opened, row))


def failures(store: StoreOption = DEFAULT_STORE, files: FilesOption = None) -> None:
    """List the submissions without a verdict, by cause: the student's, or what harness cohort retry is for.

    Exits with 3 if there are any of another cause than the student's.
    """
    from harness.cli.cohort_answers import show_failures
    from harness.cli.terminal import output
    from harness.cohort.store.models import by_cause
    from harness.cohort.store.queries import rows
    from harness.cohort.store.store import opened_store

    with opened_store(store, files, must_exist=True) as opened:
        found = rows(opened)
    for what, some in sorted(by_cause(found).items()):
        if what.startswith("not judged"):
            show_failures(what, some, to=output, most=len(some))
    if any(row.state == "failed" for row in found):
        raise typer.Exit(EXIT["not_judged"])


def table(
    store: StoreOption = DEFAULT_STORE,
    files: FilesOption = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAMES",
            help="One or more of md, csv, html, json, canvas, moodle, roster, with commas.",
        ),
    ] = "html",
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR|-", help="Folder for the files; - is standard output.", envvar="HARNESS_RESULTS"
        ),
    ] = DEFAULT_OUT,
    assignment: AssignmentOption = None,
    roster: RosterOption = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of the roster to fill; the assignment's, if not named."),
    ] = None,
) -> None:
    """Write the table of the class: verdict, points, every rule, accuracy, parameters, time.

    The assignment is the one that the store is graded by, if none is named. With the platform's list of the
    class (--roster, now or when it was graded) the files for Canvas and Moodle are that list, with one column
    filled. Totals that are not final are left out of them, and everyone concerned is named.
    """
    from harness.base.files import write_text
    from harness.cli.terminal import say
    from harness.cohort.platforms.class_list import read_class_list
    from harness.cohort.store.store import opened_store
    from harness.cohort.store.stored_class_list import enter_class_list

    names = _chosen(formats)
    if out == STANDARD_OUTPUT and len(names) > 1:
        raise UsageError(f"--out -: expected one format, got {len(names)}. Name a folder, or one format.")
    if out != STANDARD_OUTPUT:
        check_writable(out)
    with opened_store(store, files, must_exist=True) as opened:
        if roster is not None:
            enter_class_list(opened, read_class_list(roster))
        found = _class_table(opened, assignment, Path() if out == STANDARD_OUTPUT else out, column)
    for name in names:
        file, render = table_formats()[name]
        text = render(found)
        if out == STANDARD_OUTPUT:
            sys.stdout.write(text)
        else:
            write_text(out / file, text)
            say(f"{name}: {out / file}")
    say(f"assignment: {found.assignment_name}, {found.max_points} points")
    if {"canvas", "moodle", "roster"} & set(names):
        _show_left_out(found)
        for note in _of_class_list(found):
            say(f"note: {note}")


def feedback(
    store: StoreOption = DEFAULT_STORE,
    files: FilesOption = None,
    layout: Annotated[
        Literal["auto", "moodle", "canvas", "gradescope", "plain"],
        typer.Option(help="The platform of the folders; auto: the one that named the submissions."),
    ] = "auto",
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty folder.")] = Path("feedback"),
    assignment: AssignmentOption = None,
) -> None:
    """Write everyone's scorecard as it is handed back: named for the student, with the student's command.

    The folders, and the zip for Moodle and Canvas, are those that the platform takes back.
    """
    from harness.cli.terminal import say
    from harness.cohort.platforms.feedback import ZIPPED, layout_of, write_feedback
    from harness.cohort.platforms.feedback import feedback as rendered
    from harness.cohort.store.store import opened_store

    check_writable(out)
    if any(out.iterdir()):
        raise UsageError(
            f"--out {out}: not empty; expected a new folder, so that no earlier scorecard is handed back. "
            "Empty it, or name another."
        )
    with opened_store(store, files, must_exist=True) as opened:
        found = _class_table(opened, assignment, out, None)
    asked = layout_of(found.rows) if layout == "auto" else layout
    written = write_feedback(rendered(found.rows, found.assignment, asked), out, zipped=asked in ZIPPED)
    say(f"{asked}: {len(written)} scorecards in {out}")
    _show_no_feedback([row for row in found.rows if row.student not in written], asked)


def similar(
    store: StoreOption = DEFAULT_STORE,
    files: FilesOption = None,
    starter: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What everyone was given; the starter of harness new if not named."),
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.05, max=1, help="Share in common from which on two are pointed at.")
    ] = 0.5,
    ignore_channels: Annotated[  # noqa: FBT002
        bool, typer.Option("--ignore-channels", help="Take networks for equal that differ in widths alone.")
    ] = False,
    out: OutOption = DEFAULT_OUT,
) -> None:
    """Find submissions that are alike: by the graphs they execute and by passages of their sources.

    What the starter and most of the class have counts for nothing. It points, it never grades.
    """
    from harness.base.files import write_text
    from harness.cli.cohort_answers import followed, show_alike
    from harness.cli.terminal import say
    from harness.cohort.compared_sources import document_of, starter_document
    from harness.cohort.platforms.attendance import once_a_group
    from harness.cohort.store.queries import rows
    from harness.cohort.store.repository import current_config
    from harness.cohort.store.store import opened_store
    from harness.similarity.page import render_similar_markdown, render_similar_page, with_evidence
    from harness.similarity.similarity import clusters

    check_writable(out)
    given = starter_document(starter)
    with opened_store(store, files, must_exist=True) as opened:
        title, found_rows = current_config(opened).assignment.title, once_a_group(rows(opened))
        documents = [document_of(row) for row in followed(found_rows, "reading", len(found_rows))]
    level: Level = "widened" if ignore_channels else "reordered"
    found = with_evidence(clusters(documents, given, share=share, level=level), documents)
    show_alike(found, len(documents))
    for name, render in (("similar.html", render_similar_page), ("similar.md", render_similar_markdown)):
        write_text(out / name, render(found, len(documents), title))
        say(f"evidence: {out / name}")


def table_formats() -> "dict[str, tuple[str, Callable[[ClassTable], str]]]":
    """List the formats by the names that ``--format`` takes: the file, and what renders it."""
    from harness.cohort.page import render_markdown, render_page
    from harness.cohort.table import render_canvas, render_csv, render_json, render_moodle, render_roster

    return {
        "md": ("table.md", render_markdown),
        "csv": ("table.csv", render_csv),
        "html": ("table.html", render_page),
        "json": ("table.json", render_json),
        "canvas": ("canvas.csv", render_canvas),
        "moodle": ("moodle.csv", render_moodle),
        "roster": ("roster.csv", render_roster),
    }


# Private functions


def _chosen(formats: str) -> list[str]:
    from harness.base.tables import meant

    names = [name.strip() for name in formats.split(",") if name.strip()]
    for name in names:
        if name not in table_formats():
            raise UsageError(f"--format {name}: no such format. {meant(name, table_formats(), 'formats')}")
    if not names:
        raise UsageError(f"--format: expected at least one of {', '.join(table_formats())}, got none.")
    return list(dict.fromkeys(names))


def _class_table(store: "Store", assignment: Path | None, out: Path, column: str | None) -> "ClassTable":
    """Read the class under an assignment, the one that the store is graded by if None."""
    from harness.assignment.spec import load_assignment
    from harness.base.tables import content_hash
    from harness.cohort.platforms.attendance import with_missing
    from harness.cohort.store.current_assignment import current_assignment
    from harness.cohort.store.queries import rows
    from harness.cohort.store.repository import assignment_of
    from harness.cohort.store.stored_class_list import class_list_of
    from harness.cohort.table import ClassTable

    sha256 = content_hash(load_assignment(assignment)) if assignment else current_assignment(store)
    spec = assignment_of(store, sha256)
    listed = class_list_of(store)
    return ClassTable(with_missing(listed, rows(store, sha256)), spec, out, listed, column)


def _of_class_list(table: "ClassTable") -> "Iterator[str]":
    """Yield the notes on the list of the class: who is who, and what was not filled."""
    from harness.cohort.platforms.attendance import notes_on
    from harness.cohort.table import in_class_list

    if table.joined is not None and (filled := in_class_list(table)) is not None:
        yield from (*notes_on(table.joined), *filled.notes)


def _show_no_feedback(rows: "list[Row]", layout: str) -> None:
    from harness.cli.terminal import say

    absent = [row.student for row in rows if row.state == "missing"]
    ungraded = [row.student for row in rows if row.record is None and row.state != "missing"]
    unknown = [f"{row.student} ({row.source})" for row in rows if row.record is not None]
    if absent:
        say(f"handed in nothing, so no scorecard: {_listed(absent)}")
    if ungraded:
        say(f"not graded yet, so no scorecard: {_listed(ungraded)}")
    if unknown:
        say(f"no id of {layout} in the name that was handed in, so left out: {_listed(unknown)}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{', '.join(names[:10])}{more}"


def _show_left_out(table: "ClassTable") -> None:
    """Print everyone who has no number in a gradebook, and what would give them one."""
    from harness.cli.terminal import say

    for reason, students in table.left_out().items():
        say(f"no final total, so in no gradebook file: {', '.join(students)}: {reason}")
    if any(row.stage == "rules" and table.final_points(row) is None for row in table.rows):
        say(
            "What is not trained is trained by harness cohort grade. Where the rules alone are to be the "
            "grade, write rules_only = true under [policy] of the assignment, and switch to it with harness "
            "cohort regrade."
        )
