"""Stores to test with: SQLite, and a PostgreSQL server of this test run on a private socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from harness.assignment.points import grade_variant
from harness.assignment.spec import AssignmentSpec
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.models import Row
from harness.cohort.store.repository import Ingested
from harness.cohort.store.store import Store, open_store
from harness.cohort.table import ClassTable
from harness.record.facts import Facts
from harness.record.findings import Finding, Problem
from harness.record.record import Record, VariantRecord, sealed
from harness.record.trainings import wilson_interval


def _server_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _nobody_s_user() -> dict[str, object]:
    """Give what starts a process as another user than root, whom PostgreSQL refuses to run as."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start a server that listens on a socket of its own and nowhere else; gives its address."""
    programs = _server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine: apt-get install postgresql")
    user = _nobody_s_user()
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        if user:
            os.chown(folder, user["user"], user["group"])
        quiet = {"check": True, "capture_output": True, "cwd": folder, **user}
        data = f"{folder}/data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "grader", "-A", "trust", "-N", "--no-instructions"],
            **quiet,
        )
        listen = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        control = [programs / "pg_ctl", "-D", data, "-w", "-l", f"{folder}/log"]
        subprocess.run([*control, "-o", listen, "start"], **quiet)
        try:
            yield f"postgresql://grader@/postgres?host={folder}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


@pytest.fixture
def postgres_database(postgres: str) -> str:
    """Give the address of an empty database."""
    name = f"class_{uuid.uuid4().hex}"
    engine = create_engine(
        postgres.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give what --store may name: of either kind of database."""
    if request.param == "sqlite":
        return str(tmp_path / "cohort.db")
    return request.getfixturevalue("postgres_database")


@pytest.fixture
def opened(address: str, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open the same store once more, as another process would."""
    stores: list[Store] = []

    def again() -> Store:
        stores.append(open_store(address, tmp_path / "files"))
        return stores[-1]

    yield again
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], Store]) -> Store:
    return opened()


@pytest.fixture
def config(assignment: AssignmentSpec) -> GradingConfig:
    return GradingConfig(assignment, seed=1)


ADA = Ingested(
    student="ada",
    source="ada.zip",
    submitted_at=datetime(2026, 5, 4, 22, 15, tzinfo=UTC),
    sources_sha256="a" * 64,
    file="",
    recipe_sha256="c" * 64,
)


@pytest.fixture
def handed_in() -> Callable[..., Ingested]:
    """Describe a submission, ada's unless something else is said."""

    def described(student: str = "ada", **changes: object) -> Ingested:
        return replace(ADA, **{"student": student, "source": f"{student}.zip", **changes})

    return described


@pytest.fixture
def record() -> Callable[..., Record]:
    """Make a record of one variant and one rule, passed unless something else is said."""

    def made(
        verdict: str = "passed", cause: str | None = None, points: int = 10, parameters: int = 5
    ) -> Record:
        finding = Finding(rule="dilation", status=verdict, cause=cause, expected="", actual="", points=points)
        variant = VariantRecord(
            title="", class_name="Net", full=False, verdict=verdict, points=points, max_points=10,
            findings=(finding,), facts=Facts(parameters=parameters),
        )  # fmt: skip
        return sealed(
            Record(
                assignment="a", assignment_title="", assignment_sha256="", submission_sha256="",
                verdict=verdict, points=points, max_points=10, variants={"basic": variant},
            )
        )  # fmt: skip

    return made


RULES = ("max_parameters", "no_max_pool", "downsampling", "min_accuracy")


def _finding(rule: str, status: str) -> Finding:
    return Finding(
        rule=rule,
        status=status,
        cause="student" if status == "not_judged" else None,
        expected="what is asked",
        actual="what is there",
        points={"passed": 25, "failed": 0, "not_judged": None}[status],
        max_points=25,
    )


@pytest.fixture
def row() -> Callable[..., Row]:
    """Make a row of four rules worth 25 points each; `accuracy` None: not trained, `failed`: rules."""

    def made(
        student: str = "ada",
        accuracy: float | None = 0.87,
        failed: Sequence[str] = (),
        variants: Sequence[str] = ("basic",),
        **changes: object,
    ) -> Row:
        asked = RULES if accuracy is not None else RULES[:-1]
        lost = {*failed, *(("min_accuracy",) if accuracy is not None and accuracy < 0.85 else ())}
        findings = tuple(_finding(rule, "failed" if rule in lost else "passed") for rule in asked)
        facts = Facts(parameters=84_322, receptive_field_px=55)
        if accuracy is not None:
            interval = wilson_interval(round(10_000 * accuracy), 10_000)
            facts = facts.model_copy(update={"accuracy": accuracy, "accuracy_interval": interval})
        verdict, points, most = grade_variant(findings, 100)
        variant = VariantRecord(
            title="", class_name="Net", full=accuracy is not None, verdict=verdict, points=points,
            max_points=most, findings=findings, facts=facts,
        )  # fmt: skip
        made = Record(
            assignment="a", assignment_title="A", assignment_sha256="0" * 64, submission_sha256="1" * 64,
            verdict=verdict, points=points, max_points=most,
            variants=dict.fromkeys(variants, variant),
        )  # fmt: skip
        fields = {
            "source": f"{student}.zip",
            "submitted_at": datetime(2026, 5, 4, 22, 15, tzinfo=UTC),
            "state": "graded",
            "stage": "full" if accuracy is not None else "rules",
            "record": sealed(made),
            "graded_at": datetime(2026, 5, 5, 8, 0, tzinfo=UTC),
            "seconds": 61.5,
        }
        return Row(student=student, **{**fields, **changes})

    return made


UNREADABLE = (
    "model.py:3: the file could not be imported: NameError: name 'nn' is not defined. Import what is used at "
    "the head of the file; harness check shows the same on your own machine, before you hand in."
)
"""Why the code of one student could not be loaded, as its record says it."""


@pytest.fixture
def unreadable() -> str:
    return UNREADABLE


@pytest.fixture
def class_table(row: Callable[..., Row], assignment: AssignmentSpec, tmp_path: Path) -> ClassTable:
    """A class of everything: passed, failed, rules only, not loaded, waiting, dead, and a hostile name."""
    scorecards = tmp_path / "files" / "ab" / "c d"
    scorecards.mkdir(parents=True)
    (scorecards / "scorecard.html").write_text("<!doctype html><title>ada</title>")
    open_row = row("fay", None)
    variant = open_row.record.variants["basic"]
    unjudged = variant.model_copy(
        update={
            "findings": tuple(_finding(rule, "not_judged") for rule in RULES),
            "verdict": "not_judged",
            "problem": Problem(cause="student", message=f"{UNREADABLE}\nand what it means", traceback=""),
        }
    )
    update = {"variants": {"basic": unjudged}, "verdict": "not_judged", "points": 0}
    rows = (
        row("ada", 0.8734, folder=scorecards),
        row("bob", 0.8432),
        row("cyd", None, failed=("no_max_pool", "downsampling")),
        row("dan", None),
        row("eve", 0.9012, seconds=3.0),
        row("fay", record=open_row.record.model_copy(update=update)),
        row("gus", state="waiting", record=None, seconds=None, stage=None, graded_at=None),
        row("hal", state="failed", record=None, seconds=None, problem="no grader survived it"),
        row("Zoë 10", 0.88),
        row("Zoë 9", 0.861),
    )
    return ClassTable(rows, assignment, tmp_path)


HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "=cmd|' /C calc'!A0", "+1+1", "-2+3",
    "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "line\nbreak,comma;\"quote'", "\x1b[31mred\x1b[0m",
    "\u202egnp.exe", "../../etc/passwd", "| pipe | [link](javascript:alert(1)) `code` **bold** <b>",
    "{{ 7 * 7 }}{% raw %}", "x" * 300, "＝1+1", " =1+1", "Points Possible", "\ud800",
)  # fmt: skip
"""Names that act in some format instead of being read."""


@pytest.fixture
def hostile_table(row: Callable[..., Row], assignment: AssignmentSpec, tmp_path: Path) -> ClassTable:
    """A class of nobody but them; what they handed in and what is wrong with it is called the same."""
    rows = [row(name, 0.86, source=name, problem=name) for name in HOSTILE]
    return ClassTable(tuple(rows), assignment, tmp_path)
