"""The format that the GitHub autograding reporter, an Action, reads from a step's output ``result``."""

import base64
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness.record.record import Record
from harness.report.formats.rows import Row, rows
from harness.report.visible import visible

STATUS: dict[str, Literal["pass", "fail", "error"]] = {
    "passed": "pass",
    "failed": "fail",
    "not_judged": "error",
}


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GithubTest(_Table):
    """One test. The reporter takes a missing score for NaN: there always is one."""

    name: str
    status: Literal["pass", "fail", "error"]
    score: int
    max_score: int
    line_no: int = 0
    message: str
    test_code: str = ""


class GithubResult(_Table):
    """The result that one step of the workflow passes to the reporter."""

    max_score: int
    status: Literal["pass", "fail", "error"]
    tests: tuple[GithubTest, ...]


def render_github(record: Record) -> str:
    """Render a record as the base64 of UTF-8 JSON, on one line.

    A rule that was not judged has status ``error``. The reporter adds up scores and knows no other
    number for it than 0: as with Classroom 50, `harness report` then exits with 3.
    """
    result = GithubResult(
        max_score=record.max_points,
        status=STATUS[record.verdict],
        tests=tuple(_test(row) for row in rows(record)),
    )
    return base64.b64encode(result.model_dump_json().encode()).decode() + "\n"


# Private functions


def _test(row: Row) -> GithubTest:
    finding = row.finding
    return GithubTest(
        name=visible(row.name),
        status=STATUS[finding.status],
        score=row.points,
        max_score=row.max_points,
        message=row.text,
    )
