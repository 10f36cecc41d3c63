"""How long the rules of a class take, and what a second processor is worth, here and on a Ray cluster.

``make bench ARGS="-k class_speed"``. What counts of the second is the ratio of the two times, on a machine
with two processors that has nothing else to do.
"""

import importlib.util
import os
import subprocess
import sys

import pytest
from class_truth import surprises
from make_class import make_class

from harness.cohort.reading import rows
from harness.cohort.store import opened_store


@pytest.fixture(scope="module")
def two_hundred(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    make_class(folder, 200, seed=1)
    return folder


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
        pytest.skip("Ray is not installed: pip install 'harness[cluster]'")
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
def test_throughput(benchmark, two_hundred, tmp_path, engine, graders):
    store = tmp_path / "cohort.db"
    benchmark.pedantic(grade, args=(two_hundred, store, "--workers", str(graders), *engine), rounds=1)
    with opened_store(str(store)) as opened:
        assert surprises(two_hundred, rows(opened)) == {}
