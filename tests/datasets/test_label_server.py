"""The test labels are in another process than the graph, and the marks are the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from harness.base.errors import DataError, TrainingError
from harness.datasets.images import Data
from harness.datasets.label_server import ServedSplit, data_with_label_server
from harness.datasets.loading import load_data
from harness.datasets.spec import DataSpec

ROOT = os.environ.get("CIFAR10_ROOT")
needs_cifar10 = pytest.mark.skipif(not ROOT, reason="CIFAR10_ROOT is not set")


SPEC = DataSpec(dataset="cifar10")


def never(*_: object) -> None:
    raise AssertionError("nothing is downloaded")


@pytest.fixture(scope="module")
def held() -> Iterator[Data]:
    yield data_with_label_server(SPEC, ROOT, never)
    for server in active_children():
        server.kill()


@pytest.fixture(scope="module")
def open_data() -> Data:
    """The same data with its labels in this process, which runs no graph."""
    assert ROOT is not None
    return load_data(SPEC, ROOT, never)


@pytest.fixture(scope="module")
def logits() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(10_000, 10)).astype(np.float32)


def loading(module: str, call: str) -> str:
    """A program that loads the data, says so, and waits."""
    name = call.partition("(")[0]
    return (
        f"from harness.datasets.{module} import {name}\nfrom harness.datasets.spec import DataSpec\n"
        f"if __name__ == '__main__':\n    root, spec = {ROOT!r}, DataSpec(dataset='cifar10')\n"
        f"    data = {call}\n"
        "    print('loaded', flush=True)\n    input()\n"
    )


def found_in(program: str, data: Data) -> int:
    """Count the places in a process's memory that hold the test labels, as numbers of one or eight bytes."""
    labels = data.test.labels[:64]
    patterns = [labels.astype(np.uint8).tobytes(), labels.astype(np.int64).tobytes()]
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "loaded\n"
        found = sum(part.count(pattern) for part in memory_of(child.pid) for pattern in patterns)
        child.kill()
    return found


def memory_of(process: int) -> Iterator[bytes]:
    folder = Path(f"/proc/{process}")
    with (folder / "mem").open("rb", buffering=0) as memory:
        for line in (folder / "maps").read_text().splitlines():
            places, rights, *_ = line.split()
            first, last = (int(place, 16) for place in places.split("-"))
            if rights.startswith("rw"):
                memory.seek(first)
                yield memory.read(last - first)


@needs_cifar10
@pytest.mark.slow
def test_all_but_the_test_labels_are_handed_over(held, open_data):
    assert isinstance(held.test, ServedSplit)
    assert not hasattr(held.test, "labels")
    assert np.array_equal(held.test.images, open_data.test.images)
    assert np.array_equal(held.train.labels, open_data.train.labels)
    assert held.sha256 == open_data.sha256


@needs_cifar10
@pytest.mark.slow
def test_the_label_server_measures_as_the_split_itself_would(held, open_data, logits):
    assert held.test.measure(logits) == open_data.test.measure(logits)
    theirs, ours = held.test.classified(logits), open_data.test.classified(logits)
    assert theirs.keys() == ours.keys()
    assert all(np.array_equal(theirs[name], ours[name]) for name in ours)


@needs_cifar10
@pytest.mark.slow
def test_the_labels_are_nowhere_in_the_memory_where_a_graph_runs(open_data):
    """A search of every mapping of such a process; where the labels are, it finds them."""
    assert found_in(loading("label_server", "data_with_label_server(spec, root, print)"), open_data) == 0
    assert found_in(loading("loading", "load_data(spec, root, print)"), open_data) > 0


@needs_cifar10
@pytest.mark.slow
def test_a_label_server_that_dies_is_reported_and_never_a_wrong_metric(logits):
    held = data_with_label_server(SPEC, ROOT, never)
    for server in active_children():
        os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(TrainingError, match="the process that keeps the test labels has ended"):
        held.test.measure(logits)


def test_what_is_wrong_with_the_data_comes_out_of_the_label_server(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError, match=r"data_batch_1: missing"):
        data_with_label_server(SPEC, str(tmp_path), never)
