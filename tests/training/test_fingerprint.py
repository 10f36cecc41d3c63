"""The fingerprint names what decides the bytes, and changes when that changes."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkout import REPOSITORY

import harness
from harness.base.machine import processor
from harness.training.determinism import make_deterministic
from harness.training.fingerprint import Card, code_sha256, described, fingerprint

CPU = torch.device("cpu")
CARD = Card("NVIDIA H200", (9, 0), 132, 2048, "570.86.15", "12.8", "91002", ":4096:8")


def test_it_names_the_versions_the_processor_and_the_threads():
    make_deterministic(2)
    found = fingerprint(CPU)
    assert found["torch"].startswith(torch.__version__)
    assert found["harness"] == "0.1.0"
    assert (found["device"], found["threads"]) == ("cpu", "2")
    assert found["cpu"] == processor() != ""
    assert all(value for key, value in found.items() if key != "cpu_features")
    assert found == fingerprint(CPU)


def test_it_is_the_same_in_every_process():
    code = (
        "import json, torch\n"
        "from harness.training.determinism import make_deterministic\n"
        "from harness.training.fingerprint import fingerprint\n"
        "make_deterministic(2)\n"
        "print(json.dumps(fingerprint(torch.device('cpu'))))"
    )
    said = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)
    }
    assert len(said) == 1


def test_another_number_of_threads_is_another_fingerprint():
    make_deterministic(1)
    one = fingerprint(CPU)
    make_deterministic(2)
    two = fingerprint(CPU)
    assert {key for key in one if one[key] != two[key]} == {"threads"}


def test_every_key_is_documented():
    text = (REPOSITORY / "docs" / "reproducibility.md").read_text()
    assert [key for key in fingerprint(CPU) | described(CARD) if f"`{key}`" not in text] == []


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"capability": (10, 0)}, "gpu_capability"),
        ({"multiprocessors": 114}, "gpu_multiprocessors"),
        ({"threads_each": 1536}, "gpu_threads_each"),
        ({"name": "NVIDIA H200 MIG 1g.18gb"}, "gpu_slice"),
        ({"driver": "580.65.06"}, "gpu_driver"),
        ({"cuda": "13.0"}, "gpu_cuda"),
        ({"cudnn": "91300"}, "gpu_cudnn"),
        ({"cublas_workspace": ":16:8"}, "gpu_cublas_workspace"),
    ],
)
def test_another_gpu_slice_driver_or_library_is_another_fingerprint(change, key):
    one, other = described(CARD), described(replace(CARD, **change))
    assert [name for name in one if one[name] != other[name]] == [key]


def test_what_a_gpu_does_not_tell_is_said():
    found = described(replace(CARD, driver="", cublas_workspace=""))
    assert (found["gpu_driver"], found["gpu_cublas_workspace"]) == ("unknown", "not set")
    assert found["gpu_slice"] == "the whole card"
    assert described(replace(CARD, name="NVIDIA H200 MIG 1g.18gb"))["gpu_slice"] == "1g.18gb"


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("training/loop.py", True),
        ("base/seeds.py", True),
        ("settings/recipe.py", True),
        ("graph/operators.py", True),
        ("cli/app.py", False),
        ("report/html.py", False),
    ],
)
def test_the_code_that_trains_is_part_of_it_and_no_other(tmp_path, file, changes):
    before = code_sha256()
    copy = tmp_path / "harness"
    shutil.copytree(Path(harness.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert code_sha256(copy) == before
    with (copy / file).open("a") as text:
        text.write("\n# another\n")
    assert (code_sha256(copy) != before) == changes
