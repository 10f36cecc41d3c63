"""Options and fixtures of the gates: one submission, taken in once, judged rule by rule."""

from pathlib import Path

import pytest

from harness.assignment import DEFAULT_ASSIGNMENT, AssignmentSpec, Points, load_assignment
from harness.errors import HarnessError
from harness.grade import grade
from harness.intake.submission import Submission, open_submission
from harness.record import Finding, Record
from harness.run import Run, Settings

RULES = [name for name in Points.model_fields if name != "min_accuracy"]
"""Accuracy needs a training: `harness grade` judges it."""
OPENED = pytest.StashKey[tuple[AssignmentSpec, Submission]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --submission, --assignment, --variant and --class."""
    group = parser.getgroup("submission")
    group.addoption("--submission", type=Path, default=Path("submission"), help="file or folder to judge")
    group.addoption("--assignment", type=Path, default=DEFAULT_ASSIGNMENT, help="assignment TOML")
    group.addoption("--variant", action="append", default=[], help="rule set; repeatable")
    group.addoption("--class", dest="class_name", default=None, help="the model's class")


def pytest_configure(config: pytest.Config) -> None:
    """Open the submission; a wrong path or an invalid manifest is bad usage, not a failed test."""
    try:
        assignment = load_assignment(config.getoption("--assignment"))
        submission = open_submission(
            config.getoption("--submission"),
            assignment,
            variants=config.getoption("--variant"),
            class_name=config.getoption("class_name"),
        )
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[OPENED] = (assignment, submission)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of every rule and variant."""
    if {"variant", "rule"} <= set(metafunc.fixturenames):
        _, submission = metafunc.config.stash[OPENED]
        metafunc.parametrize("variant", list(submission.variants))
        metafunc.parametrize("rule", RULES)


@pytest.fixture(scope="session")
def record(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Judge the submission once, rules only."""
    assignment, submission = pytestconfig.stash[OPENED]
    settings = Settings(out=tmp_path_factory.mktemp("results"))
    return grade(Run(submission, assignment, settings, lambda *_: None))


@pytest.fixture
def finding(record: Record, variant: str, rule: str) -> Finding:
    """Pick what one rule found on one variant."""
    return next(f for f in record.variants[variant].findings if f.rule == rule)
