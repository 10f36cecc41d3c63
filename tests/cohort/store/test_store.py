"""Opening a store, of either kind."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from checkout import REPOSITORY
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from harness.base.errors import UsageError
from harness.cohort.store.queries import rows
from harness.cohort.store.repository import enter, enter_config
from harness.cohort.store.schema import AssignmentTable, Base
from harness.cohort.store.store import MIGRATIONS, open_for_reading, open_store


def test_the_migrations_make_exactly_the_tables_of_the_schema(store):
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_last_migration_is_the_one_whose_file_has_the_highest_number(store):
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    with store.engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == head
    assert max(file.name[1:5] for file in (MIGRATIONS / "versions").glob("v*.py")) == head


def test_what_one_process_writes_another_reads(opened):
    one, other = opened(), opened()
    with one.writing() as session:
        session.add(AssignmentTable(sha256="a" * 64, name="a", content="{}"))
    with other.reading() as session:
        assert session.get(AssignmentTable, "a" * 64) is not None


def test_whoever_reads_sees_one_state_whatever_is_written_meanwhile(opened):
    one, other = opened(), opened()
    with one.reading() as session:
        before = session.scalars(select(AssignmentTable.sha256)).all()
        with other.writing() as writer:
            writer.add(AssignmentTable(sha256="a" * 64, name="a", content="{}"))
        assert session.scalars(select(AssignmentTable.sha256)).all() == before == []
    with one.reading() as session:
        assert len(session.scalars(select(AssignmentTable.sha256)).all()) == 1


def test_an_error_takes_back_what_was_written_with_it(store):
    with pytest.raises(ZeroDivisionError), store.writing() as session:
        session.add(AssignmentTable(sha256="a" * 64, name="a", content="{}"))
        session.flush()
        1 / 0  # noqa: B018
    with store.reading() as session:
        assert session.get(AssignmentTable, "a" * 64) is None


def test_processes_that_make_the_tables_at_the_same_time_all_succeed(address, tmp_path):
    script = (
        "import sys, pathlib; from harness.cohort.store.store import open_store; "
        "open_store(sys.argv[1], pathlib.Path(sys.argv[2])).close()"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, address, tmp_path / "files"],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], said


def test_a_store_of_a_newer_harness_is_not_touched(opened, address, tmp_path):
    with opened().engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UsageError, match="written by a newer harness; expected one of this version"):
        open_store(address, tmp_path / "files")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "nowhere/cohort.db",
            "nowhere/cohort.db: no such file; expected a store. Make one with",
        ),
        ("mysql://localhost/x", "expected a path or postgresql://user@host/name, got a mysql database"),
        ("://", "not an address; expected a path or postgresql://user@host/name"),
    ],
)
def test_what_is_no_store_is_said(where, message):
    with pytest.raises(UsageError, match=message):
        open_store(where, must_exist=True)


def test_what_is_opened_for_reading_is_read_while_others_write_and_cannot_be_written(
    store, address, tmp_path, config, handed_in
):
    enter_config(store, config)
    reading = open_for_reading(address, tmp_path / "files")
    enter(store, handed_in("ada"), config)
    assert [row.student for row in rows(reading)] == ["ada"]
    with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
        enter(reading, handed_in("bob"), config)
    reading.close()
    assert [row.student for row in rows(store)] == ["ada"]


def test_what_cannot_be_opened_for_reading_is_said(opened, address, tmp_path):
    with pytest.raises(UsageError, match=r"none\.db: no such file; expected a store\. Make one with"):
        open_for_reading(str(tmp_path / "none.db"))
    with pytest.raises(
        UsageError, match=r"--store postgresql://.*cannot be opened \(.*\). Name another store"
    ):
        open_for_reading(f"postgresql://grader@/x?host={tmp_path}")
    (tmp_path / "other.db").touch()
    with pytest.raises(
        UsageError, match=r"other\.db: of another version of the harness, or no store; expected"
    ):
        open_for_reading(str(tmp_path / "other.db"))
    with opened().engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(
        UsageError, match="Run harness cohort failures on it once, which brings it up to date"
    ):
        open_for_reading(address, tmp_path / "files")
    assert not (tmp_path / "none.files").exists()


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, " * 100)
    with pytest.raises(UsageError, match=r"notes.txt: cannot be opened \(file is not a database\)"):
        open_store(str(tmp_path / "notes.txt"))


def test_a_server_that_does_not_answer_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"--store postgresql://.*cannot be opened \(.*\). Name another"):
        open_store(f"postgresql://grader@/x?host={tmp_path}", tmp_path / "files")


def test_the_files_of_a_sqlite_store_lie_beside_it(tmp_path):
    store = open_store(str(tmp_path / "cohort.db"))
    store.close()
    assert store.objects.root == tmp_path / "cohort.files"


def test_a_folder_for_files_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/x: cannot be written \(Not a directory\). Name another"):
        open_store(str(tmp_path / "cohort.db"), tmp_path / "file" / "x")
