"""Copy a submission to where the locked child can read it, and nothing beside it."""

import os
import shutil
from pathlib import Path

from harness.errors import UsageError

SUFFIXES = frozenset({".py", ".ipynb", ".json", ".toml", ".yaml", ".yml", ".txt", ".cfg", ".ini"})
"""What a model's code may read beside itself."""
MAX_FILES = 2_000
MAX_BYTES = 32 * 2**20
_NOT_SOURCE = frozenset({"__pycache__", "site-packages", "node_modules", "venv"})


def copy_sources(root: Path, to: Path) -> None:
    """Copy source and settings files below `root`, readable by every user; links are left out.

    Raises:
        UsageError: more than `MAX_FILES` or `MAX_BYTES`, as in a home folder.
    """
    files = size = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_SOURCE)
        here = to / Path(folder).relative_to(root)
        here.mkdir(mode=0o755)
        for name in sorted(names):
            file = Path(folder) / name
            if file.suffix.lower() not in SUFFIXES or file.is_symlink() or not file.is_file():
                continue
            files, size = files + 1, size + file.stat().st_size
            if files > MAX_FILES or size > MAX_BYTES:
                raise UsageError(
                    f"{root}: too much to be one submission; expected at most {MAX_FILES:,} source files of "
                    f"{MAX_BYTES // 2**20} MiB together, got more. Put the submission in a folder of its own."
                )
            shutil.copyfile(file, here / name)
            (here / name).chmod(0o644)
