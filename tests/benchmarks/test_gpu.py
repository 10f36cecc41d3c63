"""The script for a GPU, as far as a CPU goes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"

pytestmark = pytest.mark.slow


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_part_runs_small_on_a_cpu(tmp_path: Path) -> None:
    ended = run("--device", "cpu", "--quick", "--out", tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert list(parts) == ["operators", "golden", "chance", "basic", "dilated", "together", "waits"]
    assert parts["operators"]["different"] == parts["operators"]["no inputs"] == []
    assert parts["golden"]["basic: twice the same"]
    assert parts["golden"]["dilated: recorded as from Python"]
    assert all(found["as on a CPU"] for name, found in parts["chance"].items() if name != "seconds")
    assert parts["together"]["2"]["same bytes"]
    assert "aten::convolution_backward" in parts["waits"]["recorded"]["table"]
    table = (tmp_path / "gpu.md").read_text()
    assert table.startswith("| Part | What | Result |\n")
    assert "| `golden` | dilated: twice the same | yes |" in table


def test_a_part_that_is_stopped_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    ended = run("--device", "cpu", "--quick", "--patience", 0.001, "--out", tmp_path)
    assert ended.returncode == 1
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert parts["operators"] == {"stopped": "stopped after 0.06 s"}
    assert parts["waits"] == {"stopped": "stopped after 0.04 s"}
    assert "| `waits` | stopped | stopped after 0.04 s |" in (tmp_path / "gpu.md").read_text()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_a_sentence(tmp_path: Path) -> None:
    ended = run("--out", tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("gpu: no CUDA device that torch can use, so nothing was measured;")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
