"""The sandbox's client: start the process that runs each submission in a locked child, and read its answers.

`open_sandbox` finds the strongest backend that works here by trying it: before there is any submission, the
process locks a child that tries to get out. `Sandbox.run` enforces the limits that only a parent can set:
wall-clock time, and the size of a child's answer.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import SandboxError
from harness.record.findings import Cause, Ending
from harness.sandbox.backends import COMMANDS, Backend, BackendChoice, command, environment
from harness.sandbox.protocol import ENDED, KILL, LOCKED, READY, RUN, UNFIT, UNLOCKED, Confined

START_S = 120
"""Most seconds for the process to be ready: it imports torch."""
GRACE_S = 20
"""Most seconds for the end of a killed child to be reported."""

_ADVICE = "Remove training, downloads and endless loops from the file."


@dataclass(frozen=True)
class Ended:
    """The ending of a child that did not end well: in a word, whose fault it is, and in a sentence."""

    ending: Ending
    cause: Cause
    message: str


@dataclass(frozen=True)
class Reply:
    """A child's answer after it was locked, and how it ended, if not well."""

    said: bytes
    ended: Ended | None


@contextlib.contextmanager
def open_sandbox(program: str, requested: BackendChoice = "auto") -> Iterator["Sandbox"]:
    """Open a sandbox in the requested backend, or the strongest that works; close it in the end.

    `program` is the module that answers requests, see `harness.sandbox.fork_server`.

    Raises:
        SandboxError: none works; nothing of a submission has been run.
    """
    with tempfile.TemporaryDirectory(prefix="harness-sandbox-") as folder:
        Path(folder).chmod(0o755)
        sandbox = _first_that_works(program, requested, Path(folder))
        try:
            yield sandbox
        finally:
            sandbox.close()


class Sandbox:
    """A running process that runs submissions, see `open_sandbox`.

    `folder` is where submissions are copied to for their child to read; the process sees no other.
    """

    def __init__(self, program: str, backend: Backend, folder: Path) -> None:
        """Start the process.

        Raises:
            SandboxError: it did not start, or cannot lock a child.
        """
        self.program = program
        self.backend = backend
        self.folder = folder
        self._start()

    @property
    def pid(self) -> int:
        """The process's number, which is its group's too."""
        return self._process.pid

    def run(self, request: Confined, printed: Path, timeout_s: float, most_bytes: int) -> Reply:
        """Run one submission, which may take `timeout_s` and say `most_bytes`; it prints to `printed`.

        It can only append there: nothing printed can be taken back. Whatever it does, there is a reply.

        Raises:
            SandboxError: the child could not be locked; no student code has run.
        """
        if self._process.poll() is not None:
            self._start()
        try:
            with printed.open("ab") as file, self._sent(request, file.fileno()) as reading:
                said, ended = self._listen(reading, request.cpu_s, timeout_s, most_bytes)
        except ConnectionError:
            self.close()
            broken = "the process that runs submissions ended unexpectedly; grade the submission again."
            return Reply(b"", Ended("harness_error", "infrastructure", broken))
        if not said.startswith(LOCKED):
            why = said.removeprefix(UNLOCKED) or printed.read_bytes()[-2000:]
            raise SandboxError(f"{self.backend}: {_text(why) or 'no answer from the child'}")
        return Reply(said.removeprefix(LOCKED), ended)

    def close(self) -> None:
        """End the process and whatever it runs."""
        self._control.close()
        self._log.close()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _start(self) -> None:
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - until close()
        try:
            with other:
                self._process = subprocess.Popen(
                    command(self.backend, self.program, self.folder, other.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env=environment(),
                    pass_fds=(other.fileno(),),
                    start_new_session=True,
                )
        except OSError as error:
            self._control.close()
            self._log.close()
            raise SandboxError(f"{self.backend}: {error}") from None
        self._control.settimeout(START_S)
        try:
            word = self._control.recv(8192)
        except (TimeoutError, ConnectionError):
            word = b""
        self._control.settimeout(None)
        if word != READY:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is about to end, or it hangs
                self._process.wait(GRACE_S)
            self._log.seek(0)
            why = _text(word.removeprefix(UNFIT)) or _text(self._log.read()[-2000:]) or "no answer from it"
            self.close()
            raise SandboxError(f"{self.backend}: {why}")

    @contextlib.contextmanager
    def _sent(self, request: Confined, printed: int) -> Iterator[int]:
        """Send a request to a child, and yield the descriptor that its answer is read from."""
        told, (reading, writing) = os.memfd_create("request"), os.pipe()
        try:
            with os.fdopen(told, "r+b") as file, os.fdopen(writing, "wb"):
                file.write(request.model_dump_json().encode())
                file.seek(0)  # flushes; the child reads from where this stands
                socket.send_fds(self._control, [RUN], [told, writing, printed])
            yield reading
        finally:
            os.close(reading)

    def _listen(
        self, reading: int, cpu_s: float, timeout_s: float, most_bytes: int
    ) -> tuple[bytes, Ended | None]:
        """Read a child's answer, and end the child when its time is up or its answer is too long.

        Raises:
            ConnectionError: the process is gone, or does not report the end of a killed child.
        """
        heard = bytearray()
        killed: Ended | None = None
        until = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(reading, selectors.EVENT_READ)
            selector.register(self._control, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(max(0.0, until - time.monotonic()))]
                if reading in ready and not _heard(reading, heard, most_bytes):
                    selector.unregister(reading)
                if self._control in ready:
                    break
                late = time.monotonic() >= until
                if killed is None and (late or len(heard) > most_bytes):
                    killed = out_of_time(timeout_s) if late else _said_too_much(most_bytes)
                    until = time.monotonic() + GRACE_S
                    self._control.send(KILL)
                elif late:
                    raise ConnectionError
        word = self._control.recv(64)
        if not word.startswith(ENDED):
            raise ConnectionError
        # Whoever could write to the pipe is dead.
        while _heard(reading, heard, most_bytes):
            pass
        if killed is None and len(heard) > most_bytes:
            killed = _said_too_much(most_bytes)
        status, used_s = word.removeprefix(ENDED).split()
        code = os.waitstatus_to_exitcode(int(status))
        return bytes(heard), killed or ended_with(code, cpu_spent=float(used_s) >= cpu_s)


def ended_with(code: int, *, cpu_spent: bool = False) -> Ended | None:
    """Return how a child ended, by its exit code or the negative number of the signal; None if well.

    `cpu_spent` says that it had used all the processor time it may.
    """
    if code == 0:
        return None
    if code == -signal.SIGXCPU or cpu_spent:
        return Ended("timed_out", "student", f"it took more processor time than is allowed. {_ADVICE}")
    if code == -signal.SIGKILL:
        return Ended(
            "killed",
            "resource",
            "the child was killed from outside, most likely because this machine ran out of memory; "
            "grade again with more free memory.",
        )
    if code < 0:
        name = signal.Signals(-code).name
        return Ended("crashed", "student", f"the child crashed with {name} while the file ran.")
    return Ended("crashed", "student", f"the child ended with exit status {code} before it answered.")


def out_of_time(timeout_s: float) -> Ended:
    """Return the ending of a child that was killed after `timeout_s` seconds."""
    message = f"importing, building and exporting the model did not end; expected at most {timeout_s:g} s. "
    return Ended("timed_out", "student", message + _ADVICE)


# Private functions


def _first_that_works(program: str, requested: BackendChoice, folder: Path) -> Sandbox:
    refusals = []
    for backend in COMMANDS if requested == "auto" else (requested,):
        try:
            return Sandbox(program, backend, folder)
        except SandboxError as error:
            refusals.append(str(error))
    raise SandboxError(
        "sandbox: no process can be locked here; expected Landlock and seccomp (Linux 5.13 or newer), "
        f"got: {'; '.join(refusals)}. Enable Landlock (lsm=landlock,... on the kernel's command line); for "
        "--sandbox bwrap install bubblewrap (apt-get install bubblewrap). Nothing of the submission has run."
    )


def _heard(reading: int, heard: bytearray, most_bytes: int) -> bool:
    """Read on, up to one byte more than is allowed; return whether there may be more."""
    chunk = os.read(reading, 1 << 20)
    heard += chunk[: most_bytes + 1 - len(heard)]
    return bool(chunk)


def _text(said: bytes) -> str:
    return said.decode(errors="replace").strip()


def _said_too_much(most_bytes: int) -> Ended:
    message = f"the child said more than the {most_bytes // 2**20} MiB that are allowed."
    return Ended("over_output", "student", message)
