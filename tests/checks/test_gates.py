"""The gates as a course runs them: one test per rule and variant, the finding as the message."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from harness.assignment import REPOSITORY

BROKEN = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.pool = nn.MaxPool2d(2)
            self.fc = nn.Linear(4, 10)

        def forward(self, x):
            return self.fc(self.pool(self.conv(x)).mean((2, 3)))
"""


def gates(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "checks", "-v", "-p", "no:cacheprovider", *map(str, args)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_reference_submission_passes_every_gate_of_both_variants():
    done = gates("--submission", "submission")
    assert done.returncode == 0, done.stdout
    assert "20 passed" in done.stdout
    assert "test_rule[basic-max_parameters]" in done.stdout


def test_a_broken_rule_fails_its_own_gate_with_the_finding_as_its_message(tmp_path):
    model = tmp_path / "model.py"
    model.write_text(dedent(BROKEN))
    done = gates("--submission", model)
    assert done.returncode == 1
    assert "basic: no_max_pool: failed" in done.stdout
    assert "expected: no maximum over space" in done.stdout
    assert "where:    pool (model.py:12)" in done.stdout


def test_a_wrong_path_is_bad_usage_and_not_a_crash():
    done = gates("--submission", "nowhere")
    assert done.returncode == 4
    assert "no such file or folder" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
