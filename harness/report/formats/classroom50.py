"""Classroom 50's ``result.json`` (schema ``classroom50/result/v1``)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.record.findings import Cause, Status
from harness.record.record import Record
from harness.report.formats.rows import Row, rows
from harness.report.visible import visible

VARIABLES = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
    "review": "REVIEW_URL",
}
"""Environment variables of its runner that name what was graded; it adds owner and times itself."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)


class Classroom50Test(_Table):
    """One test. `status`, `points` and `message` are fields of ours, which it keeps as they are."""

    test_name: Annotated[str, Field(alias="test-name")]
    passed: bool
    score: int
    max_score: Annotated[int, Field(alias="max-score")]
    status: Status
    cause: Cause | None
    points: int | None
    message: str


class Classroom50Result(_Table):
    """The whole file; scores are integers and the totals are the sums over the tests."""

    schema_: Annotated[Literal["classroom50/result/v1"], Field(alias="schema")] = "classroom50/result/v1"
    classroom: str
    assignment: str
    submission: str
    commit: str
    release: str
    review: str
    datetime: str
    score: int
    max_score: Annotated[int, Field(alias="max-score")]
    tests: tuple[Classroom50Test, ...]


def render_classroom50(record: Record, environment: Mapping[str, str]) -> str:
    """Render a record as ``result.json``; who and what was graded comes from the runner's variables.

    The format has two verdicts and whole numbers only. A rule that was not judged has
    ``status: not_judged`` and ``points: null`` beside the 0 that the format demands, and such a
    record must not be handed in as a grade: `harness report` then exits with 3.
    """
    named = {key: environment.get(variable, "") for key, variable in VARIABLES.items()}
    result = Classroom50Result(
        classroom=named["classroom"],
        assignment=named["assignment"] or record.assignment,
        submission=named["submission"],
        commit=named["commit"],
        release=named["release"],
        review=named["review"] or named["commit"],
        datetime=str(record.provenance.get("graded_at", "")).replace("+00:00", "Z"),
        score=record.points,
        max_score=record.max_points,
        tests=tuple(_test(row) for row in rows(record)),
    )
    return result.model_dump_json(indent=2, by_alias=True) + "\n"


# Private functions


def _test(row: Row) -> Classroom50Test:
    finding = row.finding
    return Classroom50Test(
        test_name=visible(row.name),
        passed=finding.status == "passed",
        score=row.points,
        max_score=row.max_points,
        status=finding.status,
        cause=finding.cause,
        points=finding.points,
        message=row.text,
    )
