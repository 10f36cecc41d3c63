"""Shared by all tests: the shipped assignment, and submissions written on the spot."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from harness.assignment import DEFAULT_ASSIGNMENT, REPOSITORY, AssignmentSpec, load_assignment
from harness.datasets.registry import environment
from harness.intake.box import Box, open_box

# Before torch is loaded: waiting threads that spin make tests on a busy machine several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


@pytest.fixture(scope="session")
def assignment() -> AssignmentSpec:
    return load_assignment(DEFAULT_ASSIGNMENT)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The reference submission's folder."""
    return REPOSITORY / "submission"


@pytest.fixture(scope="session")
def box() -> Iterator[Box]:
    """What runs submissions, in the strongest backend that works here."""
    with open_box() as opened:
        yield opened


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without data, and an environment that names none."""
    monkeypatch.chdir(tmp_path)
    for name in environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CIFAR10_URL", "http://127.0.0.1:9/none.tar.gz")
    return tmp_path


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files into a fresh submission folder and return the folder."""

    def write_files(**files: str) -> Path:
        folder = tmp_path / "submission"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            path = folder / name.replace("__", "/").replace("_toml", ".toml")
            if not path.suffix:
                path = path.with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return folder

    return write_files
