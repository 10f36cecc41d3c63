"""Options and fixtures of the gates: one submission, taken in once, or one record, gate by gate."""

from pathlib import Path

import pytest

from harness.assignment.gallery import located
from harness.assignment.spec import DEFAULT_ASSIGNMENT, AssignmentSpec, load_assignment
from harness.base.errors import HarnessError, UsageError
from harness.pipeline.grade import grade
from harness.pipeline.loading import in_sandbox
from harness.pipeline.recording import HANDED_IN
from harness.pipeline.task import Settings, Task
from harness.record.findings import Finding
from harness.record.record import Record, load_record
from harness.sources.submission import Submission, open_submission

OPENED = pytest.StashKey[tuple[AssignmentSpec, Submission]]()
LOADED = pytest.StashKey[Record]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --submission, --assignment, --variant, --class and --record."""
    group = parser.getgroup("submission")
    group.addoption("--submission", type=Path, help="file or folder to judge; default: submission")
    group.addoption("--assignment", type=Path, help="assignment: its TOML file, or the id of a shipped one")
    group.addoption("--variant", action="append", default=[], help="rule set; repeatable")
    group.addoption("--class", dest="class_name", help="the model's class")
    group.addoption("--record", type=Path, help="gate a record that is there, accuracy included")


def pytest_configure(config: pytest.Config) -> None:
    """Open what is to be judged; a wrong path or an invalid manifest is bad usage, not a failed test."""
    try:
        if config.getoption("--record"):
            config.stash[LOADED] = _loaded(config)
        else:
            config.stash[OPENED] = _opened(config)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of every rule and variant."""
    if {"variant", "rule"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("variant", "rule"), _gates(metafunc.config))


@pytest.fixture(scope="session")
def record(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Return the record that was given, or check the submission once, rules only."""
    if LOADED in pytestconfig.stash:
        return pytestconfig.stash[LOADED]
    assignment, submission = pytestconfig.stash[OPENED]
    settings = Settings(out=tmp_path_factory.mktemp("results"))
    return grade(Task(submission, assignment, settings, in_sandbox()))


@pytest.fixture
def finding(record: Record, variant: str, rule: str) -> Finding:
    """Return what one rule found on one variant."""
    if variant not in record.variants:
        pytest.fail(f"{variant}: asked for, and nothing of the submission could be read", pytrace=False)
    return next(f for f in record.variants[variant].findings if f.rule == rule)


# Private functions


def _opened(config: pytest.Config) -> tuple[AssignmentSpec, Submission]:
    assignment = load_assignment(located(config.getoption("--assignment") or DEFAULT_ASSIGNMENT))
    submission = open_submission(
        config.getoption("--submission") or Path("submission"),
        assignment,
        variants=config.getoption("--variant"),
        class_name=config.getoption("class_name"),
    )
    return assignment, submission


def _loaded(config: pytest.Config) -> Record:
    given = [name for name in ("submission", "assignment", "class_name") if config.getoption(name)]
    if given:
        named = " and ".join("--" + name.removesuffix("_name") for name in given)
        raise UsageError(f"--record: has been judged already; expected no {named} beside it. Leave one out.")
    record = load_record(config.getoption("--record"))
    for name in config.getoption("--variant"):
        if name not in record.variants:
            known = ", ".join(record.variants)
            raise UsageError(f"--variant: not in the record; expected one of {known}, got {name}.")
    return record


def _gates(config: pytest.Config) -> list[tuple[str, str]]:
    """List variant and rule of every gate."""
    if LOADED not in config.stash:
        assignment, submission = config.stash[OPENED]
        # What is measured needs a training: `harness grade` judges it.
        return [
            (variant, one.name)
            for variant in submission.variants
            for one in assignment.rules_for(variant)
            if not one.is_measured
        ] + [(variant, HANDED_IN) for variant in submission.missing]
    variants = config.stash[LOADED].variants
    asked = config.getoption("--variant") or list(variants)
    return [(variant, finding.rule) for variant in asked for finding in variants[variant].findings]
