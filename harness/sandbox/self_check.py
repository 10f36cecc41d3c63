"""Run one's own submission without a sandbox: for students, on machines that have no lock.

Only ``harness check --self`` comes here. The record says so, and no other command takes it for a grade.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.sandbox.backends import environment, fork_server
from harness.sandbox.client import Ended, Reply, ended_with, out_of_time
from harness.sandbox.protocol import SELF_CHECK, Confined


class SelfCheck:
    """A plain child process in place of `harness.sandbox.client.Sandbox`, limited by the clock alone."""

    backend = "none"

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder

    def run(self, request: Confined, printed: Path, timeout_s: float, most_bytes: int) -> Reply:
        """Run a submission; see `harness.sandbox.client.Sandbox.run`."""
        said = self.folder / "said"
        said.write_bytes(b"")  # one that crashes must not have the answer of the one before
        ended: Ended | None
        with printed.open("ab") as file:
            try:
                child = subprocess.run(
                    fork_server(self.program, SELF_CHECK, str(said)),
                    input=request.model_dump_json().encode(),
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=environment(),
                    timeout=timeout_s,
                    check=False,
                )
                ended = ended_with(child.returncode)
            except subprocess.TimeoutExpired:
                ended = out_of_time(timeout_s)
        with said.open("rb") as answers:
            return Reply(answers.read(most_bytes), ended)


@contextlib.contextmanager
def without_sandbox(program: str) -> Iterator[SelfCheck]:
    """Yield a runner for one's own submission with `program`, without a sandbox."""
    with tempfile.TemporaryDirectory(prefix="harness-self-") as folder:
        yield SelfCheck(program, Path(folder))
