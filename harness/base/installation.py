"""The installation: the harness's own files, the versions of packages, and how to add one."""

import importlib.metadata
import re
import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from harness import __version__

VERSION = __version__
PACKAGES = Path(__file__).resolve().parents[2]
"""Where a child process finds this package."""
_PINNED = re.compile(r"([\w.-]+)==([\w.+!-]+)")


def package_data(*parts: str) -> Path:
    """Return the path of a file or folder that comes with the harness: ``package_data("templates")``.

    A wheel has it below the package, in ``harness/shipped``; a checkout beside the package.
    """
    package = Path(str(resources.files("harness")))
    shipped = package / "shipped"
    return (shipped if shipped.is_dir() else package.parent).joinpath(*parts)


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those of the packages that are installed; ``harness`` is this one."""
    found = {}
    for name in packages:
        try:
            found[name] = __version__ if name == "harness" else importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def pinned() -> dict[str, str]:
    """Return the versions that the lock files of the harness name, by package."""
    locks = sorted(package_data("requirements").glob("*.txt"))
    lines = [line for lock in locks for line in lock.read_text().splitlines()]
    return {found[1]: found[2] for line in lines if (found := _PINNED.match(line))}


def how_to_install(*packages: str) -> str:
    """Return the command that adds packages to this environment, in the versions of the lock files."""
    versions = pinned()
    names = [f"{name}=={versions[name]}" if name in versions else name for name in packages]
    return f"{sys.executable} -m pip install {' '.join(names)}"
