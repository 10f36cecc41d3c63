"""`harness doctor`: what is wrong with a machine is found, and the fix is said."""

import importlib.metadata
import json
import os
import subprocess
import sys

import pytest
import torch
from cards import install, install_processor
from checkout import REPOSITORY

from harness.base.machine import Check
from harness.pipeline.doctor import check_bfloat16, check_gpus, check_sandbox, check_versions, examine
from harness.training.determinism import make_deterministic, switches


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "doctor", *arguments],
        cwd=REPOSITORY, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def poorly(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """A machine without bubblewrap, whose data is not the official one."""
    data = tmp_path_factory.mktemp("data")
    (data / "cifar-10-batches-py").mkdir()
    return run("--json", "--data", str(data), PATH="/nowhere")


def test_what_fails_is_named_with_its_fix_and_the_exit_code_says_so(poorly):
    assert poorly.returncode == 3, poorly.stderr
    checks = {check["name"]: check for check in json.loads(poorly.stdout)}
    assert checks["data"]["level"] == "FAIL"
    assert "data_batch_1: missing" in checks["data"]["found"]
    assert checks["data"]["fix"] == "Put the files of CIFAR-10 in its place."
    assert checks["sandbox"]["level"] == "CAUTION"
    assert checks["sandbox"]["fix"] == "apt-get install bubblewrap"
    assert all(check["fix"] for check in checks.values() if check["level"] != "PASS")


def test_what_torch_is_and_does_is_asked_of_a_training_child(poorly):
    checks = {check["name"]: check for check in json.loads(poorly.stdout)}
    assert checks["torch"]["found"].startswith(torch.__version__)
    assert checks["determinism"] == {
        "name": "determinism", "level": "PASS", "found": "7 switches are set", "fix": "",
    }  # fmt: skip


def test_every_gpu_and_slice_is_shown(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    shown = (
        "NVIDIA H100 80GB HBM3 (80,950 MiB free); NVIDIA A100-SXM4-40GB MIG 3g.20gb (17,400 MiB free); "
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb+me (4,350 MiB free)"
    )
    assert check_gpus(is_used=True) == Check("GPUs", "PASS", f"{shown}; driver 550.54.15")
    unused = check_gpus(is_used=False)
    assert (unused.level, unused.found) == ("CAUTION", f"torch can use none of {shown}")
    assert unused.fix.startswith("Install torch for CUDA and a driver that is new enough")
    install(tmp_path, monkeypatch, "exit 9\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    unknown = check_gpus(is_used=True)
    assert (unknown.level, unknown.found) == ("CAUTION", "GPU (memory not known)")
    assert unknown.fix.startswith("Make nvidia-smi work for this user")


def test_a_machine_without_a_gpu_is_fit(poorly):
    checks = {check["name"]: check for check in json.loads(poorly.stdout)}
    assert checks["GPUs"]["found"] == "none: networks are trained on the processor"
    assert checks["GPUs"]["level"] == "PASS"


def test_a_switch_that_is_not_set_is_seen():
    make_deterministic(1)
    assert all(switches(1).values())
    torch.backends.cudnn.benchmark = True
    assert [name for name, ok in switches(1).items() if not ok] == ["cuDNN benchmark off"]
    make_deterministic(1)
    assert not switches(torch.get_num_threads() + 1)["threads"]


def test_a_machine_that_cannot_lock_a_process_fails(monkeypatch):
    monkeypatch.setattr("harness.sandbox.backends.COMMANDS", {})
    monkeypatch.setattr("harness.sandbox.client.COMMANDS", {})
    check = check_sandbox()
    assert check.level == "FAIL"
    assert "no process can be locked here" in check.found
    assert "Landlock" in check.fix


@pytest.mark.parametrize(
    ("precision", "flags", "level"),
    [
        ("auto", "avx2 avx512_bf16", "PASS"),
        ("auto", "avx2", "CAUTION"),
        ("bfloat16", "avx2", "CAUTION"),
        ("float32", "avx2", "PASS"),
    ],
)
def test_a_processor_that_does_not_compute_bfloat16_is_a_caution_where_a_recipe_uses_it(
    assignment, monkeypatch, tmp_path, precision, flags, level
):
    recipe = assignment.recipe.model_copy(update={"precision": precision})
    install_processor(tmp_path, monkeypatch, flags)
    check = check_bfloat16(assignment.model_copy(update={"recipe": recipe}))
    assert check.level == level
    assert ("7 to 12 times" in check.found) is (precision == "bfloat16")
    assert bool(check.fix) is (level != "PASS")


def test_another_version_than_the_pinned_one_is_a_caution(monkeypatch):
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0" if name == "torch" else real(name))
    check = check_versions()
    assert check.level == "CAUTION"
    assert "torch 1.0 (pinned 2." in check.found
    assert f"pip install torch=={real('torch')}" in check.fix


def test_data_that_is_nowhere_is_a_caution_and_nothing_is_downloaded(assignment, elsewhere):
    check = next(check for check in examine(assignment, None) if check.name == "data")
    assert check.level == "CAUTION"
    assert "CIFAR10_ROOT" in check.fix
    assert list(elsewhere.iterdir()) == []
