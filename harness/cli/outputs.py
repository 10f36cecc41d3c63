"""Output folders of commands: checked before the work, used by one run at a time; no grade is lost."""

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.record.record import Record


UNFINISHED = ".unfinished"
"""In a results folder: a grade has begun, and not come to its end."""


def check_writable(folder: Path, option: str = "--out") -> None:
    """Find out before the work, not after it, that its results could not be written; makes the folder.

    Raises:
        UsageError: they could not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{option} {folder}: cannot be written ({reason}). Name another folder.") from None


def check_file(file: str | Path | None, option: str = "--json") -> None:
    """Find out before the work that a file could not be written; None and "-" are no files.

    Raises:
        UsageError: it could not.
    """
    if file is None or str(file) == "-":
        return
    path = Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISDIR(mode := _mode(path)):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if mode and not stat.S_ISREG(mode):  # a device or a pipe: to open it may not end
            return
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{option} {file}: cannot be written ({reason}). Name another file.") from None


def clear_file(file: Path | None, option: str) -> None:
    """Remove what an earlier run has written, so that it is not taken for the result of this one.

    Raises:
        UsageError: the file could not be written again.
    """
    check_file(file, option)
    if file is not None and file.is_file():  # a device or a pipe holds no result
        file.unlink()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lock a results folder against other runs while this one writes to it.

    Raises:
        UsageError: another run is at it, or it cannot be written.
    """
    check_writable(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not _is_locked_by_us(descriptor):
            raise UsageError(
                f"--out {folder}: in use by another run of the harness; expected a folder of its own for "
                "each. Wait until that run has ended, or name another folder."
            )
        yield
    finally:
        os.close(descriptor)


@contextmanager
def unfinished(folder: Path) -> Iterator[bool]:
    """Mark a results folder until a grade has come to its end; yields whether the last one did not."""
    mark = folder / UNFINISHED
    was_interrupted = mark.exists()
    mark.touch()
    yield was_interrupted
    mark.unlink(missing_ok=True)


@contextmanager
def nothing_lost(record: "Record", to: str | Path) -> Iterator[None]:
    """Print the record where what is written `to` cannot be: what was graded need not be graded again.

    Raises:
        HarnessError: they could not be written.
    """
    from harness.cli.result_tables import show_record
    from harness.record.record import to_json

    try:
        yield
    except OSError as error:
        show_record(record)
        sys.stdout.write(to_json(record))
        sys.stdout.flush()
        raise HarnessError(
            f"{error.filename or to}: cannot be written ({error.strerror}), and what is there may "
            "be incomplete. The record itself is on standard output: make room, save it as scorecard.json, "
            "and write the reports with harness report scorecard.json."
        ) from None


# Private functions


def _mode(path: Path) -> int:
    """Return the kind and rights of what is at a path; 0 where nothing is."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0


def _is_locked_by_us(descriptor: int) -> bool:
    """Lock an open folder; False if another process has. Where a file system has no locks, nobody has."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
