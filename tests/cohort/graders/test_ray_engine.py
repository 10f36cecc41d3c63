"""Graders on a cluster: Ray's own for tests, three nodes on this machine, bound to it alone."""

import contextlib
import importlib.util
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import REPOSITORY
from make_class import make_class
from sqlalchemy import select

from harness.base.errors import HarnessError, UsageError
from harness.base.installation import VERSION
from harness.cohort.graders import ray_engine
from harness.cohort.graders.local import refuse
from harness.cohort.graders.ray_engine import Cluster, needs_of, slots
from harness.cohort.graders.worker import Job
from harness.cohort.store.leases import shown
from harness.cohort.store.queries import rows
from harness.cohort.store.schema import TaskTable
from harness.cohort.store.store import Store, opened_store

STUDENTS = 12
LEASE_S = "20"


def node(**resources: float) -> dict[str, object]:
    alive = resources.pop("alive", 1)
    return {"Alive": bool(alive), "Resources": resources, "NodeManagerHostname": platform.node()}


JOB = Job(store="c.db", files=None, stage="rules", assignment_sha256="", seed=1, mini=False)
TRAINING = JOB.model_copy(update={"stage": "training"})


@pytest.mark.parametrize(
    ("job", "cluster", "nodes", "needs"),
    [
        (JOB, Cluster(), [node(CPU=2, GPU=1)], {"CPU": 2}),
        (JOB, Cluster(memory_mib=4096), [node(CPU=2)], {"CPU": 2, "memory": 2**32}),
        (TRAINING, Cluster(), [node(CPU=2)], {"CPU": 2}),
        (TRAINING, Cluster(), [node(CPU=2), node(CPU=8, GPU=1)], {"CPU": 2, "GPU": 1.0}),
        (TRAINING, Cluster(gpus=0.25), [node(CPU=8, GPU=1)], {"CPU": 2, "GPU": 0.25}),
        (TRAINING, Cluster(), [node(CPU=2), node(CPU=8, GPU=1, alive=0)], {"CPU": 2}),
        (TRAINING.model_copy(update={"device": "cpu"}), Cluster(), [node(CPU=8, GPU=1)], {"CPU": 2}),
        (TRAINING.model_copy(update={"device": "cuda"}), Cluster(), [node(CPU=8)], {"CPU": 2, "GPU": 1.0}),
    ],
)
def test_what_a_grader_asks_for(job, cluster, nodes, needs):
    assert needs_of(job, cluster, 2, nodes) == needs


@pytest.mark.parametrize(
    ("needs", "room"),
    [
        ({"CPU": 1}, 12),
        ({"CPU": 2}, 6),
        ({"CPU": 2, "GPU": 1}, 2),
        ({"CPU": 2, "GPU": 0.5}, 4),
        ({"CPU": 1, "GPU": 0.25, "memory": 4 * 2**30}, 4),
        ({"CPU": 16}, 0),
    ],
)
def test_room_is_counted_machine_by_machine(needs, room):
    machines = [
        node(CPU=4, memory=2**40),
        node(CPU=8, GPU=2, memory=16 * 2**30),
        node(CPU=64, GPU=8, memory=2**40, alive=0),
        node(memory=2**40),
    ]
    assert slots(machines, needs) == room


def test_a_file_is_no_store_for_several_machines():
    machines = [node(CPU=2), {**node(CPU=2), "NodeManagerHostname": "node7"}]
    with pytest.raises(UsageError, match=r"--store c\.db: a file, .* expected postgresql://.* with node7\."):
        ray_engine.check_cluster(machines, {"CPU": 1}, JOB)
    ray_engine.check_cluster(
        machines, {"CPU": 1}, JOB.model_copy(update={"store": "postgresql://grader@db/class"})
    )
    ray_engine.check_cluster(machines[:1], {"CPU": 1}, JOB)


@pytest.mark.parametrize(
    ("machines", "got"),
    [
        ([], "got none"),
        ([node(CPU=2, memory=2**30)], "got 2 CPU, 1,024 MiB"),
        (
            [node(CPU=64, GPU=1), node(CPU=1, GPU=2, memory=2**34)],
            "got 64 CPU, 1 GPU; 1 CPU, 2 GPU, 16,384 MiB",
        ),
    ],
)
def test_a_grader_that_fits_nowhere_is_not_waited_for(machines, got):
    needs = {"CPU": 2, "GPU": 0.5, "memory": 2**33}
    expected = "no machine has room for a grader; expected 2 CPU, 0.5 GPU, 8,192 MiB, "
    with pytest.raises(UsageError, match=expected + got):
        ray_engine.check_cluster(machines, needs, JOB)


def test_without_ray_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"Ray is not installed; .* -m pip install ray==[\d.]+$"):
        ray_engine.connected("auto").__enter__()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "no-such-host.invalid:6379", "[::1]:9"])
def test_a_head_that_does_not_answer_is_said_without_ray_which_would_wait_for_minutes(address, monkeypatch):
    ray = pytest.importorskip("ray")
    asked = []
    monkeypatch.setattr(ray, "init", lambda **options: asked.append(options))
    with pytest.raises(
        UsageError, match=rf"--cluster {re.escape(address)}: no cluster to be had \(.+ray start"
    ):
        ray_engine.connected(address).__enter__()
    assert asked == []


def test_a_machine_that_belongs_to_no_cluster_is_said(monkeypatch, tmp_path):
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(UsageError, match=r"--cluster auto: no cluster to be had \(.+ray start --head"):
        ray_engine.connected("auto").__enter__()


def test_a_machine_with_another_harness_grades_nothing():
    host, code, said = ray_engine.grade_here(JOB.model_dump_json(), "0.0.9", {})
    with pytest.raises(UsageError, match=rf"{host}: harness {VERSION}; expected 0\.0\.9, as on the machine"):
        refuse(code, said, f"{host}: ")


def test_paths_hold_on_every_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with opened_store("c.db") as store:
        job = JOB.model_copy(update={"data": "cifar"})
        placed = ray_engine.RayPool(store, "", job, Cluster(), 1).placed()
        assert (placed.store, placed.files) == (str(tmp_path / "c.db"), tmp_path / "c.files")
        assert placed.data == str(tmp_path / "cifar")
        address = JOB.model_copy(update={"store": "postgresql://grader@db/class", "data": "mini"})
        elsewhere = ray_engine.RayPool(store, "", address, Cluster(), 1).placed()
        assert (elsewhere.store, elsewhere.data) == ("postgresql://grader@db/class", "mini")


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    """A head without processors, and two nodes with one each."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: make dev")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Else Ray takes the address of a network card for this machine's.
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        from ray.cluster_utils import Cluster as TestCluster

        here = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20, "include_dashboard": False}
        started = TestCluster(initialize_head=True, head_node_args={"num_cpus": 0, **here})
        started.nodes_with_one = [started.add_node(num_cpus=1, **here) for _ in range(2)]
        started.more = lambda: started.add_node(num_cpus=1, **here)
        yield started
        started.shutdown()


def grading(tmp_path: Path, name: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "cohort", "grade", str(tmp_path / "class"), "--rules-only"]
    options = ["--store", str(tmp_path / name), "--assignment", str(tmp_path / "assignment.toml")]
    return subprocess.Popen(
        [*command, *options, *more],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def table(tmp_path: Path, name: str) -> list[tuple]:
    """What of a class does not depend on who graded it when."""
    with opened_store(str(tmp_path / name)) as store:
        return [
            (row.student, row.state, row.key, row.problem, row.record.result_sha256 if row.record else "")
            for row in rows(store)
        ]


def times_graded(tmp_path: Path, name: str) -> list[int]:
    with opened_store(str(tmp_path / name)) as store:
        return [len(row.history) for row in rows(store)]


def descendants(process: int) -> list[int]:
    """The processes that one has started, and those that they have started, itself first."""
    found = [process]
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        started = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        return found
    return found + [pid for one in started for pid in descendants(one)]


def raylet_of(machine) -> int:
    return machine.all_processes["raylet"][0].process.pid


def claimed_on(machine, store: Store) -> int:
    """How many works a grader on one machine is at."""
    there = set(descendants(raylet_of(machine)))
    with store.reading() as session:
        owners = session.scalars(select(TaskTable.owner).where(TaskTable.owner != "")).all()
    return sum(int(shown(owner).rpartition(":")[2]) in there for owner in owners)


def busy(machines: list, store: Path):
    """Wait until a grader on one of the machines is at something; gives that machine."""
    until = time.monotonic() + 300
    with opened_store(str(store)) as opened:
        while time.monotonic() < until:
            for machine in machines:
                if claimed_on(machine, opened):
                    return machine
            time.sleep(0.05)
    raise AssertionError("nothing was begun")


def lose(cluster, machine) -> None:
    """Lose a machine as a power cut would: everything on it ends at once, nothing is given back."""
    for pid in reversed(descendants(raylet_of(machine))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cluster.remove_node(machine, allow_graceful=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")
def test_a_grader_that_cannot_be_started_ends_the_run(cluster):
    def fails() -> None:
        raise ModuleNotFoundError("No module named 'harness'")

    with (
        ray_engine.connected(cluster.address) as ray,
        pytest.raises(
            HarnessError, match=rf"could not be started \(.*'harness'\); expected harness {VERSION}"
        ),
    ):
        ray_engine.result_of(ray, ray.remote(fails).remote())


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("default")
def test_a_lost_machine_loses_nothing_and_nothing_is_graded_twice(tmp_path, cluster):
    make_class(tmp_path, STUDENTS, seed=5)
    alone = grading(tmp_path, "alone.db")
    said = alone.communicate()[1]
    assert alone.returncode == 0, said
    run = grading(tmp_path, "rays.db", "--engine", "ray", "--cluster", cluster.address, "--lease-s", LEASE_S)
    lose(cluster, busy(cluster.nodes_with_one, tmp_path / "rays.db"))
    cluster.more()  # another one joins
    said = run.communicate()[1]
    assert run.returncode == 0, said
    assert table(tmp_path, "rays.db") == table(tmp_path, "alone.db")
    assert times_graded(tmp_path, "rays.db") == [1] * STUDENTS
