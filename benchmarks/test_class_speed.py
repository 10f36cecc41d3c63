"""How long the rules of a class take, and what a second processor is worth, here and on a Ray cluster.

``make bench ARGS="-k class_speed"``. The time is of the whole command; the works a minute are those after the
first few, so without what it takes to start. What counts of both is the ratio of two processors to
one, on a machine that has nothing else to do.
"""

import importlib.util
import os
import subprocess
import sys

import pytest
from class_truth import surprises
from make_class import make_class

from harness.cohort.store.queries import rows
from harness.cohort.store.store import opened_store

FIRST = 10
"""Grades that two graders enter together after they have started."""


@pytest.fixture(params=[1, 2])
def graders(request):
    """Leave this process, and all that it starts, as many processors as there are to be graders."""
    usable = os.sched_getaffinity(0)
    if len(usable) < request.param:
        pytest.skip(f"{len(usable)} processors: there is nothing to compare")
    os.sched_setaffinity(0, sorted(usable)[: request.param])
    yield request.param
    os.sched_setaffinity(0, usable)


@pytest.fixture(params=["local", "ray"])
def engine(request, graders):
    """Give the options of an engine; Ray's cluster is this machine alone, bound to it."""
    if request.param == "local":
        yield ()
        return
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: make dev")
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        here = {"node_ip_address": "127.0.0.1", "num_cpus": graders, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=here)
        yield ("--engine", "ray", "--cluster", cluster.address)
        cluster.shutdown()


def grade(folder, store, *options):
    command = [sys.executable, "-m", "harness", "cohort", "grade", folder / "class", "--rules-only"]
    assignment = ["--assignment", folder / "assignment.toml", "--store", store]
    subprocess.run([*command, *assignment, *options], check=False, capture_output=True)


@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["all", "honest"])
def test_throughput(benchmark, capsys, tmp_path, kind, engine, graders):
    """All: honest, borderline, broken and hostile works, some of which sleep until their time is up."""
    works = {"all": {"seed": 1}, "honest": {"seed": 3, "shares": {}}}[kind]
    make_class(tmp_path / kind, 200, **works)
    store, workers = tmp_path / "cohort.db", ("--workers", str(graders))
    benchmark.pedantic(grade, args=(tmp_path / kind, store, *workers, *engine), rounds=1)
    with opened_store(str(store)) as opened:
        found = rows(opened)
    instants = sorted(row.graded_at for row in found)
    minutes = (instants[-1] - instants[FIRST - 1]).total_seconds() / 60
    with capsys.disabled():
        print(f"\n{(len(found) - FIRST) / minutes:.1f} works a minute after the first {FIRST}")
    assert surprises(tmp_path / kind, found) == {}
