"""Archives: which files are one, which of them are opened, and what to submit instead of the others."""

from pathlib import PurePath
from typing import BinaryIO

from harness.base.errors import UsageError

ZIP = ".zip"
ARCHIVES = (ZIP, ".tar.gz", ".tgz", ".tar")
OTHER_ARCHIVES = (
    ".rar", ".7z", ".zipx", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz", ".gz",
    ".bz2", ".xz", ".zst", ".lz", ".z", ".lzh", ".arj", ".ace", ".cab", ".sit", ".sitx", ".dmg", ".iso",
)  # fmt: skip
"""Suffixes of archives that are not opened: what opens them is not part of Python, or has no limits here."""
_PACK_AGAIN = "Pack the files as a .zip (on Windows and macOS: Compress) and hand that in."
_MADE_BY = {b"Rar!": "a RAR", b"7z\xbc\xaf": "a 7z", b"BZh": "a bzip2", b"\xfd7zX": "an xz"}
"""How an archive of another kind begins, whatever it is called."""


def is_archive(path: PurePath) -> bool:
    """Return whether a file, by its name, is an archive that can be unpacked."""
    return path.name.lower().endswith(ARCHIVES)


def is_other_archive(path: PurePath) -> bool:
    """Return whether a file, by its name, is an archive of a kind that is not opened."""
    return path.name.lower().endswith(OTHER_ARCHIVES) and not is_archive(path)


def other_archive(where: str, name: str) -> UsageError:
    """Return the error for an archive that is not opened: it says what to submit instead."""
    prefix = "" if where == name else f"{where}: "
    return UsageError(
        f"{prefix}{name}: an archive that is not opened here; expected .py files, a notebook, or one archive "
        f"of them ({', '.join(ARCHIVES)}). {_PACK_AGAIN}"
    )


def check_kind(file: BinaryIO, name: str) -> None:
    """Check by how it begins that an open file is no archive of another kind than its name says.

    Raises:
        UsageError: it is one; what to hand in instead is said.
    """
    begins = file.read(6)
    file.seek(0)
    for begin, kind in _MADE_BY.items():
        if begins.startswith(begin):
            raise UsageError(
                f"{name}: {kind} archive under another name; expected one of {', '.join(ARCHIVES)}. "
                f"{_PACK_AGAIN}"
            )
