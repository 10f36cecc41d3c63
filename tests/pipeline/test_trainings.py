"""Further seeds near the line: each is, byte for byte, what a grade with that seed trains."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.assignment.spec import AssignmentSpec, Seeds
from harness.base.errors import DataError, HarnessError
from harness.datasets.spec import DataSpec
from harness.pipeline.grade import grade
from harness.pipeline.probing import probe
from harness.pipeline.reproduce import reproduce
from harness.pipeline.run import Run, Settings, take_in, train
from harness.pipeline.trainings import accuracy, further
from harness.sources.submission import open_submission
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
def opened(short: AssignmentSpec, write: Callable[..., Path], tmp_path: Path) -> Callable[..., Run]:
    def run(text: str = MODEL, seed: int = 1, out: str = "out", data: str | None = "mini", **changes) -> Run:
        spec = short.model_copy(update=changes)
        submission = open_submission(write(model=text), spec, class_name="Net")
        settings = Settings(
            out=tmp_path / out, seed=seed, data=data, device="cpu", stats_cache=tmp_path / "stats.json"
        )
        return Run(submission, spec, settings, lambda *_: None)

    return run


@pytest.mark.slow
def test_a_further_seed_trains_what_a_grade_with_that_seed_trains(opened: Callable[..., Run]) -> None:
    first, second = opened(seed=1), opened(seed=2, out="other")
    take_in(first)
    take_in(second)
    recipe = first.recipe("basic")
    trained = train(second, "basic", recipe)
    assert isinstance(trained, TrainedEvent)
    again = further(first, "basic", recipe, 2)
    assert again == trained.training
    assert again.seed == 2
    assert (first.folder("basic") / "seed_2" / "initial.safetensors").read_bytes() == (
        second.folder("basic") / "initial.safetensors"
    ).read_bytes()
    assert list(first.seconds) == ["basic, seed 2"]


def test_data_that_cannot_be_had_and_has_no_sample_leaves_the_accuracy_open(
    opened: Callable[..., Run], elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVHN_URL", "http://127.0.0.1:9/none")
    told: list[object] = []
    run = replace(opened(data=None, out="svhn"), listen=lambda _, event: told.append(event))
    run.assignment = run.assignment.model_copy(update={"data": DataSpec(dataset="svhn")})
    take_in(run)
    probe(run)
    trainings, (finding,) = accuracy(run, "basic", run.recipe("basic"), run.probes["basic"])
    assert (trainings, finding.status, finding.cause) == ((), "not_judged", "infrastructure")
    assert finding.actual == "not measured: SVHN could not be had"
    assert finding.help.startswith("Put the folder SVHN into ./data, or name the folder that holds it with")
    (event,) = (event for event in told if isinstance(event, DataEvent))
    assert event.root == ""
    assert event.message.endswith("No sample of it is embedded to preview on.")


def test_a_sample_that_is_not_there_is_refused_before_anything_is_run(opened: Callable[..., Run]) -> None:
    run = opened(data="mini")
    run.assignment = run.assignment.model_copy(update={"data": DataSpec(dataset="svhn")})
    with pytest.raises(DataError, match="--data mini: no sample of SVHN is embedded"):
        grade(run, frozenset(["basic"]))
    assert not run.traced


@pytest.mark.slow
def test_a_network_that_is_another_one_with_another_seed_is_not_judged(opened: Callable[..., Run]) -> None:
    run = opened("    import torch\n" + OTHER_EACH_TIME)
    take_in(run)
    with pytest.raises(HarnessError, match="the network could not be built a second time as it was"):
        for seed in range(2, 12):  # one in a thousand has the same bias ten times
            further(run, "basic", run.recipe("basic"), seed)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif("not __import__('os').environ.get('CIFAR10_ROOT')", reason="needs the real data")
def test_near_the_line_three_seeds_are_trained_and_the_record_keeps_all(
    opened: Callable[..., Run], tmp_path: Path
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
