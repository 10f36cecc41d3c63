"""Write a record in any format: one table of formats and their files, and the record's JSON Schema."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.base.tables import meant
from harness.record import record as records
from harness.record.record import SCHEMA, Record
from harness.report.formats.classroom50 import render_classroom50
from harness.report.formats.github import render_github
from harness.report.formats.gradescope import render_gradescope
from harness.report.formats.junit import render_junit
from harness.report.markdown import pictures_beside, render_scorecard


@dataclass(frozen=True)
class Sources:
    """The sources of a report besides the record.

    The folders of the variants, the folder that the report goes to, the variables of the platform.
    """

    folders: Mapping[str, Path]
    out: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Format:
    """A format: how a record becomes text; `holds_open` if a rule can be neither passed nor a zero in it."""

    files: Callable[[Record, Sources], dict[str, str]]
    holds_open: bool = True


def formats() -> dict[str, Format]:
    """List the formats by the names that ``--format`` takes."""
    return {
        "md": Format(_md),
        "html": Format(_html),
        "json": Format(lambda record, _: {"scorecard.json": records.to_json(record)}),
        "junit": Format(lambda record, _: {"junit.xml": render_junit(record)}),
        "gradescope": Format(lambda record, _: {"results.json": render_gradescope(record)}),
        "classroom50": Format(_classroom50, holds_open=False),
        "github": Format(
            lambda record, _: {"autograding-result.txt": render_github(record)}, holds_open=False
        ),
    }


def chosen(names: str) -> list[str]:
    """Read ``md,junit``.

    Raises:
        UsageError: one of them is no format.
    """
    asked = [name.strip() for name in names.split(",") if name.strip()]
    known = formats()
    for name in asked:
        if name not in known:
            raise UsageError(f"--format {name}: no such format. {meant(name, known, 'formats')}")
    if not asked:
        raise UsageError(f"--format: expected at least one of {', '.join(known)}, got none.")
    return list(dict.fromkeys(asked))


def record_schema() -> str:
    """Write the JSON Schema (draft 2020-12) that every written record satisfies."""
    schema = Record.model_json_schema(by_alias=True, mode="serialization")
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": SCHEMA,
        "description": "One graded submission. Every key is explained in docs/record.md.",
    }
    return json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


# Private functions


def _md(record: Record, sources: Sources) -> dict[str, str]:
    pictures = pictures_beside(sources.out, sources.folders)
    return {"scorecard.md": render_scorecard(record, pictures)}


def _html(record: Record, sources: Sources) -> dict[str, str]:
    from harness.report.html import render_html

    return {"scorecard.html": render_html(record, sources.folders)}


def _classroom50(record: Record, sources: Sources) -> dict[str, str]:
    return {
        "result.json": render_classroom50(record, sources.environment),
        "release-body.md": render_scorecard(record),
    }
