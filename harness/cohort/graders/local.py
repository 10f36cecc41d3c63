"""The local engine: graders on this machine, each a process on processors of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from harness.base.errors import HarnessError, UsageError
from harness.base.installation import PACKAGES
from harness.cohort.graders.worker import INTERRUPTED, Job
from harness.cohort.store.leases import dead_letter, release_dead
from harness.cohort.store.queries import Counts, counts
from harness.cohort.store.store import Store

LOOK_S = 0.5
"""Seconds between two looks at the store."""
MOST_AT_ONCE = 3
"""Graders that may die in a row without having begun anything."""
STOP_S = 10
"""Seconds that a grader has to end when it is told to."""
HOPELESS = "every grader that was at it died; nothing is known of why"
_STDERR_TAIL = 2_000
_REPORTED = (2, 3)
"""Exit codes with which a grader says that nothing can be graded here."""

Watch = Callable[[Counts], None]


@dataclass
class _Grader:
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    place: int


@dataclass
class Pool:
    """The graders of one stage."""

    store: Store
    run_key: str
    job: Job
    """What each of them does, but for its place."""
    size: int
    """Most graders at once."""
    gpus: tuple[str, ...] = ()
    """The device of each grader; none: they train on processors."""
    graders: list[_Grader] = field(default_factory=list)
    in_vain: int = 0

    def run(self, watch: Watch) -> None:
        """Grade until nothing of the stage is left, here or with other processes on the same store.

        A grader that dies is replaced; what it had begun is begun again.

        Raises:
            HarnessError: nothing can be graded here, for a reason that a grader gave.
        """
        try:
            while not self._is_over(watch):
                time.sleep(LOOK_S)
        finally:
            self._stop()

    def _is_over(self, watch: Watch) -> bool:
        self._reap()
        dead_letter(self.store, self.run_key, HOPELESS)
        now = counts(self.store, self.run_key)
        watch(now)
        waiting, running = now.waiting.get(self.job.stage, 0), now.running.get(self.job.stage, 0)
        while len(self.graders) < min(self.size, len(self.graders) + waiting):
            self._start()
            waiting -= 1
        return not (self.graders or waiting or running)

    def _start(self) -> None:
        place = min(set(range(self.size)) - {grader.place for grader in self.graders})
        cores = cores_of(place, self.size, sorted(os.sched_getaffinity(0)))
        gpu = self.gpus[place] if self.gpus else None
        job = self.job.model_copy(update={"cores": cores, "gpu": gpu})
        log = tempfile.TemporaryFile()  # noqa: SIM115 - until it is reaped
        self.graders.append(_Grader(start_grader(job, log), log, place))

    def _reap(self) -> None:
        for grader in [one for one in self.graders if one.process.poll() is not None]:
            self.graders.remove(grader)
            code, said = grader.process.returncode, last_words(grader.log)
            _close(grader)
            refuse(code, said)
            if code in (0, INTERRUPTED):
                self.in_vain = 0
                continue
            self.in_vain = 0 if release_dead(self.store) else self.in_vain + 1
            if self.in_vain >= MOST_AT_ONCE:
                raise died_in_vain(self.in_vain, code, said)

    def _stop(self) -> None:
        """End all graders; what they have begun is released."""
        for grader in self.graders:
            grader.process.terminate()
        for grader in self.graders:
            try:
                grader.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                grader.process.kill()
                grader.process.wait()
            _close(grader)
        if self.graders:
            release_dead(self.store)


def start_grader(job: Job, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a grader that writes to `log`; it ends when its standard input is closed."""
    return subprocess.Popen(
        [sys.executable, "-P", "-s", "-m", "harness.cohort.graders.worker", job.model_dump_json()],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        # -P keeps the working directory off the path; this is the harness.
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
        start_new_session=True,
    )


def last_words(log: IO[bytes]) -> str:
    """Return the end of what a grader wrote."""
    log.seek(0)
    return log.read()[-_STDERR_TAIL:].decode(errors="replace").strip()


def refuse(code: int, said: str, where: str = "") -> None:
    """Raise what a grader said, if it ended because nothing can be graded there.

    Raises:
        HarnessError: as it said.
    """
    if code in _REPORTED:
        raise (UsageError if code == UsageError.exit_code else HarnessError)(where + _message(said))


def died_in_vain(graders: int, code: int, said: str, where: str = "") -> HarnessError:
    """Return the error for graders that died one after another without having begun anything."""
    return HarnessError(
        f"{where}{graders} graders died as they began; expected them to grade, got exit code {code}. "
        f"The end of their messages: {said or '(none)'}"
    )


def cores_of(place: int, size: int, usable: list[int]) -> tuple[int, ...]:
    """Share the processors among graders: as many for each, and none for two while there are enough."""
    each = max(1, len(usable) // size)
    first = place * each % len(usable)
    return tuple(usable[first : first + each])


# Private functions


def _close(grader: _Grader) -> None:
    grader.log.close()
    if grader.process.stdin is not None:
        grader.process.stdin.close()


def _message(said: str) -> str:
    """Return the harness's own last message from what a grader wrote."""
    return said.rpartition("error: ")[2] or "a grader ended without saying why"
