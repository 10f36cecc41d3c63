"""The Ray engine: graders on the machines of a Ray cluster, which may join and leave.

A Ray task is one grader, the same process that the local engine starts. It takes works from the store, and
its grades and files go there: through Ray go a job and how it ended, nothing else. Ray finds a machine for
each grader, and another one for it where a machine is lost; what a lost grader had begun is begun again when
its lease ends. Whatever a submission does ends in its record, so nothing else is ever tried again.
"""

import contextlib
import os
import platform
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.base.errors import HarnessError, UsageError
from harness.base.installation import VERSION, how_to_install
from harness.cohort.graders.local import (
    HOPELESS,
    LOOK_S,
    MOST_AT_ONCE,
    STOP_S,
    Watch,
    died_in_vain,
    last_words,
    refuse,
    start_grader,
)
from harness.cohort.graders.worker import INTERRUPTED, Job
from harness.cohort.store.leases import dead_letter, release_dead
from harness.cohort.store.queries import counts
from harness.cohort.store.store import Store
from harness.datasets.registry import environment

_PASSED_ON = (*environment(), "OMP_NUM_THREADS")
"""What holds on the machines of a cluster as here, unless they say otherwise."""
CONNECT_S = 10
"""Most seconds for the head of a cluster to answer."""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster, and what each grader is to have there."""

    address: str = "auto"
    """Of its head, as ``host:6379``; ``auto``: the one that this machine belongs to, or $RAY_ADDRESS."""
    gpus: float = 1.0
    """GPUs of one training, or the share of one; nothing where there are none."""
    memory_mib: int = 0
    """Memory that is set aside for each grader; 0: none."""


@dataclass(frozen=True)
class Ended:
    """The ending of a grader: where, its exit code, and the end of its messages."""

    host: str
    code: int
    said: str


@dataclass
class RayPool:
    """The graders of one stage, on the machines of a cluster."""

    store: Store
    run_key: str
    job: Job
    """What each of them does; its paths hold on every machine."""
    cluster: Cluster
    cpus: int
    """Processors of one grader."""
    most: int = 0
    """Most graders at once; 0: as many as there is room for."""
    graders: list[Any] = field(default_factory=list)
    in_vain: int = 0
    graded: int = 0

    def run(self, watch: Watch) -> None:
        """Grade until nothing of the stage is left, here or with other processes on the same store.

        Raises:
            HarnessError: there is no cluster, it has no room for a grader, or nothing can be graded there.
        """
        with connected(self.cluster.address) as ray:
            needs = needs_of(self.job, self.cluster, self.cpus, ray.nodes())
            check_cluster(ray.nodes(), needs, self.job)
            try:
                while not self._is_over(ray, needs, watch):
                    time.sleep(LOOK_S)
            finally:
                self._stop(ray)

    def placed(self) -> Job:
        """Return what each grader does, wherever it runs."""
        store, data = self.job.store, self.job.data
        return self.job.model_copy(
            update={
                "store": store if "://" in store else str(Path(store).absolute()),
                "files": self.store.objects.root.absolute(),
                "data": str(Path(data).absolute()) if data and data != "mini" else data,
            }
        )

    def _is_over(self, ray: Any, needs: Mapping[str, float], watch: Watch) -> bool:
        release_dead(self.store)
        dead_letter(self.store, self.run_key, HOPELESS)
        now = counts(self.store, self.run_key)
        watch(now)
        self._reap(ray, now.graded)
        waiting, running = now.waiting.get(self.job.stage, 0), now.running.get(self.job.stage, 0)
        size = self.most or max(1, slots(ray.nodes(), needs))
        while len(self.graders) < min(size, len(self.graders) + waiting):
            self._start(ray, needs)
            waiting -= 1
        return not (waiting or running)

    def _start(self, ray: Any, needs: Mapping[str, float]) -> None:
        job = self.placed()
        begin = ray.remote(grade_here).options(
            name=f"harness: {job.stage}",
            num_cpus=needs["CPU"],
            num_gpus=needs.get("GPU", 0),
            memory=needs.get("memory"),
            max_retries=-1,  # of lost machines and processes alone: an error of ours is no reason
            retry_exceptions=False,
            scheduling_strategy="SPREAD",
        )
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self.graders.append(begin.remote(job.model_dump_json(), VERSION, environment))

    def _reap(self, ray: Any, graded: int) -> None:
        over, self.graders = _ended(ray, self.graders, 0)
        for one in over:
            ended = result_of(ray, one)
            where = f"{ended.host}: "
            refuse(ended.code, ended.said, where)
            if ended.code in (0, INTERRUPTED):
                self.in_vain = 0
                continue
            self.in_vain = 0 if graded > self.graded else self.in_vain + 1
            self.graded = graded
            if self.in_vain >= MOST_AT_ONCE:
                raise died_in_vain(self.in_vain, ended.code, ended.said, where)

    def _stop(self, ray: Any) -> None:
        """End all graders, those too that are still waiting for a machine."""
        for one in self.graders:
            ray.cancel(one)
        _, alive = (
            ray.wait(self.graders, num_returns=len(self.graders), timeout=STOP_S)
            if self.graders
            else ([], [])
        )
        for one in alive:
            ray.cancel(one, force=True)
        release_dead(self.store)


def needs_of(
    job: Job, cluster: Cluster, cpus: int, nodes: Sequence[Mapping[str, Any]]
) -> Mapping[str, float]:
    """Return what a grader needs of a machine, in Ray's words: CPU, GPU, memory in bytes.

    All trainings of a class run on GPUs if any machine has one, unless the CPU is asked for.
    """
    needs: dict[str, float] = {"CPU": cpus}
    has_gpus = any(node["Resources"].get("GPU", 0) for node in nodes if node["Alive"])
    if job.stage == "training" and (job.device == "cuda" or (job.device == "auto" and has_gpus)):
        needs["GPU"] = cluster.gpus
    if cluster.memory_mib:
        needs["memory"] = cluster.memory_mib * 2**20
    return needs


def slots(nodes: Sequence[Mapping[str, Any]], needs: Mapping[str, float]) -> int:
    """Count the graders that the machines of a cluster have room for."""
    return sum(
        min(int(node["Resources"].get(name, 0) / need) for name, need in needs.items() if need)
        for node in nodes
        if node["Alive"]
    )


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to a cluster, and leave it in the end.

    Raises:
        UsageError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise UsageError(
            "--engine ray: Ray is not installed; expected it here and on every machine of the cluster. "
            "Install it: " + how_to_install("ray")
        ) from None
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise UsageError(
            f"--cluster {address}: no cluster to be had ({reason}); expected the address of a running head. "
            "Start one with ray start --head; see docs/cluster.md."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def check_cluster(nodes: Sequence[Mapping[str, Any]], needs: Mapping[str, float], job: Job) -> None:
    """Refuse what could never be graded.

    Raises:
        UsageError: no machine has room for a grader, or cannot open the store.
    """
    alive = [node for node in nodes if node["Alive"]]
    if slots(nodes, needs) == 0:
        room = "; ".join(_shown(node["Resources"]) for node in alive)
        raise UsageError(
            f"--engine ray: no machine has room for a grader; expected {_shown(needs)}, got "
            f"{room or 'none'}. Add a machine, or ask for less with --gpus or --memory."
        )
    others = sorted({node["NodeManagerHostname"] for node in alive} - {platform.node()})
    if others and "://" not in job.store:
        raise UsageError(
            f"--store {job.store}: a file, which other machines cannot open safely; expected "
            f"postgresql://user@host/name for a cluster with {', '.join(others[:3])}. Name such a store."
        )


def result_of(ray: Any, grader: Any) -> Ended:
    """Return how a grader ended.

    Raises:
        HarnessError: it could not be started on a machine.
    """
    try:
        ended: Ended = Ended(*ray.get(grader))
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise HarnessError(
            f"--engine ray: a grader could not be started ({reason}); expected harness {VERSION} with its "
            "packages on every machine. Install it there."
        ) from None
    return ended


def grade_here(job: str, version: str, environment: Mapping[str, str]) -> tuple[str, int, str]:
    """Run one grader on the machine that Ray has chosen, until it ends; see `Ended`."""
    host = platform.node()
    if version != VERSION:
        said = f"error: harness {VERSION}; expected {version}, as on the machine that asks. Install the same."
        return host, UsageError.exit_code, said
    import ray

    gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    os.environ.pop("OMP_NUM_THREADS", None)  # Ray's; the recipe says how many
    for name, value in environment.items():
        os.environ.setdefault(name, value)
    with tempfile.TemporaryFile() as log:
        placed = Job.model_validate_json(job).model_copy(update={"gpu": ",".join(gpus)})
        grader = start_grader(placed, log)
        try:
            grader.wait()
        finally:  # cancelled
            if grader.poll() is None:
                grader.terminate()
                grader.wait(STOP_S)
        return host, grader.returncode, last_words(log)


# Private functions


def _knock(address: str) -> None:
    """Check that something answers at ``host:port``; Ray by itself waits for minutes.

    Raises:
        OSError: nothing does.
    """
    host, _, port = address.rpartition(":")
    if "://" not in address and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()


def _shown(resources: Mapping[str, float]) -> str:
    """Write down the processors, GPUs and memory of a machine, or of a need."""
    named = {
        "CPU": f"{resources.get('CPU', 0):g} CPU",
        "GPU": f"{resources.get('GPU', 0):g} GPU",
        "memory": f"{resources.get('memory', 0) / 2**20:,.0f} MiB",
    }
    return ", ".join(text for name, text in named.items() if name in resources) or "nothing"


def _ended(ray: Any, graders: list[Any], timeout_s: float) -> tuple[list[Any], list[Any]]:
    """Split the graders into those that have ended within some time, and the others."""
    return ray.wait(graders, num_returns=len(graders), timeout=timeout_s) if graders else ([], [])
