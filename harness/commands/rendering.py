"""report, schema: commands that render what a record already says."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import EXIT

RecordArgument = Annotated[
    Path, typer.Argument(metavar="RECORD", help="A record, such as results/scorecard.json.")
]


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
    from harness.files import write_text
    from harness.record import load_record
    from harness.reporting.folders import variant_folders
    from harness.reporting.formats.rows import open_points
    from harness.reporting.report import Sources, chosen
    from harness.reporting.report import formats as known
    from harness.screen import say

    names = chosen(formats)
    loaded = load_record(record)
    sources = Sources(variant_folders(loaded, record.parent), os.environ)
    folder = out or record.parent
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
    from harness.reporting.schema import record_schema

    sys.stdout.write(record_schema())
