"""How long the rules of a class take, and what a second grader is worth, here and on a Ray cluster.

``make bench ARGS="-k class_speed"``. What counts of the second is the ratio of the two medians, on a machine
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


@pytest.fixture(scope="module")
def head():
    """Start a Ray cluster of this machine alone, bound to it, with two processors."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'harness[cluster]'")
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        here = {"node_ip_address": "127.0.0.1", "num_cpus": 2, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=here)
        yield cluster.address
        cluster.shutdown()


def grade(folder, store, *options):
    command = [sys.executable, "-m", "harness", "cohort", "grade", folder / "class", "--rules-only"]
    assignment = ["--assignment", folder / "assignment.toml", "--store", store]
    subprocess.run([*command, *assignment, *options], check=False, capture_output=True)


def processor_s():
    spent = os.times()
    return spent.children_user + spent.children_system


def test_the_rules_of_two_hundred(benchmark, two_hundred, tmp_path):
    before = processor_s()
    store = tmp_path / "cohort.db"
    benchmark.pedantic(grade, args=(two_hundred, store), rounds=1)
    print(f"\nprocessor seconds: {processor_s() - before:.0f}")
    with opened_store(str(store)) as opened:
        assert surprises(two_hundred, rows(opened)) == {}


@pytest.mark.parametrize("engine", ["local", "ray"])
@pytest.mark.parametrize("graders", [1, 2])
def test_throughput(benchmark, tmp_path_factory, request, engine, graders):
    """Forty-eight honest works: who only sleeps or spins would say nothing of throughput."""
    options = ["--engine", "ray", "--cluster", request.getfixturevalue("head")] if engine == "ray" else []
    folder = tmp_path_factory.mktemp("honest")
    make_class(folder, 48, seed=3, shares={})

    stores = []

    def fresh():
        stores.append(tmp_path_factory.mktemp("store") / "cohort.db")
        return (folder, stores[-1], "--workers", str(graders), *options), {}

    benchmark.pedantic(grade, setup=fresh, rounds=2)
    for store in stores:
        with opened_store(str(store)) as opened:
            assert surprises(folder, rows(opened)) == {}
