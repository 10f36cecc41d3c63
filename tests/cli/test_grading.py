"""`harness check`, `grade` and `train` as a process: two outputs, an exit code, and files."""

import contextlib
import json
import os
import pty
import re
import signal
import statistics
import subprocess

import pytest
from command_line import TINY, command, environment

from harness.assignment.spec import DEFAULT_ASSIGNMENT
from harness.record.record import Record, sealed
from harness.training.progress import read_progress


def test_a_model_that_breaks_a_rule_exits_with_1_and_the_json_has_standard_output_to_itself(harness, write):
    done = harness("check", write(model=TINY), "--json", "-")
    assert done.returncode == 1
    record = Record.model_validate_json(done.stdout)
    assert sealed(record) == record
    findings = {f.rule: f for f in record.variants["basic"].findings}
    assert findings["no_max_pool"].status == "failed"
    assert findings["no_max_pool"].where[0].layer == "pool"
    assert findings["no_max_pool"].points == 0
    assert findings["max_parameters"].status == "passed"
    assert "min_accuracy" not in findings
    assert "no_max_pool" in done.stderr
    assert "✗ failed" in done.stderr
    assert "What a rule allows and why: harness explain no_max_pool\n" in done.stderr


@pytest.mark.slow
def test_the_reference_submission_has_the_known_parameters_receptive_fields_and_jumps(
    harness, reference, tmp_path
):
    done = harness("check", reference, "--json", "record.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    variants = json.loads((tmp_path / "record.json").read_text())["variants"]
    known = {
        name: [v["facts"][key] for key in ("parameters", "receptive_field_px", "jump")]
        for name, v in variants.items()
    }
    assert known == {"basic": [84_322, 55, 8], "dilated": [197_858, 45, 1]}


OLDER_HEAD = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.dw = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
            self.pw = nn.Conv2d(8, 16, 1, stride=2)
            self.maps = nn.Conv2d(16, 10, 3, padding=4, dilation=4)

        def forward(self, x):
            return self.maps(self.pw(self.dw(self.first(x)))).mean((2, 3))
"""


@pytest.mark.slow
def test_another_edition_of_the_assignment_is_a_file_on_the_command_line(harness, write):
    folder = write(model=OLDER_HEAD)
    edition = DEFAULT_ASSIGNMENT.with_name("cifar10-c1c2c3c4.toml")
    done = harness("check", folder, "--assignment", edition, "--json", "-")
    assert done.returncode == 0, done.stderr
    record = Record.model_validate_json(done.stdout)
    assert record.assignment == "cifar10-c1c2c3c4"
    assert record.variants["basic"].facts.receptive_field_px == 23
    assert record.variants["basic"].facts.receptive_field_with_pool_px == 53


def test_a_file_that_cannot_be_imported_exits_with_3_and_shows_the_reason(harness, write):
    done = harness("check", write(model="import torch\nx = nn.ReLU()\n"))
    assert done.returncode == 3
    assert "model.py:2" in done.stderr
    assert "add `from torch import nn`" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_data_file_that_is_not_the_official_one_exits_with_2_and_is_kept(harness, write, tmp_path):
    batches = tmp_path / "wrong" / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    (batches / "data_batch_1").write_bytes(b"not the batch")
    done = harness("grade", write(model=TINY), "--data", tmp_path / "wrong")
    assert done.returncode == 2
    assert "data_batch_1: not the official file; expected MD5 c99cafc152244af753f735de768cd75f" in done.stderr
    assert (batches / "data_batch_1").read_bytes() == b"not the batch"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_without_data_there_is_a_preview_a_scorecard_and_exit_3_unless_a_rule_failed(
    harness, reference, tmp_path
):
    done = harness("grade", reference, "--variant", "basic")
    assert done.returncode == 3, done.stderr
    record = Record.model_validate_json((tmp_path / "results" / "scorecard.json").read_bytes())
    variant = record.variants["basic"]
    accuracy = variant.findings[-1]
    assert (accuracy.rule, accuracy.status, accuracy.cause) == (
        "min_accuracy",
        "not_judged",
        "infrastructure",
    )
    assert "not measured: CIFAR-10 could not be had. A preview on the embedded mini set" in accuracy.actual
    assert "CIFAR-10: not found; looked for" in done.stderr
    assert "CIFAR-10: not found; looked for" in record.provenance["notes"][0]
    assert variant.training is not None
    assert variant.training.data.name == "mini"
    assert variant.facts.accuracy is None
    assert [f.status for f in variant.findings[:-1]] == ["passed"] * 10
    card = (tmp_path / "results" / "scorecard.md").read_text()
    assert "preview on the embedded mini set, not a grade" in card
    layout = {p.name for p in (tmp_path / "results" / "base_model").iterdir()}
    assert layout >= {"train_log.csv", "model_summary.txt", "classification_report.csv", "checkpoints"}


def test_a_learning_rate_of_zero_is_bad_usage(harness, reference):
    done = harness("train", reference, "--lr", "0")
    assert done.returncode == 2
    assert "recipe: lr: expected more than 0" in done.stderr


def test_training_a_file_that_cannot_be_imported_says_why_and_exits_with_3(harness, write):
    done = harness("train", write(model="x = nn\n"))
    assert done.returncode == 3
    assert "error: model.py:1" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_default_variant_is_trained_unless_others_are_named(harness, write, tmp_path):
    variant = '[variants.{}]\nfile = "model.py"\nclass = "Tiny"\nrecipe = {{ epochs = 1 }}\n'
    folder = write(model=TINY, submission_toml=variant.format("basic") + variant.format("dilated"))
    trained = {}
    for named in ((), ("--variant", "dilated")):
        assert harness("grade", folder, "--data", "mini", *named).returncode == 1
        record = Record.model_validate_json((tmp_path / "results" / "scorecard.json").read_bytes())
        trained[named] = {name: one.training is not None for name, one in record.variants.items()}
    assert trained == {
        (): {"basic": True, "dilated": False},  # the rules of the other
        ("--variant", "dilated"): {"dilated": True},  # the other is not looked at
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_several_seeds_are_trained_apart_and_summed_up(harness, write, tmp_path):
    done = harness(
        "train", write(model=TINY), "--data", "mini", "--epochs", "1", "--workers", "0", "--seeds", "3",
        "--seed", "4", "--batch-size", "500",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trainings = [
        json.loads((tmp_path / "results" / "basic" / f"seed_{seed}" / "training.json").read_text())
        for seed in (4, 5, 6)
    ]
    assert [training["seed"] for training in trainings] == [4, 5, 6]
    progress = [
        one
        for seed in (4, 5, 6)
        for one in read_progress(tmp_path / "results" / "basic" / f"seed_{seed}" / "progress.jsonl")
    ]
    assert [(one.seed, one.epochs, one.ended) for one in progress] == [(n, 1, "trained") for n in (4, 5, 6)]
    assert [one.log[-1].test_acc for one in progress] == [
        training["epochs"][-1]["test_acc"] for training in trainings
    ]
    found = [training["accuracy"] for training in trainings]
    assert len({training["initial_sha256"] for training in trainings}) == 3
    assert done.stderr.splitlines()[-1] == (
        f"basic, seeds 4 to 6: mean {statistics.mean(found):.2%}, standard deviation "
        f"{100 * statistics.stdev(found):.2f} points, min {min(found):.2%}, max {max(found):.2%}"
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_grades_with_one_seed_have_the_same_result_byte_for_byte(harness, write, tmp_path):
    folder = write(model=TINY)
    records = []
    for out in ("one", "two"):
        assert harness("grade", folder, "--data", "mini", "--out", out).returncode == 1
        records.append(Record.model_validate_json((tmp_path / out / "scorecard.json").read_bytes()))
    assert records[0].result_sha256 == records[1].result_sha256
    first, second = (r.variants["basic"].training for r in records)
    assert first is not None
    assert first == second


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_training_killed_and_resumed_ends_in_the_same_bytes(harness, write, tmp_path):
    """Killed three times: before the first epoch, and when two others have been told of."""
    folder = write(model=TINY)
    train = ("train", folder, "--data", "mini", "--epochs", "6", "--workers", "0", "--seed", "5")
    assert harness(*train, "--out", "whole").returncode == 0
    whole = json.loads((tmp_path / "whole" / "basic" / "training.json").read_text())
    last = tmp_path / "broken" / "basic" / "checkpoints" / "last.pth"
    for told in ("", "epoch   2/", "epoch   4/"):
        resume = ("--resume", last) if last.exists() else ()
        running = subprocess.Popen(
            command(*train, "--out", "broken", *resume),
            cwd=tmp_path,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert any(line.startswith(told) for line in running.stderr)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
    resume = ("--resume", last) if last.exists() else ()
    assert harness(*train, "--out", "broken", *resume).returncode == 0
    broken = json.loads((tmp_path / "broken" / "basic" / "training.json").read_text())
    assert broken["weights_sha256"] == whole["weights_sha256"]
    assert broken["epochs"] == whole["epochs"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_terminal_shows_more_and_changes_nothing(harness, write, tmp_path):
    folder = write(model=TINY)
    train = ("train", folder, "--data", "mini", "--epochs", "1", "--workers", "0", "--seed", "5")
    assert harness(*train, "--out", "without").returncode == 0
    outer, inner = pty.openpty()
    running = subprocess.Popen(
        command(*train, "--out", "with"),
        cwd=tmp_path, env=environment() | {"TERM": "xterm"}, stdin=inner, stdout=inner, stderr=inner,
    )  # fmt: skip
    os.close(inner)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while chunk := os.read(outer, 1 << 16):
            shown += chunk
    os.close(outer)
    assert running.wait() == 0
    # A bar inside the epoch: its steps, and how long it takes yet.
    assert b"basic: epoch 1/1" in shown
    assert re.search(rb"step \d+/\d+ loss", shown)
    without, beside = (tmp_path / out / "basic" / "training.json" for out in ("without", "with"))
    assert beside.read_bytes() == without.read_bytes()
