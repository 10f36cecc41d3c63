"""Networks of several submissions are run in one child, and none of them takes another with it."""

from contextlib import closing
from pathlib import Path

import pytest
from checkout import REPOSITORY

from harness.base.errors import TrainingError
from harness.graph.ir import parse_architecture
from harness.loader.load import Traced
from harness.pipeline.probing import probe, probe_in
from harness.pipeline.run import Run, Settings
from harness.sources.requested import Requested
from harness.sources.submission import Answered, Submission
from harness.training import runner
from harness.training.runner import Child

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
say(event="probe", probes={}, failures={})
"""
"""Stands in for the child: does what the folder of a model is called."""


@pytest.fixture
def runs(assignment, tmp_path, monkeypatch):
    """Make a run for each of the names, all in the reference's graph."""
    package = tmp_path / "packages" / "harness" / "training"
    package.mkdir(parents=True)
    for file, text in (("../__init__", ""), ("__init__", ""), ("engine", CHILD)):
        (package / f"{file}.py").write_text(text)
    monkeypatch.setattr(runner, "_PACKAGES", tmp_path / "packages")
    short = assignment.model_copy(update={"limits": assignment.limits.model_copy(update={"intake_s": 3})})
    graph = parse_architecture(GRAPH.read_bytes())
    traced = Traced("Net", graph, "", Path("unused"), "", "", seeds_differ=True)

    def made(*names: str) -> list[Run]:
        answered = {"basic": Answered(Requested(file=tmp_path, class_name=None), "basic")}
        found = []
        for name in names:
            settings = Settings(out=tmp_path / name)
            run = Run(Submission(tmp_path, "", answered), short, settings, lambda *_: None)
            run.traced = {"basic": traced}
            found.append(run)
        return found

    return made


def process_of(run: Run) -> str:
    return run.not_run["basic"].rpartition(" ")[2]


def test_models_of_several_runs_are_run_in_one_process(runs):
    one, other = runs("one", "other")
    probe(one, other)
    assert one.not_run["basic"].startswith("one in process")
    assert process_of(one) == process_of(other)


def test_a_model_that_kills_the_process_or_never_ends_is_blamed_alone(runs):
    first, dies, second, hangs, third = everyone = runs("first", "dies", "second", "hangs", "third")
    probe(*everyone)
    assert dies.not_run == hangs.not_run == {"basic": "it ended without a result"}
    assert "got signal SIGKILL" in dies.notes[0]
    assert "expected a result within 3 s, got none" in hangs.notes[0]
    assert [run.not_run["basic"].split()[0] for run in (first, second, third)] == ["first", "second", "third"]
    assert len({process_of(run) for run in (first, second, third)}) == 3


def test_a_graph_that_is_not_what_it_says_counts_as_not_taken_in(runs):
    honest, lies = runs("honest", "lies")
    probe(honest, lies)
    assert isinstance(honest.traced["basic"], Traced)
    refused = lies.traced["basic"]
    assert (refused.cause, refused.ending) == ("student", "bad_output")
    assert refused.message == (
        "graph: it lies. No rule is judged by such a graph: hand in a model that torch.export writes."
    )
    assert lies.not_run == {}


def test_a_graph_that_ends_the_process_before_it_is_checked_counts_as_not_taken_in(runs):
    dies, other = runs("dies unchecked", "other")
    probe(dies, other)
    assert "got signal SIGKILL" in dies.traced["basic"].message
    assert process_of(other) != ""


def test_a_child_that_does_not_even_begin_is_nobody_s_fault(runs, tmp_path):
    (tmp_path / "packages" / "harness" / "training" / "engine.py").write_text("raise SystemExit('no torch')")
    with pytest.raises(TrainingError, match=r"got exit code 1\. The end of its messages: no torch"):
        probe(*runs("one", "other"))


def test_nothing_is_started_where_nothing_was_taken_in(runs, monkeypatch):
    monkeypatch.setattr(runner, "_PACKAGES", Path("/nowhere"))
    (run,) = runs("one")
    run.traced = {}
    probe(run)
    assert (run.probes, run.not_run, run.notes) == ({}, {}, [])


def test_a_child_that_dies_between_two_jobs_is_nobody_s_fault(runs, monkeypatch):
    with closing(Child()) as child:
        for unnoticed in (False, True):
            (run,) = runs("fine")
            if unnoticed:
                child._process.wait()  # it ends after its first job
                monkeypatch.setattr(child._process, "poll", lambda: None)
            probe_in(child, run)
            assert process_of(run) != ""
            assert run.not_run["basic"].startswith("fine in process")
