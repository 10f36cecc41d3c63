"""Networks of several submissions are run in one child, and none of them takes another with it."""

import os
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from checkout import REPOSITORY

from harness.base.errors import TrainingError
from harness.graph.ir import parse_architecture
from harness.loader.client import Loaded, LoadFailure
from harness.pipeline.loading import in_sandbox
from harness.pipeline.probing import Probed, probe_together
from harness.pipeline.task import Loads, Settings, Task
from harness.sources.requested import Requested
from harness.sources.submission import Answered, Submission, open_submission
from harness.training import client as runner
from harness.training.client import Child

GRAPH = REPOSITORY / "submission" / "results" / "base_model" / "architecture.json"
CHILD = """
import json, os, signal, sys, time
job = json.loads(sys.stdin.readline())
say = lambda **event: print(json.dumps(event), flush=True)
say(event="started")
for name, model in job["models"].items():
    does = model["weights"].split("/")[-3]
    if does == "dies unchecked":
        os.kill(os.getpid(), signal.SIGKILL)
    say(event="checked", model=name)
    if does == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if does == "hangs":
        time.sleep(600)
    if does == "lies":
        say(event="probed", model=name, found={"message": "graph: it lies."})
        continue
    say(event="probed", model=name, found=f"{does} in process {os.getpid()}")
say(event="all_probed")
"""
"""Stands in for the child: does what the folder of a model is called."""


@pytest.fixture
def probed(assignment, tmp_path, monkeypatch):
    """Probe the reference's graph in folders of these names together, in a worker that stands in."""
    package = tmp_path / "packages" / "harness" / "training"
    package.mkdir(parents=True)
    for file, text in (("../__init__", ""), ("__init__", ""), ("worker", CHILD)):
        (package / f"{file}.py").write_text(text)
    monkeypatch.setattr(runner, "PACKAGES", tmp_path / "packages")
    short = assignment.model_copy(update={"limits": assignment.limits.model_copy(update={"intake_s": 3})})
    text = GRAPH.read_text()
    loaded = Loaded("Net", parse_architecture(text.encode()), text, Path("unused"), "", "", seeds_differ=True)
    answered = {"basic": Answered(Requested(file=tmp_path, class_name=None), "basic")}

    def run(*names: str, worker: Child | None = None) -> list[Probed | LoadFailure]:
        tasks = [
            Task(Submission(tmp_path, "", answered), short, Settings(out=tmp_path / name), in_sandbox())
            for name in names
        ]
        submissions = [(task, Loads("", {"basic": loaded})) for task in tasks]
        with nullcontext(worker) if worker else closing(Child()) as opened:
            return [probes["basic"] for probes in probe_together(submissions, opened)]

    return run


def process_of(probed: Probed) -> str:
    return probed.not_run.rpartition(" ")[2]


def test_models_of_several_submissions_are_run_in_one_process(probed):
    one, other = probed("one", "other")
    assert one.not_run.startswith("one in process")
    assert process_of(one) == process_of(other)


def test_a_model_that_kills_the_process_or_never_ends_is_blamed_alone(probed):
    first, dies, second, hangs, third = probed("first", "dies", "second", "hangs", "third")
    assert dies.not_run == hangs.not_run == "it ended without a result"
    assert "got signal SIGKILL" in dies.notes[0]
    assert "expected a result within 3 s, got none" in hangs.notes[0]
    assert [one.not_run.split()[0] for one in (first, second, third)] == ["first", "second", "third"]
    assert len({process_of(one) for one in (first, second, third)}) == 3


def test_a_graph_that_is_not_what_it_says_counts_as_not_loaded(probed):
    honest, lies = probed("honest", "lies")
    assert honest.not_run.startswith("honest in process")
    assert (lies.cause, lies.ending) == ("student", "bad_output")
    assert lies.message == (
        "graph: it lies. No rule is judged by such a graph: hand in a model that torch.export writes."
    )


def test_a_graph_that_ends_the_process_before_it_is_checked_counts_as_not_loaded(probed):
    dies, other = probed("dies unchecked", "other")
    assert "got signal SIGKILL" in dies.message
    assert process_of(other) != ""


def test_a_worker_that_does_not_even_begin_is_nobody_s_fault(probed, tmp_path):
    (tmp_path / "packages" / "harness" / "training" / "worker.py").write_text("raise SystemExit('no torch')")
    with pytest.raises(TrainingError, match=r"got exit code 1\. The end of its messages: no torch"):
        probed("one", "other")


def test_nothing_is_started_where_nothing_was_loaded(assignment, reference, tmp_path):
    task = Task(open_submission(reference, assignment), assignment, Settings(out=tmp_path), in_sandbox())
    failure = LoadFailure("Net", "crashed", "student", "it does not import", "", "")
    with closing(Child()) as worker:
        assert probe_together([(task, Loads("", {"basic": failure}))], worker) == [{"basic": failure}]
        assert not worker.is_alive


class Unnoticed(Child):
    """A child whose death nobody notices until it is asked for the second time."""

    asked: int | None = None

    @property
    def is_alive(self) -> bool:
        if self.pid in (None, self.asked):
            return super().is_alive
        self.asked = self.pid
        return True


@pytest.mark.parametrize("kind", [Child, Unnoticed])
def test_a_worker_that_dies_between_two_jobs_is_nobody_s_fault(probed, kind):
    with closing(kind()) as worker:
        for _ in range(2):
            (one,) = probed("fine", worker=worker)
            assert process_of(one) != ""
            assert one.not_run.startswith("fine in process")
            os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # it ends after its first job
