"""A record is graded again from what lies beside it: identical, or the first thing that differs is named."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.assignment.spec import DEFAULT_ASSIGNMENT, AssignmentSpec, load_assignment
from harness.base.errors import DataUnavailableError, UsageError
from harness.base.tables import content_hash
from harness.pipeline.grade import grade
from harness.pipeline.loading import in_sandbox
from harness.pipeline.reproduce import Reproduction, assignment_of, reproduce
from harness.pipeline.task import Settings, Task
from harness.record.record import Record, load_record, sealed, to_json
from harness.sources.submission import open_submission
from harness.training.checkpoint import weights_sha256
from harness.training.network import Network, read

MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.fc(self.drop(self.conv(x).relu().mean((2, 3))))
"""
MANIFEST = """
[variants.basic]
file = "model.py"
class = "Net"
output = "results/base_model"
recipe = { epochs = 2, batch_size = 1000, augmentation = [] }
[variants.dilated]
file = "broken.py"
class = "Net"
"""


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory, assignment: AssignmentSpec) -> Path:
    """Results of a grade whose submission is gone: one variant trained, one that could not be taken in."""
    home = tmp_path_factory.mktemp("graded")
    folder = home / "submission"
    folder.mkdir()
    for name, text in {"model.py": MODEL, "broken.py": "x = nn", "submission.toml": MANIFEST}.items():
        (folder / name).write_text(text)
    # An assignment that does not come with the harness.
    own = assignment.model_copy(update={"title": "another title"})
    settings = Settings(out=home / "results", seed=7, data="mini", stats_cache=home / "stats.json")
    task = Task(open_submission(folder, own), own, settings, in_sandbox())
    record = grade(task, frozenset({"basic", "dilated"}))
    (home / "results" / "scorecard.json").write_text(to_json(record))
    shutil.rmtree(folder)
    return home / "results"


@pytest.fixture
def results(graded: Path, tmp_path: Path) -> Path:
    """A copy elsewhere."""
    return Path(shutil.copytree(graded, tmp_path / "copy"))


@pytest.fixture
def again(results: Path, tmp_path: Path) -> Callable[..., Reproduction]:
    def run(record: Record | None = None, **settings: Any) -> Reproduction:
        one = record or load_record(results / "scorecard.json")
        chosen = Settings(out=tmp_path / "out", stats_cache=tmp_path / "stats.json", **settings)
        return reproduce(one, results, assignment_of(one, None), chosen, lambda *_: None)

    return run


def changed(results: Path, change: Callable[[dict[str, Any]], None]) -> Record:
    """Change a record and seal it again."""
    data = json.loads((results / "scorecard.json").read_text())
    change(data)
    return sealed(Record.model_validate_json(json.dumps(data)))


def test_from_the_results_alone_every_byte_is_the_same(again):
    found = again()
    assert found.first is None
    assert (found.changed, found.known) == ((), True)


@pytest.mark.slow
def test_worker_processes_change_nothing(again):
    assert again(workers=2).first is None


@pytest.mark.slow
def test_the_first_number_that_differs_is_named_and_ends_it(results, again, tmp_path):
    def other_loss(data):
        data["variants"]["basic"]["training"]["epochs"][0]["test_loss"] += 0.25

    found = again(changed(results, other_loss))
    assert found.first.where == "basic, seed 7, epoch 1: test_loss"
    assert float(found.first.recorded) == pytest.approx(float(found.first.now) + 0.25)
    last = tmp_path / "out" / "base_model" / "checkpoints" / "last.pth"
    assert torch.load(last, weights_only=True)["epoch"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda v: v["training"]["data"].update(sha256="0" * 64), "basic, seed 7: data"),
        (lambda v: v["training"].update(initial_sha256="0" * 64), "basic, seed 7: initial weights"),
        (lambda v: v["training"]["epochs"].pop(), "basic, seed 7: epochs"),
        (lambda v: v["training"].update(weights_sha256="0" * 64), "variants.basic.training.weights_sha256"),
        (
            lambda v: v["training"]["confusion"][0].__setitem__(0, 1),
            "variants.basic.training.confusion[0][0]",
        ),
        (lambda v: v["findings"][0].update(actual="less"), "variants.basic.findings[0].actual"),
        (lambda v: v["facts"].update(parameters=1), "variants.basic.facts.parameters"),
    ],
)
def test_whatever_was_changed_in_a_record_is_found(results, again, change, where):
    found = again(changed(results, lambda data: change(data["variants"]["basic"])))
    assert found.first is not None
    assert found.first.where == where
    assert found.changed == ()


def test_what_changed_in_the_fingerprint_is_named_even_where_the_bytes_are_the_same(results, again):
    def other_machine(data):
        data["provenance"]["fingerprint"].update(threads="16", cpu="another", torch="1.0")

    found = again(changed(results, other_machine))
    assert found.first is None
    assert {(part.where, part.recorded) for part in found.changed} == {
        ("threads", "16"), ("cpu", "another"), ("torch", "1.0"),
    }  # fmt: skip


@pytest.mark.slow
def test_the_precision_that_a_record_names_is_trained_in(results, again):
    def in_bfloat16(data):
        data["variants"]["basic"]["training"]["recipe"]["precision"] = "bfloat16"

    found = again(changed(results, in_bfloat16))
    assert found.first is not None
    assert found.first.where == "basic, seed 7, epoch 1: train_loss"


@pytest.mark.slow
def test_a_record_from_before_fingerprints_is_reproduced_all_the_same(results, again):
    def older(data):
        del data["provenance"]["fingerprint"]
        data["provenance"]["intake"]["basic"].pop("seeds_differ")

    found = again(changed(results, older))
    assert (found.first, found.changed, found.known) == (None, (), False)


def test_missing_or_other_files_beside_the_record_are_named(results, again):
    folder = results / "base_model"
    graph = (folder / "architecture.json").read_bytes()
    (folder / "architecture.json").write_bytes(graph.replace(b'"num', b'"mun') + b" ")
    with pytest.raises(UsageError, match=r"architecture\.json: not the graph that was graded; expected SHA"):
        again()
    (folder / "architecture.json").write_bytes(graph)
    with (folder / "initial.safetensors").open("r+b") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(UsageError, match=r"initial\.safetensors: too large; expected at most 67,108,864 b"):
        again()
    (folder / "initial.safetensors").unlink()
    with pytest.raises(UsageError, match=r"initial\.safetensors: missing; expected what was graded, beside"):
        again()


def test_the_assignment_must_be_the_very_one(results, assignment, tmp_path):
    record = load_record(results / "scorecard.json")
    assert assignment_of(record, None).title == "another title"
    stripped = record.model_copy(update={"provenance": {}})
    with pytest.raises(
        UsageError, match="not the assignment that was judged by; expected cifar10-compact-cnn"
    ):
        assignment_of(stripped, None)
    forged = record.model_copy(update={"provenance": {"assignment": {"title": "x"}}})
    with pytest.raises(UsageError, match="Name the very file with --assignment"):
        assignment_of(forged, None)
    shipped = stripped.model_copy(update={"assignment_sha256": content_hash(assignment)})
    assert assignment_of(shipped, None) == assignment
    assert assignment_of(shipped, DEFAULT_ASSIGNMENT) == load_assignment(DEFAULT_ASSIGNMENT)


def claims_real_data(data: dict[str, Any]) -> None:
    data["variants"]["basic"]["training"]["data"]["name"] = "cifar10"
    for name, number in {"epochs": 2, "batch_size": 1000}.items():
        data["variants"]["basic"]["training"]["recipe"][name] = number


def test_a_recipe_that_this_harness_would_not_train_with_is_named_before_any_training(results, again):
    def other_rate(data):
        claims_real_data(data)
        data["variants"]["basic"]["training"]["recipe"]["lr"] = 0.123

    found = again(changed(results, other_rate))
    assert (found.first.where, found.first.recorded, found.first.now) == ("basic: recipe.lr", "0.123", "0.2")


@pytest.mark.slow
def test_without_the_data_it_is_not_judged(results, again, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CIFAR10_ROOT", raising=False)
    monkeypatch.setenv("CIFAR10_URL", "http://127.0.0.1:9/none.tar.gz")
    with pytest.raises(DataUnavailableError, match="CIFAR-10: not found; looked for"):
        again(changed(results, claims_real_data))


def command(*args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "reproduce", *map(str, args)],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_says_identical_and_its_exit_codes_are_0_1_and_2(results, tmp_path):
    done = command(results / "scorecard.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (
        0, f"identical: the result is {load_record(results / 'scorecard.json').result_sha256}\n",
    ), done.stderr  # fmt: skip

    def other_loss(data):
        data["variants"]["basic"]["training"]["epochs"][1]["train_acc"] = 0.5
        data["provenance"]["fingerprint"]["threads"] = "64"

    (results / "scorecard.json").write_text(to_json(changed(results, other_loss)))
    done = command(results / "scorecard.json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert (
        "differs, and nothing after this was looked at:\nbasic, seed 7, epoch 2: train_acc: rec"
        in done.stdout
    )
    assert "What changed in the fingerprint" in done.stdout
    assert "threads" in done.stdout

    (results / "scorecard.json").write_text(to_json(changed(results, other_loss)).replace("0.5", "0.6"))
    done = command(results / "scorecard.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "the result was changed after it was written" in done.stderr


def test_the_committed_record_has_the_graphs_and_weights_it_needs(reference):
    record = load_record(reference / "results" / "scorecard.json")
    for name, folder in {"basic": "base_model", "dilated": "dilated_model"}.items():
        beside = reference / "results" / folder
        network = Network(
            *read(beside / "architecture.json", beside / "initial.safetensors"), torch.device("cpu")
        )
        training = record.variants[name].training
        assert training is not None
        assert weights_sha256(network) == training.initial_sha256
