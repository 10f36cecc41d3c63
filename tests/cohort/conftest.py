"""Stores to test with: SQLite, and a PostgreSQL server of this test run on a private socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from harness.assignment import AssignmentSpec
from harness.cohort.keys import Terms
from harness.cohort.ledger import HandedIn
from harness.cohort.store import Store, open_store
from harness.record import Facts, Finding, Record, VariantRecord, sealed


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
def terms(assignment: AssignmentSpec) -> Terms:
    return Terms(assignment, seed=1)


ADA = HandedIn(
    student="ada",
    source="ada.zip",
    submitted_at=datetime(2026, 5, 4, 22, 15, tzinfo=UTC),
    sources_sha256="a" * 64,
    file="",
    recipe_sha256="c" * 64,
)


@pytest.fixture
def handed_in() -> Callable[..., HandedIn]:
    """Describe a submission, ada's unless something else is said."""

    def described(student: str = "ada", **changes: object) -> HandedIn:
        return replace(ADA, student=student, source=f"{student}.zip", **changes)

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
