"""Gradescope's ``results.json``, by its public autograder specification."""

from typing import Any, Literal

from harness.assignment.points import SHORT, stated
from harness.base.tables import Frozen
from harness.record.record import Record
from harness.report.formats.rows import Row, headline, open_points, rows
from harness.report.visible import visible

Visibility = Literal["hidden", "after_due_date", "after_published", "visible"]
TextFormat = Literal["text", "html", "simple_format", "md", "ansi"]


class GradescopeTest(Frozen):
    """One test; without `score` and `status` it only informs."""

    name: str
    number: str
    output: str
    score: int | None = None
    max_score: int | None = None
    status: Literal["passed", "failed"] | None = None
    name_format: TextFormat = "text"
    output_format: TextFormat = "text"
    visibility: Visibility = "visible"
    extra_data: dict[str, Any]


class GradescopeResults(Frozen):
    """The whole file. `score` overrides the sum of the tests' scores, and equals it."""

    score: int
    output: str
    output_format: TextFormat = "text"
    visibility: Visibility = "visible"
    stdout_visibility: Visibility = "hidden"
    tests: tuple[GradescopeTest, ...]
    extra_data: dict[str, Any]


def render_gradescope(record: Record) -> str:
    """Render a record as ``results.json``. All text is marked as text, so nothing in it is markup.

    A rule that was not judged has no score and no status: Gradescope shows its text and counts nothing.
    """
    results = GradescopeResults(
        score=record.points,
        output=visible("\n".join(_says(record))),
        tests=tuple(_test(row) for row in rows(record)),
        extra_data={
            "verdict": record.verdict,
            "points": record.points,
            "max_points": record.max_points,
            "open_points": open_points(record),
            "result_sha256": record.result_sha256,
            "submission_sha256": record.submission_sha256,
        },
    )
    return results.model_dump_json(indent=2, exclude_none=True) + "\n"


def render_ungraded(message: str) -> str:
    """Render a submission that there is nothing to judge of, and say why; Gradescope demands a number."""
    results = GradescopeResults(
        score=0,
        output=visible(f"NOT GRADED. The 0 is no grade: there was nothing to judge.\n{message}"),
        tests=(),
        extra_data={"verdict": "not_judged"},
    )
    return results.model_dump_json(indent=2, exclude_none=True) + "\n"


# Private functions


def _says(record: Record) -> tuple[str, ...]:
    assignment = f"Assignment: {record.assignment} {record.assignment_sha256[:SHORT]}"
    result = f"Result: {record.result_sha256}"
    return record.assignment_title, headline(record), *stated(record), assignment, result


def _test(row: Row) -> GradescopeTest:
    finding = row.finding
    no_score = row.is_open or not row.counts
    graded = {} if no_score else {"score": finding.points, "max_score": finding.max_points}
    return GradescopeTest.model_validate(
        {
            "name": visible(row.name),
            "number": row.number,
            "output": row.text,
            "status": None if finding.status == "not_judged" else finding.status,
            "extra_data": {
                "rule": visible(finding.rule),
                "status": finding.status,
                "cause": finding.cause or "",
                "max_points": finding.max_points,
            },
            **graded,
        }
    )
