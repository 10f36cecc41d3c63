"""Open a store: a database (SQLite, or PostgreSQL for several machines) and a folder of files beside it."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.orm import Session

from harness.base.errors import UsageError
from harness.base.installation import how_to_install
from harness.cohort.store.objects import Objects

MIGRATIONS = Path(__file__).with_name("migrations")
EMPTY = "the store is empty; expected submissions. Grade some with harness cohort grade."
BUSY_S = 60
"""Most seconds to wait for another process that writes to the same SQLite file."""
_RACE_S = 10.0
_TRIES = 3

Result = TypeVar("Result")


@dataclass(frozen=True)
class Store:
    """An open store. `writing` commits at the end of its block, and rolls back on an error."""

    engine: Engine
    objects: Objects

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that sees one state of the store."""
        options: dict[str, Any] = {"writes": False}
        if self.engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"  # else every statement sees another state
        with Session(self.engine.execution_options(**options), expire_on_commit=False) as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session whose changes are seen all at once, or not at all; keep it short."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def write(self, change: Callable[[Session], Result]) -> Result:
        """Write what depends on what is there; once more if another process was faster with the same."""
        for _ in range(_TRIES - 1):
            with contextlib.suppress(IntegrityError), self.writing() as session:
                return change(session)
        with self.writing() as session:
            return change(session)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextlib.contextmanager
def opened_store(where: str, files: Path | None = None, *, must_exist: bool = False) -> Iterator[Store]:
    """Open a store, and close it in the end; see `open_store`."""
    store = open_store(where, files, must_exist=must_exist)
    try:
        yield store
    finally:
        store.close()


def open_store(where: str, files: Path | None = None, *, must_exist: bool = False) -> Store:
    """Open a store, make its tables if there are none, and bring older ones up to date.

    `where` is the path of a SQLite file, or ``postgresql://user@host/name``. `files` is the folder of files,
    if not given the one beside the SQLite file, or ``cohort.files`` here.

    Raises:
        UsageError: there is none where there must be one, it cannot be opened, it is no store, or it was
            written by a newer harness.
    """
    url = _url(where)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        if must_exist and not path.is_file():
            raise _no_store(where)
        files = files or path.with_suffix(".files")
    engine = _engine(url)
    with _closed_on_error(engine, where):
        _migrate(engine, where)
        return Store(engine, Objects(files or Path("cohort.files")))


def open_for_reading(where: str, files: Path | None = None) -> Store:
    """Open a store that others may be writing to; nothing can be written through it. See `open_store`.

    Raises:
        UsageError: there is none, it cannot be opened, or it is of another version of the harness.
    """
    url = _url(where)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        if not path.is_file():
            raise _no_store(where)
        files = files or path.with_suffix(".files")
        url = url.set(database=path.as_uri(), query={"mode": "ro", "uri": "true"})
        engine = create_engine(url, connect_args={"timeout": BUSY_S})
        event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    else:
        engine = _engine(url, {"options": "-c default_transaction_read_only=on"})
    with _closed_on_error(engine, where):
        with engine.connect() as connection:
            found = _revision(connection)
        if found != _newest():
            raise _of_another_version(where)
        return Store(engine, Objects(files or Path("cohort.files"), writable=False))


# Private functions


def _of_another_version(where: str) -> UsageError:
    return UsageError(
        f"--store {where}: of another version of the harness, or no store; expected one of this version. "
        "Run harness cohort failures on it once, which brings it up to date."
    )


def _no_store(where: str) -> UsageError:
    return UsageError(f"--store {where}: no such file; expected a store. Make one with harness cohort grade.")


def _url(where: str) -> URL:
    """Read what is named on the command line: a path, or a database's address."""
    if "://" not in where:
        return URL.create("sqlite", database=str(Path(where).absolute()))
    try:
        url = make_url(where)
    except ArgumentError:
        raise UsageError(
            f"--store {where}: not an address; expected a path or postgresql://user@host/name."
        ) from None
    known = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    if (name := url.get_backend_name()) not in known:
        raise UsageError(f"--store: expected a path or postgresql://user@host/name, got a {name} database.")
    return url.set(drivername=known[name])


def _engine(url: URL, connect: Mapping[str, Any] = MappingProxyType({})) -> Engine:
    try:
        engine = create_engine(
            url, pool_pre_ping=url.get_backend_name() != "sqlite", connect_args=dict(connect)
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        raise UsageError(
            "--store: the driver of PostgreSQL is not installed; expected psycopg 3. "
            "Install it: " + how_to_install("psycopg", "psycopg-binary")
        ) from None
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """Set SQLite up so that readers and one writer work side by side, and wait for one another."""
    connection.isolation_level = None  # transactions begin where we say, see `_begin_sqlite`
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    """Lock the database at once where something may be written: a later request may be refused."""
    writes = connection.get_execution_options().get("writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def _closed_on_error(engine: Engine, where: str) -> Iterator[None]:
    """Close what cannot be used, and say in a sentence why a database does not answer."""
    try:
        yield
    except DBAPIError as error:
        engine.dispose()
        reason = str(error.orig).strip().splitlines()[0]
        raise UsageError(f"--store {where}: cannot be opened ({reason}). Name another store.") from None
    except UsageError:
        engine.dispose()
        raise


def _newest() -> str:
    """Return the revision that this harness writes: the number of the last migration."""
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v*.py"))


def _revision(connection: Connection) -> str | None:
    """Return the revision of a database, None where there is no table of ours; Alembic takes long to load."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _migrate(engine: Engine, where: str) -> None:
    """Migrate the tables to this version. Of several processes that try, one does and the others see it."""
    newest, until = _newest(), time.monotonic() + _RACE_S
    while True:
        with engine.execution_options(writes=False).connect() as connection:
            if _revision(connection) == newest:
                return
        try:
            with engine.begin() as connection:
                _upgrade(connection, where)
        except DBAPIError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _upgrade(connection: Connection, where: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise UsageError(
            f"--store {where}: written by a newer harness; expected one of this version. "
            "Install the newer harness."
        ) from None
