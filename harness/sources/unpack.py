"""Unpack an archive that a stranger made: its sources, and nothing else of it.

An entry is only ever read and written as a new regular file at a path that has been checked; entries that are
no sources are not even read from a zip file. What is refused is refused as a whole, with the entry's name.
"""

import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from gzip import GzipFile
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, BinaryIO

from harness.base.errors import UsageError
from harness.sources.archives import ZIP, check_kind
from harness.sources.files import (
    MAX_BYTES,
    MAX_FILES,
    MAX_NAME,
    MAX_PATH,
    is_source,
    is_too_long,
    name_in_copy,
    too_much,
)

MAX_ENTRIES = 100_000
MAX_UNPACKED = 2 * 2**30
"""Bytes of a whole tar archive, sources or not, and of all archives in a folder or in an archive."""
MAX_RATIO = 200
"""Bytes of a source for each byte of it in the archive; text seldom reaches 20."""
_ALWAYS_ALLOWED = 2**20
"""Bytes that may come of any archive, whatever the ratio."""
_MAX_READ = 16 * 2**20
_CHUNK = 2**16
_IS_UTF_8 = 0x800  # of a zip entry's flags
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, ends of lines, and what makes a text run backwards."""


@dataclass(frozen=True)
class _Entry:
    """One entry of an archive: how it is called, what is wrong with it, how to read it."""

    name: str
    wrong: str
    packed: int | None
    """Bytes it takes in the archive; None where that is not known of a single entry."""
    read: Callable[[], IO[bytes] | None]


def unpack(archive: Path, to: Path) -> Path:
    """Unpack an archive's sources below `to`; returns the submission's folder in it.

    Raises:
        UsageError: not an archive, damaged, or an entry that no honest submission has.
    """
    try:
        with archive.open("rb") as file:
            return unpack_file(file, to, archive.name)
    except OSError as error:
        raise _refused(
            archive.name, "cannot be unpacked", "an archive that can be read", str(error.strerror)
        ) from None


def unpack_file(
    file: BinaryIO,
    to: Path,
    name: str,
    *,
    renamed: Callable[[str], str | None] = lambda entry: entry,
    accepts: Callable[[PurePath], bool] = is_source,
) -> Path:
    """Unpack an open archive as `unpack` does; `name` says of which kind it is, and is for messages.

    An entry is written under the name that `renamed` gives it, if it gives one, and if that is `accepts`.

    Raises:
        UsageError: as `unpack`.
    """
    write = partial(_write_all, to=to, archive=name, renamed=renamed, accepts=accepts)
    check_kind(file, name)
    try:
        if name.lower().endswith(ZIP):
            write(_zip_entries(file, name))
        else:
            _unpack_tar(file, name, write)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise _refused(name, "cannot be unpacked", "an archive that is whole", _plain(str(error))) from None
    except (ValueError, IndexError, MemoryError, NotImplementedError, RuntimeError, UnicodeError) as error:
        raise _refused(name, "cannot be unpacked", "a plain archive", _plain(str(error))) from None
    return _innermost(to)


def names_in_zip(file: BinaryIO, name: str) -> tuple[str, ...]:
    """List the files of a zip archive, as it has them, folders left out; `name` is for messages.

    Raises:
        UsageError: not a zip archive, damaged, or more than `MAX_ENTRIES`.
    """
    try:
        with zipfile.ZipFile(_Bounded(file, name)) as archive:
            names = tuple(_entry_name(info) for info in archive.infolist() if not info.is_dir())
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError) as error:
        raise UsageError(
            f"{name}: cannot be read as a zip file ({_plain(str(error))}); expected the download as it is. "
            "Download it again."
        ) from None
    if len(names) > MAX_ENTRIES:
        raise _refused(name, "too many entries", f"at most {MAX_ENTRIES:,}", "more")
    return names


def read_from_zip(file: BinaryIO, entry: str, most: int, name: str) -> bytes:
    """Read at most so many bytes of an entry of a zip archive; none where there is no such entry.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(_Bounded(file, name)) as archive:
            for info in archive.infolist():
                if _entry_name(info) == entry:
                    with archive.open(info) as opened:
                        return opened.read(most)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _refused(name, f"{_plain(entry)} cannot be read", "a zip that is whole", str(error)) from None
    return b""


def unpack_tar(file: IO[bytes], to: Path, name: str, *, without_links: bool = False) -> None:
    """Unpack the sources of a tar archive, compressed by gzip or not, below `to`; `name` is for messages.

    A link is refused, or left out if that is asked for.

    Raises:
        UsageError: an entry that no honest submission has.
        OSError, EOFError, tarfile.TarError, zlib.error: a damaged archive.
    """
    write = partial(_write_all, to=to, archive=name, renamed=lambda entry: entry, accepts=is_source)
    _unpack_tar(file, name, write, without_links=without_links)


# Private functions


class _Bounded:
    """Reads a file from one end to the other, in small steps, up to a limit.

    `tarfile` and `zipfile` read a header, or a directory of all entries, in one step of the size that the
    archive itself names; and `tarfile` of Python 3.11 follows an archive backwards without end.
    """

    def __init__(self, file: IO[bytes] | GzipFile, name: str, most: int | None = None) -> None:
        self._file, self._name, self._most = file, name, most
        self._furthest = 0

    def read(self, size: int = -1) -> bytes:
        size = _MAX_READ + 1 if size < 0 else size
        data = self._file.read(min(size, _MAX_READ + 1))
        if len(data) > _MAX_READ:
            raise _refused(self._name, "a header is too large", f"at most {_MAX_READ // 2**20} MiB", "more")
        self._must_stay_below(self.tell())
        self._furthest = self.tell()
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if self._most is not None and offset < self._furthest - tarfile.BLOCKSIZE:
            raise _refused(self._name, "an entry points backwards", "entries one after another", "a loop")
        self._must_stay_below(offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def _must_stay_below(self, offset: int) -> None:
        # A zip file has no limit here: it is read from its end, and each of its entries has one.
        if self._most is not None and offset > self._most:
            raise _refused(
                self._name, "grows too much as it is unpacked", f"at most {self._most:,} bytes", "more"
            )


def _unpack_tar(
    file: IO[bytes], name: str, write: Callable[[Iterator[_Entry]], None], *, without_links: bool = False
) -> None:
    packed = file.seek(0, io.SEEK_END)
    file.seek(0)
    compressed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    most = min(MAX_UNPACKED, packed * MAX_RATIO + 64 * 2**20) if compressed else MAX_UNPACKED
    with closing(GzipFile(fileobj=file)) if compressed else closing(file) as stream:
        bounded = _Bounded(stream, name, most)
        with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]
            write(_tar_entries(tar, without_links))


def _zip_entries(file: BinaryIO, name: str) -> Iterator[_Entry]:
    with zipfile.ZipFile(_Bounded(file, name)) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            kind = info.external_attr >> 28
            wrong = "encrypted" if info.flag_bits & 1 else "" if kind in (0, 8) else "a link or a device"
            yield _Entry(_entry_name(info), wrong, info.compress_size, partial(archive.open, info))


def _entry_name(info: zipfile.ZipInfo) -> str:
    """Return an entry's name; macOS writes UTF-8 without the flag that says so."""
    name = info.filename.replace("\\", "/")
    if info.flag_bits & _IS_UTF_8:
        return name
    try:
        return name.encode("cp437").decode()
    except UnicodeError:
        return name


def _tar_entries(tar: tarfile.TarFile, without_links: bool) -> Iterator[_Entry]:  # noqa: FBT001
    for member in tar:
        if member.isdir() or (without_links and member.issym()):
            continue
        wrong = "" if member.isreg() and not member.issparse() else "a link or a device"
        yield _Entry(member.name, wrong, None, partial(tar.extractfile, member))


def _write_all(
    entries: Iterator[_Entry],
    to: Path,
    archive: str,
    renamed: Callable[[str], str | None],
    accepts: Callable[[PurePath], bool],
) -> None:
    written: set[PurePosixPath] = set()
    left = {True: MAX_BYTES, False: MAX_UNPACKED}  # of sources, and of archives that hold some
    for number, entry in enumerate(entries, start=1):
        if number > MAX_ENTRIES:
            raise _refused(archive, "too many entries", f"at most {MAX_ENTRIES:,}", "more")
        if (name := renamed(entry.name)) is None:
            continue
        path = name_in_copy(_inside(name, archive))
        if not accepts(path):
            continue
        _check(entry, path, archive, written)
        written.add(path)
        if len(written) > MAX_FILES:
            raise UsageError(too_much(archive))
        file = to / path
        file.parent.mkdir(parents=True, exist_ok=True)
        left[is_source(path)] -= _write(entry, file, archive, left[is_source(path)])


def _inside(name: str, archive: str) -> PurePosixPath:
    """Convert an entry's name into a path that stays in the submission's folder."""
    # Some programs for Windows write backslashes.
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise _refused(
            archive, "an entry lies outside the submission", "names below the archive's folder", _plain(name)
        )
    return path


def _check(entry: _Entry, path: PurePosixPath, archive: str, written: set[PurePosixPath]) -> None:
    name = _plain(entry.name)
    if is_too_long(path):
        most = f"at most {MAX_NAME} bytes for a name and {MAX_PATH:,} in all"
        raise _refused(archive, f"the path {name[:100]}... is too long", most, "more")
    if _CONTROLS.search(entry.name):
        raise _refused(archive, "an entry's name has control characters", "a name that can be printed", name)
    if entry.wrong:
        raise _refused(archive, f"{name} is {entry.wrong}", "plain files", "something else")
    if path in written:
        raise _refused(archive, f"{name} is in it twice", "every file once", "two files of one name")


def _write(entry: _Entry, file: Path, archive: str, left: int) -> int:
    most = left if entry.packed is None else min(left, entry.packed * MAX_RATIO + _ALWAYS_ALLOWED)
    size = 0
    opened = entry.read()
    assert opened is not None  # a regular file
    with opened as source, file.open("xb") as target:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > most:
                if most == left:
                    raise UsageError(too_much(archive))
                raise _refused(
                    archive, f"{_plain(entry.name)} grows too much as it is unpacked",
                    f"at most {MAX_RATIO} bytes for each byte in the archive", "more",
                )  # fmt: skip
            target.write(chunk)
    return size


def _innermost(folder: Path) -> Path:
    """Return the folder below those that hold one folder alone, as archives usually begin with one."""
    inside = list(folder.iterdir())
    return _innermost(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder


def _plain(text: str) -> str:
    return ascii(text[:200])


def _refused(archive: str, what: str, expected: str, got: str) -> UsageError:
    return UsageError(
        f"{archive}: {what}; expected {expected}, got {got}. Pack the submission's files again."
    )
