"""Folders of files that never change, each named by the hash of what it holds.

A folder is complete before it has its name: a process killed at any moment leaves a folder with a name
that nothing refers to, or none.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.base.errors import UsageError

ABANDONED_S = 7 * 24 * 3600
"""Nobody is at an unfinished folder any more in which nothing was made for so long."""


class Objects:
    """The folders below `root`: ``ab/cdef…``, and unfinished ones in ``unfinished``."""

    def __init__(self, root: Path, *, writable: bool = True) -> None:
        """Open them; the folder is made if it is not there and is to be written to.

        Raises:
            UsageError: it cannot be written to.
        """
        self.root = root.absolute()
        if not writable:
            return
        try:
            (self.root / "unfinished").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"{root}: cannot be written ({reason}). Name another with --files.") from None

    def progress(self, key: str) -> Path:
        """Return the path where the trainings of a task write how far they are."""
        return self.root / "progress" / f"{key}.jsonl"

    def path(self, sha256: str) -> Path:
        """Return the path of the folder with a hash."""
        return self.root / sha256[:2] / sha256[2:]

    @contextmanager
    def unfinished(self) -> Iterator[Path]:
        """Yield an empty folder to fill; it is removed in the end unless `adopt` has moved it."""
        folder = self.root / "unfinished" / secrets.token_hex(8)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def clean(self) -> None:
        """Remove what killed processes have left unfinished long ago."""
        for folder in (self.root / "unfinished").iterdir():
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, folder: Path) -> str:
        """Move a folder into the store, its files synced to disk; return its hash."""
        sha256 = tree_sha256(folder)
        place = self.path(sha256)
        if place.exists():
            return sha256
        for file in sorted(folder.rglob("*")):
            _flush(file)
        place.parent.mkdir(exist_ok=True)
        try:
            folder.rename(place)
        except OSError:
            if not place.exists():  # else another grader was faster, with the same files
                raise
        _flush(place.parent)
        return sha256


def tree_sha256(folder: Path) -> str:
    """Hash a folder's files, by relative path and content; empty folders do not count."""
    sha = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        sha.update(f"{file.relative_to(folder).as_posix()}\0{content}\n".encode())
    return sha.hexdigest()


# Private functions


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
