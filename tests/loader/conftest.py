"""Shared by the tests of attacks: a sandbox in each backend, in which nothing stays running."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import descendants

from harness.loader.client import Loaded, LoadFailure, open_loader
from harness.sandbox.backends import COMMANDS
from harness.sandbox.client import Sandbox
from harness.sources.requested import Requested


@pytest.fixture(scope="module", params=COMMANDS)
def any_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One box for all attacks: what one of them does to it, the next would see."""
    if request.param == "bwrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed (apt-get install bubblewrap)")
    with open_loader(request.param) as opened:
        yield opened


@pytest.fixture
def nothing_stays_running(any_sandbox: Sandbox) -> Iterator[None]:
    before = descendants(os.getpid())
    yield
    assert descendants(os.getpid()) <= before


@pytest.fixture
def attacked(tmp_path: Path, trace_all, any_sandbox: Sandbox):
    """Take in one source, and files beside it."""

    def run(source: str, *, intake_s: int = 120, **beside: str) -> Loaded | LoadFailure:
        root = tmp_path / "mine"
        root.mkdir()
        for name, text in {"model": source, **beside}.items():
            file = root / f"{name.replace('__init', '/__init')}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        wanted = {"basic": Requested(file=root / "model.py", class_name=None)}
        bounds = {"intake_s": intake_s, "cpu_s": 120, "output_mib": 8}
        return trace_all(any_sandbox, root, wanted, **bounds)["basic"]

    return run
