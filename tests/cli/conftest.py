"""Shared by the tests of the commands: the harness as a process."""

import subprocess
from pathlib import Path

import pytest
from command_line import Harness, command, environment


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    """Run the harness in an empty folder, without data and without network."""

    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*args), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )

    return run
