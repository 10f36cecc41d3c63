"""`harness evaluate`: a checkpoint measures what its training said."""

import json
import os

import pytest
from checkout import REPOSITORY
from command_line import TINY

ORIGINALS = REPOSITORY.parent / "shared" / "reference" / "original-checkpoints"
"""What the first authors of the two networks trained; outside the repository."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_checkpoint_measures_what_its_training_said(harness, write, tmp_path):
    folder = write(model=TINY)
    train = ("train", folder, "--data", "mini", "--epochs", "1", "--workers", "0")
    assert harness(*train).returncode == 0
    training = json.loads((tmp_path / "results" / "basic" / "training.json").read_text())
    last = tmp_path / "results" / "basic" / "checkpoints" / "last.pth"
    done = harness("evaluate", folder, "--weights", last, "--data", "mini", "--json", "measured.json")
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "measured.json").read_text())
    same = ("data", "confusion", "accuracy", "accuracy_interval", "weights_sha256")
    assert {key: measured[key] for key in same} == {key: training[key] for key in same}
    assert f"accuracy: {training['accuracy']:.2%} of 1,000 test images, the embedded mini set" in done.stdout
    assert all(name in done.stdout for name in training["data"]["classes"])
    wrong = harness("evaluate", folder, "--weights", last, "--data", "mini", "--ctor", "width=5")
    assert wrong.returncode == 2
    assert "another network: conv.weight: expected float32 [5, 3, 3, 3], got float32 [4, 3" in wrong.stderr


@pytest.mark.slow
@pytest.mark.skipif(not ORIGINALS.is_dir(), reason=f"the original checkpoints are not in {ORIGINALS}")
@pytest.mark.skipif("CIFAR10_ROOT" not in os.environ, reason="CIFAR10_ROOT is not set")
@pytest.mark.parametrize(("variant", "accuracy"), [("basic", "87.70%"), ("dilated", "92.01%")])
def test_the_original_checkpoints_measure_what_their_authors_said(harness, reference, variant, accuracy):
    weights, data = ORIGINALS / f"{variant}.pth", os.environ["CIFAR10_ROOT"]
    done = harness("evaluate", reference, "--variant", variant, "--weights", weights, "--data", data)
    assert f"accuracy: {accuracy} of 10,000 test images" in done.stdout, done.stderr
