"""Which files of a submission are its sources, and a copy of them where the locked child can read it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePath

from harness.errors import UsageError

SUFFIXES = frozenset({".py", ".ipynb", ".json", ".toml", ".yaml", ".yml", ".txt", ".cfg", ".ini"})
"""What a model's code may read beside itself."""
MAX_FILES = 2_000
MAX_BYTES = 128 * 2**20
NOT_SOURCE = frozenset({"__pycache__", "__MACOSX", "site-packages", "node_modules", "venv"})


def is_source(relative: PurePath) -> bool:
    """Tell whether a file, by its path in the submission, is one of its sources."""
    return relative.suffix.lower() in SUFFIXES and not any(map(_is_left_out, relative.parts))


def source_files(root: Path) -> Iterator[Path]:
    """Walk over the sources below `root`, in the order of their names; links are left out.

    Raises:
        UsageError: more than `MAX_FILES` or `MAX_BYTES`, as in a home folder.
    """
    files = size = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        for file in (Path(folder) / name for name in sorted(names)):
            if not is_source(file.relative_to(root)) or file.is_symlink() or not file.is_file():
                continue
            files, size = files + 1, size + file.stat().st_size
            if files > MAX_FILES or size > MAX_BYTES:
                raise UsageError(too_much(str(root)))
            yield file


def too_much(where: str) -> str:
    """Say that something holds more sources than one submission may."""
    return (
        f"{where}: too much to be one submission; expected at most {MAX_FILES:,} source files of "
        f"{MAX_BYTES // 2**20} MiB together, got more. Put the submission in a folder of its own."
    )


def copy_sources(root: Path, to: Path) -> None:
    """Copy the sources below `root`, readable by every user.

    Raises:
        UsageError: as `source_files`.
    """
    to.mkdir(mode=0o755)
    for file in source_files(root):
        copy = to / file.relative_to(root)
        copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        copy.chmod(0o644)


# Private functions


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in NOT_SOURCE
