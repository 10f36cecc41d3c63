"""The corpus of borderline and dishonest architectures: each gets the verdict that docs/rules.md gives it.

A case is a folder of ``tests/submissions``; what its files say is explained in the README there. All
cases are exported, each in a child of its own, and probed in one; then each is judged by itself.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from checkout import REPOSITORY
from pydantic import Field

from harness.assignment.spec import DEFAULT_ASSIGNMENT, AssignmentSpec, load_assignment
from harness.base.tables import Table, read_toml, validate
from harness.loader.client import open_loader
from harness.pipeline.grade import judged_by_rules
from harness.pipeline.loading import in_sandbox, load
from harness.pipeline.probing import Probes, probe_together
from harness.pipeline.recording import record as record_of_task
from harness.pipeline.task import Loads, Settings, Task
from harness.record.facts import Facts
from harness.record.findings import Finding, Status
from harness.record.record import Record, to_json
from harness.sources.submission import Submission, open_submission
from harness.training.client import Child

CORPUS = REPOSITORY / "tests" / "submissions"
RULES = tuple(load_assignment(DEFAULT_ASSIGNMENT).rules)
CASES = sorted(file.parent.name for file in CORPUS.glob("*/expected.toml"))
IN_FULL = ("honest", "dilated_then_smaller", "data_dependent_control_flow")
"""Cases that are gated from the file on, as a course would."""
BOXES = 2
"""Boxes that run side by side."""
NOT_INSIDE = ("terminal", "cacheprovider", "faulthandler", "benchmark", "unraisableexception")
"""Plugins that a run of pytest within a run of pytest does without."""


class Verdict(Table):
    """What is expected of one rule."""

    status: Status
    actual: str


class Measured(Table):
    """What is expected of the facts; a key that is not there is not known."""

    parameters: int | None = None
    receptive_field_px: int | None = None
    receptive_field_with_pool_px: int | None = None
    jump: int | None = None
    strided_convolutions: int = 0
    dilations: tuple[int, ...] = ()
    depthwise_convolutions: int = 0
    max_pools: int = 0
    head: str | None = None
    warnings: tuple[str, ...] = ()


class Expected(Table):
    """One ``expected.toml``."""

    assignment: str = "cifar10-compact-cnn"
    variant: str = "basic"
    class_name: str | None = Field(default=None, alias="class")
    problem: str = ""
    defect: str = ""
    rules: Mapping[str, Verdict] = Field(default_factory=dict)
    """Those that do not pass."""
    facts: Measured = Measured()


@cache
def expected_of(case: str) -> Expected:
    return validate(Expected, read_toml(CORPUS / case / "expected.toml"), f"{case}/expected.toml")


@cache
def assignment_of(case: str) -> AssignmentSpec:
    return load_assignment(DEFAULT_ASSIGNMENT.with_name(f"{expected_of(case).assignment}.toml"))


def opened(case: str) -> Submission:
    expected = expected_of(case)
    return open_submission(
        CORPUS / case, assignment_of(case), variants=(expected.variant,), class_name=expected.class_name
    )


@pytest.fixture(scope="session")
def selected(request: pytest.FixtureRequest) -> list[str]:
    """Name the cases of the tests that are to run."""
    items = [item for item in request.session.items if "record_of" in getattr(item, "fixturenames", ())]
    return sorted({item.callspec.params["case"] for item in items})


@pytest.fixture(scope="session")
def corpus(
    tmp_path_factory: pytest.TempPathFactory, assignment: AssignmentSpec, selected: list[str]
) -> Mapping[str, tuple[Task, Probes]]:
    """Load the cases in two sandboxes, and probe them in one worker."""
    out = tmp_path_factory.mktemp("corpus")
    roomy = assignment.limits.model_copy(
        update={"intake_s": 900, "intake_cpu_s": 900, "intake_output_mib": 1024}
    )
    spec = assignment.model_copy(update={"limits": roomy})

    def loaded(cases: Sequence[str]) -> list[tuple[Task, Loads]]:
        with open_loader() as box:
            tasks = [Task(opened(case), spec, Settings(out=out / case), in_sandbox(box)) for case in cases]
            return [(task, load(task)) for task in tasks]

    with ThreadPoolExecutor(BOXES) as boxes, closing(Child()) as worker:
        parts = [selected[first::BOXES] for first in range(BOXES)]
        submissions = list(chain.from_iterable(boxes.map(loaded, parts)))
        probes = probe_together(submissions, worker)
    cases = chain.from_iterable(parts)
    return {case: (task, found) for case, (task, _), found in zip(cases, submissions, probes, strict=True)}


@pytest.fixture(scope="session")
def record_of(corpus: Mapping[str, tuple[Task, Probes]]) -> Callable[[str], Record]:
    """Judge one case by its own assignment and manifest."""

    @cache
    def judged(case: str) -> Record:
        task, probes = corpus[case]
        own = replace(task, assignment=assignment_of(case))
        return record_of_task(own, judged_by_rules(own, "", probes))

    return judged


def is_expected(finding: Finding, verdict: Verdict | None) -> bool:
    """Compare a finding with what the case says of its rule; of a rule that passes it says nothing."""
    if verdict is None:
        return finding.status == "passed"
    return finding.status == verdict.status and is_said(verdict.actual, finding.actual)


def is_said(expected: str, actual: str) -> bool:
    """Compare two texts; … in the expected one stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), actual, re.DOTALL) is not None


def measured(facts: Facts) -> Measured:
    """Count what the corpus only counts."""
    counted = ("strided_convolutions", "depthwise_convolutions", "max_pools")
    known = {name: getattr(facts, name) for name in Measured.model_fields}
    return Measured.model_validate({**known, **{name: len(known[name]) for name in counted}})


every_case = pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case, marks=pytest.mark.xfail(reason=defect) if (defect := expected_of(case).defect) else ()
        )
        for case in CASES
    ],
)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@every_case
def test_the_rules_see_through(case: str, record_of: Callable[[str], Record]) -> None:
    expected, judged = expected_of(case), record_of(case).variants[expected_of(case).variant]
    surprises = {
        finding.rule: f"{finding.status}: {finding.actual}"
        for finding in judged.findings
        if not is_expected(finding, expected.rules.get(finding.rule))
    }
    assert expected.rules.keys() <= {finding.rule for finding in judged.findings}
    assert surprises == {}
    assert measured(judged.facts) == expected.facts
    assert is_said(expected.problem, judged.problem.message if judged.problem else "")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@every_case
def test_the_gates_fail_exactly_where_expected(
    case: str, record_of: Callable[[str], Record], tmp_path: Path
) -> None:
    file = tmp_path / "record.json"
    file.write_text(to_json(record_of(case)))
    assert closed_gates("--record", str(file)) == closed_of(case)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", IN_FULL)
def test_the_gates_of_a_folder_are_those_of_its_record(case: str) -> None:
    expected = expected_of(case)
    arguments = ("--submission", str(CORPUS / case), "--variant", expected.variant)
    assert closed_gates(*arguments) == closed_of(case)


def closed_of(case: str) -> set[str]:
    expected = expected_of(case)
    return {
        f"test_rule[{expected.variant}-{rule}]"
        for rule, verdict in expected.rules.items()
        if verdict.status != "passed"
    }


def closed_gates(*arguments: str) -> set[str]:
    """Run the gates in this process and name the tests that failed."""

    class Failures:
        names: set[str] = set()  # noqa: RUF012 - one run, one set
        ran = 0

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            self.ran += report.when == "call"
            if report.failed:
                self.names.add(report.nodeid.partition("::")[2])

    seen = Failures()
    without = [f"-pno:{plugin}" for plugin in NOT_INSIDE]
    status = pytest.main([str(REPOSITORY / "checks"), *without, "--timeout=0", *arguments], plugins=[seen])
    assert status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert seen.ran == len(RULES) - 1
    return seen.names
