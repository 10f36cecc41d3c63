"""Folders whose content was submitted packed, or that hold nothing to judge."""

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePath

from harness.base.errors import UsageError
from harness.sources.archives import ARCHIVES, ZIP, is_archive, is_other_archive, other_archive
from harness.sources.files import (
    PROGRAMS,
    is_left_out,
    is_source,
    name_in_copy,
    opened_files,
    source_files,
)
from harness.sources.unpack import MAX_UNPACKED, names_in_zip, unpack_file

MAX_ARCHIVES = 20
"""Archives of one submission that are opened."""
_NAMED = 5
_LOOKED_AT = 1_000
_TEXT = ("text.html", "link.html")
"""What course platforms write for a text, or an address, that was entered in place of a file."""


def is_source_or_archive(relative: PurePath) -> bool:
    """Return whether a file, by its path in a submission, is a source or an archive that can hold some."""
    return is_source(relative) or is_packed(relative)


def is_packed(relative: PurePath) -> bool:
    """Return whether a file, by its path in a submission, is an archive that can hold sources."""
    return is_archive(relative) and not any(map(is_left_out, relative.parts))


def holds_program(folder: Path) -> bool:
    """Return whether a Python file or a notebook is below a folder."""
    return any(name_in_copy(file).suffix in PROGRAMS for file in source_files(folder))


def open_archives(folder: Path, to: Path) -> Path | None:
    """Unpack the archives below a folder into the empty folder `to`, one level; None where there are none.

    Returns the folder of the one that holds a program, or `to` where several do, or none.

    Raises:
        UsageError: an archive that is refused, or more than one submission may hold.
    """
    opened = []
    for number, (relative, file) in enumerate(opened_files(folder, is_packed, MAX_UNPACKED)):
        if number == MAX_ARCHIVES:
            file.close()
            raise UsageError(
                f"{folder.name}: too many archives; expected at most {MAX_ARCHIVES}, got more. "
                "Pack the submission's files into one."
            )
        place = to / f"{number}" / _stem(relative)
        place.mkdir(parents=True)
        with file:
            opened.append(unpack_file(file, place, relative.name))
        for _ in source_files(to):  # all of them are one submission, and have its limits together
            pass
    programs = [place for place in opened if holds_program(place)]
    if not opened:
        return None
    return programs[0] if len(programs) == 1 else to


def nothing_to_judge(where: str, names: Iterable[str]) -> UsageError:
    """Return the error for a submission that holds no program: what was expected, and what is there."""
    seen = [path for name in sorted(names) if not any(map(is_left_out, (path := PurePath(name)).parts))]
    if (other := next(filter(is_other_archive, seen), None)) is not None:
        return other_archive(where, other.name)
    if (inner := next(filter(is_archive, seen), None)) is not None:
        return UsageError(
            f"{where}: no .py file or notebook; expected one, got {inner.name}, an archive that holds none "
            "itself or lies in another. Pack the files once, and hand that in."
        )
    if seen and all(path.name.endswith(_TEXT) for path in seen):
        return UsageError(
            f"{where}: a text was entered on the platform; expected a file with the model, got "
            f"{seen[0].name} alone. Hand in the .py file, the notebook, or one archive "
            f"({', '.join(ARCHIVES)})."
        )
    more = ", ..." if len(seen) > _NAMED else ""
    only = f", only {', '.join(path.name for path in seen[:_NAMED])}{more}" if seen else ""
    return UsageError(
        f"{where}: expected submission.toml, a .py file or a notebook, got none{only}. "
        "Name the folder that holds the model, or hand its file in."
    )


def names_below(folder: Path) -> list[str]:
    """List the files of a folder or a zip file, of whatever kind; not more than are worth naming."""
    if folder.is_file():
        if not folder.name.lower().endswith(ZIP):
            return []
        with folder.open("rb") as file:
            return list(names_in_zip(file, folder.name)[:_LOOKED_AT])
    walked = (
        (Path(here) / name).relative_to(folder).as_posix()
        for here, _, names in os.walk(folder)
        for name in names
    )
    return list(islice(walked, _LOOKED_AT))


# Private functions


def _stem(relative: PurePath) -> str:
    name = name_in_copy(relative).name
    suffix = next(end for end in ARCHIVES if name.lower().endswith(end))
    return name[: -len(suffix)].strip(". ") or "archive"
