"""One grader: a process that claims tasks of one stage and grades them, until none is left.

Started as ``python -m harness.cohort.graders.worker`` with a `Job` as its argument. Its standard input is a
pipe that nothing is written to: when it ends, whoever started this is gone, and this ends too. What it leaves
unfinished others claim when its lease ends.
"""

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from harness.base.errors import HarnessError
from harness.base.tables import Frozen
from harness.cohort.graders import tasks as judging
from harness.cohort.graders.tasks import WorkerConfig
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.leases import LEASE_S, Claimed, Outcome, claim, finish, release, renew, this_process
from harness.cohort.store.queries import last_folder
from harness.cohort.store.repository import assignment_of
from harness.cohort.store.store import Store, opened_store
from harness.loader.client import open_loader
from harness.sandbox.backends import BackendChoice
from harness.training.client import Child

BATCH = 5
"""Submissions that are claimed together: few, so that all graders end at nearly the same time."""
MOST_MIB = 2_048
"""A process that has probed a network which took more memory than this is given no other."""
DIED = 70
"""Exit code of a grader that came upon a defect of the harness."""
INTERRUPTED = 130
"""Exit code of a grader that was told to stop, and gave back what it had."""


class Job(Frozen):
    """The work of one grader, and its settings."""

    store: str
    files: Path | None
    stage: Literal["rules", "training"]
    assignment_sha256: str
    seed: int
    mini: bool
    """Train on the embedded set: a preview, never a grade."""
    variants: tuple[str, ...] = ()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    data: str | None = None
    sandbox: BackendChoice = "auto"
    lease_s: float = LEASE_S
    cores: tuple[int, ...] = ()
    """Processors to stay on; none: all."""
    gpu: str | None = None
    """The one GPU to see; None: all."""
    command: tuple[str, ...] = ()
    """What the user typed, for the records."""


def work(job: Job, owner: str | None = None) -> int:
    """Grade until no work of the stage is free; returns how many grades were entered.

    Raises:
        HarnessError: nothing can be graded here: no data, no sandbox, no such device.
    """
    owner = owner or this_process()
    with opened_store(job.store, job.files, must_exist=True) as store:
        config = config_of(job, store)
        with _renewing(store, owner, job.lease_s):
            try:
                return sum(_graded(store, config, job, owner))
            finally:
                release(store, owner, died=False)


def config_of(job: Job, store: Store) -> GradingConfig:
    """Return what decides the grades of a job."""
    assignment = assignment_of(store, job.assignment_sha256)
    return GradingConfig(assignment, job.seed, preview=job.mini, variants=job.variants)


def main() -> int:
    """Work one job, given as JSON. Returns the exit code; standard error says why, if it is not 0."""
    job = Job.model_validate_json(sys.argv[1])
    sys.argv = ["harness", *job.command]  # what the records name
    _set_up(job)
    try:
        work(job)
    except KeyboardInterrupt:
        return INTERRUPTED
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - read by `harness.cohort.graders.local`
        return error.exit_code
    except Exception:  # noqa: BLE001 - the last line of defence of a process
        traceback.print_exc()
        return DIED
    return 0


# Private functions


def _graded(store: Store, config: GradingConfig, job: Job, owner: str) -> Iterator[int]:
    """Grade batch by batch, or training by training; gives 1 for each grade that was entered."""
    worker_config = WorkerConfig(job.device, job.data, job.sandbox)
    if job.stage == "training":
        while works := claim(store, config.run_key, "training", 1, owner, job.lease_s):
            rules_folder = last_folder(store, works[0].key)
            yield _entered(
                store, owner, judging.train(works[0], rules_folder, config, worker_config, store.objects)
            )
        return
    with open_loader(job.sandbox) as sandbox, closing(Child(MOST_MIB)) as child:
        while works := claim(store, config.run_key, "rules", BATCH, owner, job.lease_s):
            for done in judging.judge_rules(works, config, worker_config, store.objects, sandbox, child):
                yield _entered(store, owner, done)


def _entered(store: Store, owner: str, done: tuple[Claimed, Outcome]) -> int:
    claimed, outcome = done
    return int(finish(store, claimed, owner, outcome))


@contextlib.contextmanager
def _renewing(store: Store, owner: str, lease_s: float) -> Iterator[None]:
    """Renew the leases of this process in a thread of its own, four times as often as they end."""
    over = threading.Event()

    def renew_until_over() -> None:
        while not over.wait(lease_s / 4):
            with contextlib.suppress(Exception):  # the next one may come through; if not, the lease ends
                renew(store, owner, lease_s)

    thread = threading.Thread(target=renew_until_over, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _set_up(job: Job) -> None:
    if job.cores:
        os.sched_setaffinity(0, job.cores)
    if job.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = job.gpu
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _stop(*_: Any) -> None:
    """End in good order: children are ended, leases given back."""
    raise KeyboardInterrupt


def _end_with_the_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
