"""The parent's side of training: start the child, pass its events on, never let it outlive its time.

Nothing here imports torch. What the child writes is parsed as `harness.training.jobs` events.
"""

import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Union

from pydantic import ValidationError

from harness.base.errors import TrainingError
from harness.base.installation import PACKAGES
from harness.datasets.registry import environment
from harness.datasets.spec import DataSpec
from harness.training.events import (
    ERRORS,
    EVENTS,
    AllProbedEvent,
    AugmentedEvent,
    CalibratedEvent,
    DivergedEvent,
    DoctorEvent,
    ErrorEvent,
    Event,
    FieldEvent,
    MeasuredEvent,
    TrainedEvent,
)
from harness.training.jobs import Job

Result = Union[
    AllProbedEvent, FieldEvent, TrainedEvent, MeasuredEvent, AugmentedEvent, CalibratedEvent, DoctorEvent,
    DivergedEvent,
]  # fmt: skip
RESULTS = (
    AllProbedEvent, FieldEvent, TrainedEvent, MeasuredEvent, AugmentedEvent, CalibratedEvent, DoctorEvent,
    DivergedEvent,
)  # fmt: skip

STDERR_TAIL = 2000
"""Characters of the child's standard error that a message shows."""

_PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "CUDA_VISIBLE_DEVICES",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY", "GOMP_CPU_AFFINITY",
    "GOMP_SPINCOUNT", "KMP_AFFINITY", "KMP_BLOCKTIME",
)  # fmt: skip

FAST = {
    # A waiting thread spins for some ten microseconds, then sleeps. One that goes on spinning holds the core
    # which the thread it waits for needs: with two threads on two busy cores a step took ten times as long.
    # One that sleeps at once makes a step on an idle machine half as long again.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "1000",
    # Feature maps are given back and taken again at every step; memory that stays with the process needs no
    # clearing by the system.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26),
}
"""Speed alone: no byte of a result depends on these."""


class Child:
    """A child process that does one job after another; it is started when there is a job and none is alive.

    It has its own process group and a clean environment, and works in this working directory, from which it
    imports nothing. It is killed with its workers when a job's time is up, when this process is interrupted,
    when `on_event` raises, and by `close`. A job that comes to no result leaves it for the next one.
    """

    def __init__(self, most_mib: float = math.inf) -> None:
        """Prepare a child; one that holds more memory than `most_mib` after a job is given no other."""
        self._most_mib = most_mib
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes]
        self._said_before = 0

    @property
    def is_alive(self) -> bool:
        """Whether there is a process, from an earlier job."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process's number; None where there is none from an earlier job."""
        return self._process.pid if self._process else None

    def start(self, data: DataSpec) -> None:
        """Start the process: what takes long to load for a probe on `data` is there when there is a job."""
        self._started(data.model_dump_json())

    def run(
        self, job: Job, on_event: Callable[[Event], None], timeout_s: float, then_s: float | None = None
    ) -> Result:
        """Run a job and return its result; `on_event` gets every event before that.

        The time is `timeout_s` for everything, or, with `then_s`, for the first event, and `then_s` for each
        of the others.

        Raises:
            DataError, DataUnavailableError, UsageError, GraphError: as the child reports.
            TrainingError: as the child reports, the time is up, or the child died without a result.
        """
        process = self._started()
        self._said_before = os.fstat(self._log.fileno()).st_size
        try:
            with _deadline(process, timeout_s) as deadline:
                ended = self._ended(process, job, on_event, deadline, then_s)
        except BaseException:
            self.close()
            raise
        fatal = isinstance(ended, ErrorEvent) and ended.fatal
        if deadline.expired.is_set() or fatal or _data_mib(process.pid) > self._most_mib:
            self.close()
        if isinstance(ended, ErrorEvent):
            raise ERRORS[ended.kind](ended.message)
        return ended

    def close(self) -> None:
        """End the child, whatever it is at."""
        if self._process is not None:
            with suppress(BrokenPipeError), self._process:  # what it was told and has not read
                _kill_group(self._process)
            self._process = None
            self._log.close()

    def _started(self, *arguments: str) -> subprocess.Popen[bytes]:
        if self._process is not None and self.is_alive:
            return self._process
        self.close()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - until close()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "harness.training.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=_environment(),
            start_new_session=True,
        )
        return self._process

    def _ended(
        self,
        process: subprocess.Popen[bytes],
        job: Job,
        on_event: Callable[[Event], None],
        deadline: "_Deadline",
        then_s: float | None,
    ) -> Result | ErrorEvent:
        for event in _conversation(process, job):
            if isinstance(event, ErrorEvent) or isinstance(event, RESULTS):  # noqa: SIM101 - for mypy
                return event
            on_event(event)
            if then_s is not None:
                deadline.restart(then_s)
        status = process.wait()
        if deadline.expired.is_set():
            raise TrainingError(
                f"training: out of time; expected a result within {deadline.timeout_s:g} s, got none. "
                "Raise the time limit under [limits] in the assignment, or train fewer epochs."
            )
        raise TrainingError(
            f"training: the child ended without a result; expected one, got {_ending(status)}. "
            f"The end of its messages: {_tail(self._log, self._said_before)}"
        )


def run(job: Job, on_event: Callable[[Event], None], timeout_s: float) -> Result:
    """Run a job in a child of its own, within `timeout_s`; see `Child.run`."""
    with closing(Child()) as child:
        return child.run(job, on_event, timeout_s)


# Private functions


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in (*_PASSED_ON, *environment()) if name in os.environ}
    fixed = {
        # -P keeps the working directory, which may be a student's, off the path; this is the harness.
        "PYTHONPATH": str(PACKAGES),
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    return FAST | passed_on | fixed


class _Deadline:
    """Kills a child when its time is up."""

    def __init__(self, child: subprocess.Popen[bytes], timeout_s: float) -> None:
        self.expired = threading.Event()
        self._child = child
        self._begin(timeout_s)

    def restart(self, timeout_s: float) -> None:
        """Allow it this much time from now on."""
        self.cancel()
        self._begin(timeout_s)

    def cancel(self) -> None:
        """Cancel the deadline, unless its time is up by now."""
        self._timer.cancel()
        self._timer.join()

    def _begin(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._timer = threading.Timer(timeout_s, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def _expire(self) -> None:
        self.expired.set()
        _kill_group(self._child)


@contextmanager
def _deadline(child: subprocess.Popen[bytes], timeout_s: float) -> Iterator[_Deadline]:
    deadline = _Deadline(child, timeout_s)
    try:
        yield deadline
    finally:
        deadline.cancel()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    # Its workers too. Once the child is reaped its number may be another's, and its workers go by themselves.
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _conversation(child: subprocess.Popen[bytes], job: Job) -> Iterator[Event]:
    assert child.stdin is not None
    assert child.stdout is not None
    # A child that died at once cannot be written to; why it died is in its messages.
    with suppress(BrokenPipeError):
        child.stdin.write(job.model_dump_json().encode() + b"\n")
        child.stdin.flush()
    for line in child.stdout:
        try:
            yield EVENTS.validate_json(line)
        except ValidationError:
            shown = line[:200].decode(errors="replace").strip()
            raise TrainingError(
                f"training: the child wrote something else than an event; expected JSON, got {shown!r}."
            ) from None


def _data_mib(pid: int) -> int:
    """Return how much memory of its own a process has taken, touched or not."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[5])
    except OSError:  # it has just ended
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    hint = "; the machine may have run out of memory" if status == -signal.SIGKILL else ""
    return f"signal {signal.Signals(-status).name}{hint}"


def _tail(log: IO[bytes], start: int) -> str:
    log.seek(start)
    text = log.read().decode(errors="replace").strip()
    return text[-STDERR_TAIL:] or "(none)"
