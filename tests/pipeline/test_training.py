"""Further seeds near the line: each is, byte for byte, what a grade with that seed trains."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.assignment.spec import AssignmentSpec, Seeds
from harness.base.errors import DataError
from harness.datasets.spec import DataSpec
from harness.pipeline.grade import grade
from harness.pipeline.jobs import run_training
from harness.pipeline.loading import in_sandbox, load
from harness.pipeline.probing import probe
from harness.pipeline.reproduce import reproduce
from harness.pipeline.task import Settings, Task
from harness.pipeline.training import further, train
from harness.sources.submission import open_submission
from harness.training.client import Child
from harness.training.events import DataEvent, TrainedEvent

MODEL = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self, num_classes=10):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.fc = nn.Linear(8, num_classes)

        def forward(self, x):
            return self.fc(self.conv(x).relu().mean((2, 3)))
"""
OTHER_EACH_TIME = MODEL.replace("8, num_classes)", "8, num_classes, bias=float(torch.rand(())) < 0.5)")


@pytest.fixture
def short(assignment: AssignmentSpec) -> AssignmentSpec:
    """One epoch in large steps, without augmentation."""
    recipe = assignment.recipe.at_cost(14).model_copy(
        update={"epochs": 1, "batch_size": 1000, "stages": (), "augmentation": ()}
    )
    return assignment.model_copy(update={"recipe": recipe})


@pytest.fixture
def opened(short: AssignmentSpec, write: Callable[..., Path], tmp_path: Path) -> Callable[..., Task]:
    def task(
        text: str = MODEL, seed: int = 1, out: str = "out", data: str | None = "mini", **changes: Any
    ) -> Task:
        spec = short.model_copy(update=changes)
        submission = open_submission(write(model=text), spec, class_name="Net")
        settings = Settings(
            out=tmp_path / out, seed=seed, data=data, device="cpu", stats_cache=tmp_path / "stats.json"
        )
        return Task(submission, spec, settings, in_sandbox())

    return task


@pytest.fixture
def worker() -> Iterator[Child]:
    with closing(Child()) as opened:
        yield opened


def on_svhn(task: Task, told: list[object]) -> Task:
    """Judge it on a data set of which no sample is embedded; `told` gets what is heard of it."""
    assignment = task.assignment.model_copy(update={"data": DataSpec(dataset="svhn")})
    return replace(task, assignment=assignment, listen=lambda _, event: told.append(event))


@pytest.mark.slow
def test_a_further_seed_trains_what_a_grade_with_that_seed_trains(
    opened: Callable[..., Task], worker: Child
) -> None:
    first, second = opened(seed=1), opened(seed=2, out="other")
    loaded = load(first).variants["basic"]
    load(second)
    trained = run_training(second, "basic", first.recipe("basic"), worker)
    assert isinstance(trained, TrainedEvent)
    again = further(first, "basic", loaded, 2, worker)
    assert again.training == trained.training
    assert again.training.seed == 2
    assert (first.folder("basic") / "seed_2" / "initial.safetensors").read_bytes() == (
        second.folder("basic") / "initial.safetensors"
    ).read_bytes()
    assert list(again.seconds) == ["basic, seed 2"]


def test_data_that_cannot_be_had_and_has_no_sample_leaves_the_accuracy_open(
    opened: Callable[..., Task], worker: Child, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVHN_URL", "http://127.0.0.1:9/none")
    told: list[object] = []
    task = on_svhn(opened(data=None, out="svhn"), told)
    probed = probe(task, load(task), worker)["basic"]
    trained = train(task, "basic", probed, worker)
    (finding,) = trained.findings
    assert (trained.trainings, finding.status, finding.cause) == ((), "not_judged", "infrastructure")
    assert finding.actual == "not measured: SVHN could not be had"
    assert finding.help.startswith("Put the folder SVHN into ./data, or name the folder that holds it with")
    (event,) = (event for event in told if isinstance(event, DataEvent))
    assert event.root == ""
    assert event.message.endswith("No sample of it is embedded to preview on.")


def test_a_sample_that_is_not_there_is_refused_before_anything_is_run(opened: Callable[..., Task]) -> None:
    told: list[object] = []
    task = on_svhn(opened(data="mini"), told)
    with pytest.raises(DataError, match="--data mini: no sample of SVHN is embedded"):
        grade(task, frozenset(["basic"]))
    assert told == []


@pytest.mark.slow
def test_a_network_that_is_another_one_with_another_seed_is_not_judged(
    opened: Callable[..., Task], worker: Child
) -> None:
    task = opened("    import torch\n" + OTHER_EACH_TIME)
    loaded = load(task).variants["basic"]
    # One in a thousand has the same bias ten times.
    attempts = (further(task, "basic", loaded, seed, worker) for seed in range(2, 12))
    other = next(attempt for attempt in attempts if attempt.training is None)
    assert "the network could not be built a second time as it was (seed" in other.verdict.actual


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif("not __import__('os').environ.get('CIFAR10_ROOT')", reason="needs the real data")
def test_near_the_line_three_seeds_are_trained_and_the_record_keeps_all(
    opened: Callable[..., Task], tmp_path: Path
) -> None:
    far = opened(data=None)
    record = grade(far, frozenset({"basic"}))
    (one,) = record.variants["basic"].trainings
    assert record.variants["basic"].facts.accuracy == one.accuracy < 0.8
    rules = {**far.assignment.rules, "min_accuracy": {"points": 25, "at_least": one.accuracy}}
    near = replace(opened(data=None), assignment=far.assignment.model_copy(update={"rules": rules}))
    record = grade(near, frozenset({"basic"}))
    variant = record.variants["basic"]
    assert variant.trainings[0] == one
    assert [training.seed for training in variant.trainings] == [1, 2, 3]
    assert len({training.initial_sha256 for training in variant.trainings}) == 3
    assert variant.facts.accuracy == pytest.approx(sum(t.accuracy for t in variant.trainings) / 3)
    assert "on average over seeds 1, 2, 3" in variant.findings[-1].actual
    results = near.settings.out
    folders = [results / "basic" / name for name in ("", "seed_2", "seed_3")]
    assert all((folder / "initial.safetensors").is_file() for folder in folders)
    again = reproduce(
        record, results, near.assignment, replace(near.settings, out=tmp_path / "again"), near.listen
    )
    assert (again.first, again.changed, again.known) == (None, (), True)
    alone = replace(near, assignment=near.assignment.model_copy(update={"seeds": Seeds()}))
    assert len(grade(alone, frozenset({"basic"})).variants["basic"].trainings) == 1
