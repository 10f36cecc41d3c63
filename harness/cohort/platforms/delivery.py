"""A class as the platform hands it out: a folder, or the zip file of all; nothing is unpacked here."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.base.errors import UsageError
from harness.cohort.platforms.download_layouts import METADATA, SCORES, Contents, Layout, recognise
from harness.sources.files import is_left_out, open_regular
from harness.sources.unpack import names_in_zip, read_from_zip

_DEPTH = 4
"""Folders below each other that a layout can consist of."""
_MOST_PATHS = 200_000
_MOST_TEXT = 64 * 2**20
"""Bytes of a file that the platform has written."""
_CLONE = ".git"


@dataclass(frozen=True)
class Delivery:
    """A platform's download of a class: its place, and what is in it."""

    path: Path
    """A folder, or a zip file."""
    contents: Contents
    inside: str = ""
    """The folder in it that is the whole: "", or with a "/" behind it."""
    may_be: tuple[str, Layout] | None = None
    """The one folder in it that a platform may have laid out, though it was not taken for the whole."""

    @property
    def is_zip(self) -> bool:
        """Whether it is a zip file."""
        return self.path.is_file()


def open_delivery(path: Path, layout: Layout | None = None) -> Delivery:
    """Open a folder or a zip file, and list what lies in it.

    One folder around all of it is not the class: in a zip file, and where a `layout` is asked for that its
    contents have. Else it may be a student's, who must not hand in for others.

    Raises:
        UsageError: it cannot be read.
    """
    delivery = _of_zip(path) if path.is_file() else _of_folder(path)
    top = delivery.contents.top
    if len(top) != 1 or not top[0].endswith("/") or recognise(delivery.contents) != "plain":
        return delivery
    inner = replace(delivery, contents=delivery.contents.below(top[0]), inside=top[0])
    found = recognise(inner.contents)
    if delivery.is_zip or (found != "plain" and found == layout):
        return inner
    return delivery if found == "plain" else replace(delivery, may_be=(top[0].rstrip("/"), found))


# Private functions


def _of_folder(folder: Path) -> Delivery:
    paths: list[str] = []
    links: list[str] = []
    for path, is_link in _walk(folder, "", _DEPTH):
        paths.append(path)
        if is_link:
            links.append(path)
        if len(paths) > _MOST_PATHS:
            raise UsageError(
                f"{folder}: too much to be a class; expected at most {_MOST_PATHS:,} files, got more. "
                "Name the folder that holds the submissions."
            )
    contents = Contents(tuple(paths), folder.absolute().name, partial(_text, folder), frozenset(links))
    return Delivery(folder.absolute(), contents)


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, bool]]:
    """Walk over files and folders, in the order of their names; of links, their names alone."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if prefix:
            return
        raise UsageError(f"{folder}: cannot be read ({error.strerror}). Name another folder.") from None
    for entry in entries:
        if is_left_out(entry.name) and (entry.name != _CLONE or not prefix):
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        yield f"{prefix}{entry.name}{'/' if is_folder else ''}", entry.is_symlink()
        if is_folder and depth > 1 and entry.name != _CLONE:
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", depth - 1)


def _of_zip(path: Path) -> Delivery:
    with path.open("rb") as file:
        names = names_in_zip(file, path.name)
    there = [name for name in names if not any(map(is_left_out, name.split("/")))]
    contents = Contents(tuple(sorted(there)), path.name, partial(_text_in_zip, path))
    return Delivery(path.absolute(), contents)


def _text(folder: Path, path: str) -> str:
    if not os.path.lexists(folder / path) or (file := open_regular(folder / path)) is None:
        return ""
    with file:
        return _decoded(path, file.read(_MOST_TEXT + 1))


def _text_in_zip(archive: Path, path: str) -> str:
    with archive.open("rb") as file:
        return _decoded(path, read_from_zip(file, path, _MOST_TEXT + 1, archive.name))


def _decoded(path: str, data: bytes) -> str:
    if len(data) > _MOST_TEXT:
        raise UsageError(
            f"{path}: too large; expected at most {_MOST_TEXT // 2**20} MiB of a {METADATA} or {SCORES}, got "
            "more. Name the folders one by one in a .csv file."
        )
    return data.decode("utf-8-sig", errors="replace")
