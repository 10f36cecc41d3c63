"""The gates as a course runs them: one test per rule and variant, the finding as the message."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from checkout import REPOSITORY

from harness.loader.client import LoadFailure
from harness.pipeline.loading import in_sandbox
from harness.pipeline.recording import Graded, GradedVariant
from harness.pipeline.recording import record as record_of
from harness.pipeline.task import Settings, Task
from harness.record.record import to_json
from harness.sources.submission import open_submission

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
    done = gates("--submission", model, "--variant", "basic")
    assert done.returncode == 1
    assert "basic: no_max_pool: failed" in done.stdout
    assert "expected: no maximum over space" in done.stdout
    assert "where:    pool (model.py:8, called at model.py:12)" in done.stdout


def test_a_wrong_path_is_bad_usage_and_not_a_crash():
    done = gates("--submission", "nowhere")
    assert done.returncode == 4
    assert "no such file or folder" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.fixture
def record(tmp_path, assignment, reference):
    """The record of a submission that could not be taken in, training included."""
    task = Task(open_submission(reference, assignment), assignment, Settings(out=tmp_path), in_sandbox())
    failure = LoadFailure("Net", "crashed", "student", "it does not import", "", "")
    graded = {name: GradedVariant(failure, full=name == "basic") for name in assignment.variants}
    file = tmp_path / "scorecard.json"
    file.write_text(to_json(record_of(task, Graded("", graded))))
    return file


def test_a_record_is_gated_as_it_is_and_accuracy_with_it(record):
    done = gates("--record", record)
    assert done.returncode == 1
    assert "21 failed" in done.stdout
    assert "test_rule[basic-min_accuracy]" in done.stdout
    assert "it does not import" in done.stdout


def test_one_variant_of_a_record_can_be_asked_for(record):
    done = gates("--record", record, "--variant", "dilated")
    assert "10 failed" in done.stdout
    assert "basic" not in done.stdout


def test_a_variant_that_a_record_does_not_have_is_bad_usage(record):
    done = gates("--record", record, "--variant", "wide")
    assert done.returncode == 4
    assert "--variant: not in the record; expected one of basic, dilated, got wide." in done.stderr


def test_a_record_that_was_changed_is_refused(record):
    record.write_text(record.read_text().replace('"verdict": "not_judged"', '"verdict": "passed"'))
    done = gates("--record", record)
    assert done.returncode == 4
    assert "the result was changed after it was written" in done.stderr


def test_a_record_and_a_submission_are_too_much(record):
    done = gates("--record", record, "--submission", "submission", "--class", "Net")
    assert done.returncode == 4
    assert "--record: has been judged already; expected no --submission and --class beside it." in done.stderr
