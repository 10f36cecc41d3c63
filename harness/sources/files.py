"""The source files of a submission, and a copy of them where nobody can change them any more.

Whoever handed it in may still write to the folder while it is read: a file is looked at through the
descriptor that it is then read from, and no link is ever followed. In the copy every name is as Python
looks for it, whatever system the file comes from; see `name_in_copy`.
"""

import errno
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import BinaryIO, TypeVar

from harness.base.errors import UsageError

PROGRAMS = (".py", ".ipynb")
SUFFIXES = frozenset({*PROGRAMS, ".json", ".toml", ".yaml", ".yml", ".txt", ".cfg", ".ini"})
"""What a model's code may read beside itself."""
MAX_FILES = 2_000
MAX_BYTES = 128 * 2**20
MAX_PATH = 1_024
"""Bytes of a file's path in the submission."""
MAX_NAME = 255
"""Bytes of a file's name: file systems have no longer ones."""
NOT_SOURCE = frozenset({"__pycache__", "__MACOSX", "site-packages", "node_modules", "venv"})

_Path = TypeVar("_Path", bound=PurePath)


def is_source(relative: PurePath) -> bool:
    """Return whether a file, by its path in the submission, is one of its sources."""
    return name_in_copy(relative).suffix.lower() in SUFFIXES and not any(map(is_left_out, relative.parts))


def is_left_out(name: str) -> bool:
    """Return whether a file or folder, by its name, is left out: hidden, or made by a program."""
    return name.startswith(".") or name in NOT_SOURCE


def name_in_copy(relative: _Path) -> _Path:
    """Return the path that a file has in a copy of the submission.

    Letters are composed (NFC), as Python composes those of an import; bytes that are not UTF-8 are written
    out; the name of a program has no invisible characters, and its suffix is in small letters.
    """
    folder, name = relative.parent, printable(relative.name)
    visible = "".join(c for c in name if unicodedata.category(c) != "Cf").replace("\u00a0", " ")
    if (suffix := PurePath(visible).suffix).lower() in PROGRAMS:
        name = visible.removesuffix(suffix) + suffix.lower()
    return relative.__class__(*map(printable, folder.parts), name)


def printable(name: str) -> str:
    """Compose the letters of a file's name (NFC), and write out bytes in it that are not UTF-8."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode(errors="backslashreplace"))


def source_files(root: Path) -> Iterator[Path]:
    """Walk over the sources below `root`, in the order of their names; links are left out.

    Raises:
        UsageError: more than `MAX_FILES` or `MAX_BYTES`, as in a home folder; one that cannot be read.
    """
    for relative, file in opened_files(root, is_source):
        file.close()
        yield root / relative


def too_much(where: str) -> str:
    """Return the message for something that holds more sources than one submission may."""
    return (
        f"{where}: too much to be one submission; expected at most {MAX_FILES:,} source files of "
        f"{MAX_BYTES // 2**20} MiB together, got more. Put the submission in a folder of its own."
    )


def copy_sources(root: Path, to: Path) -> None:
    """Copy the sources below `root`, readable by every user whatever the umask; links are left out.

    Each is named as `name_in_copy` says; of two files of one such name, the one that has it already is taken.

    Raises:
        UsageError: as `source_files`.
    """
    _make_folder(to)
    left = MAX_BYTES
    for relative, file in opened_files(root, is_source):
        name = name_in_copy(relative)
        copy = to / name
        with file:
            data = file.read(left + 1)
        left -= len(data)
        if left < 0:  # it has grown since
            raise UsageError(too_much(str(root)))
        if copy.exists() and name != relative:
            continue
        _make_folder(copy.parent)
        copy.write_bytes(data)
        copy.chmod(0o644)


def is_too_long(relative: PurePath) -> bool:
    """Return whether a path in a submission is longer than any that can be copied."""
    parts = [os.fsencode(part) for part in relative.parts]
    return sum(map(len, parts)) + len(parts) > MAX_PATH or any(len(part) > MAX_NAME for part in parts)


def on_disk(beside: Path, written: str | PurePath, known_as: Callable[[str], str] = printable) -> Path | None:
    """Find what a path names although a file system composes letters unalike; None where nothing is there.

    `known_as` gives the form in which two names are the same.
    """
    found = beside
    for part in PurePath(written).parts:
        if not os.path.lexists(exact := found / part):
            with suppress(OSError):
                alike = (one for one in sorted(found.iterdir()) if known_as(one.name) == known_as(part))
                exact = next(alike, exact)
        found = exact
    return found if os.path.lexists(found) else None


def opened_files(
    root: Path, accepts: Callable[[PurePath], bool], most: int = MAX_BYTES
) -> Iterator[tuple[PurePath, BinaryIO]]:
    """Open the files below `root` that are wanted, one by one: path in the submission, and the file.

    Links are left out, and so is what `is_left_out` names. `most` is in bytes, of all of them.

    Raises:
        UsageError: as `source_files`.
    """
    files = size = 0
    for folder, folders, names, descriptor in _walk(root):
        folders[:] = sorted(name for name in folders if not is_left_out(name))
        inside = folder.relative_to(root)
        _check_length(inside)
        for name in sorted(names):
            if not accepts(inside / name):
                continue
            file = open_regular(folder / name, descriptor)
            if file is None:
                continue
            _check_length(name_in_copy(inside / name))
            files, size = files + 1, size + os.fstat(file.fileno()).st_size
            if files > MAX_FILES or size > most:
                file.close()
                raise UsageError(too_much(str(root)))
            yield inside / name, file


def open_regular(path: Path, folder: int | None = None) -> BinaryIO | None:
    """Open a file, by its name in an open folder if one is given; None for a link, a pipe, a device.

    Raises:
        UsageError: it cannot be read.
    """
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path if folder is None else path.name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            return None
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); expected a source file of the submission. "
            "Make it readable, or take it out of the folder."
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")


# Private functions


def _make_folder(folder: Path) -> None:
    """Make a folder, and those on the way, so that every user may enter; the umask has no say."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _check_length(relative: PurePath) -> None:
    if is_too_long(relative):
        raise UsageError(
            f"{str(relative)[:100]!a}...: too long a path; expected at most {MAX_NAME} bytes for a name "
            f"and {MAX_PATH:,} in all, got more. Shorten the names of the files and folders."
        )


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str], int | None]]:
    if hasattr(os, "fwalk"):
        for folder, folders, names, descriptor in os.fwalk(root):
            yield Path(folder), folders, names, descriptor
    else:  # Windows, where one checks one's own work
        for folder, folders, names in os.walk(root):
            yield Path(folder), folders, names, None
