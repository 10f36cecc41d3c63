"""A class whose grades the tests give, and a page that is served by `harness watch` itself."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from harness.assignment.spec import DEFAULT_ASSIGNMENT, AssignmentSpec, load_assignment
from harness.base.files import write_text
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.leases import Outcome, claim, finish, release
from harness.cohort.store.repository import Ingested, enter, enter_config, grade_row
from harness.cohort.store.schema import LinkTable, SubmissionTable, TaskTable
from harness.cohort.store.store import Store, open_for_reading, open_store
from harness.record.facts import Facts
from harness.record.findings import Finding, Problem, combined
from harness.record.record import Record, VariantRecord, sealed
from harness.record.trainings import EpochLog, wilson_interval
from harness.watch.class_view import ClassView

ME = "me@elsewhere:1/x/y"
"""A grader on another machine: nobody can tell whether it lives."""


class Class:
    """A store, written to as graders do."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cohort.db"
        self.store: Store = open_store(str(self.path))
        self.config = GradingConfig(load_assignment(DEFAULT_ASSIGNMENT), seed=1)
        self.keys: dict[str, str] = {}
        enter_config(self.store, self.config)

    def ingest(self, *students: str, assignment: AssignmentSpec | None = None) -> None:
        config = self.config if assignment is None else GradingConfig(assignment, seed=1)
        enter_config(self.store, config)
        for student in students:
            sources = f"{len(self.keys):064}"
            one = Ingested(student, f"{student}.zip", None, sources, "", "c" * 64)
            self.keys[student] = enter(self.store, one, config)

    def fill(self, records: Mapping[str, Record]) -> None:
        """Enter many grades at once, which graders would take a while for."""
        with self.store.objects.unfinished() as folder:
            write_text(folder / "scorecard.html", CARD.format(key="one of many"))
            folder_sha256 = self.store.objects.adopt(folder)
        with self.store.writing() as session:
            for number, (student, one) in enumerate(records.items()):
                key = f"{number:064}"
                submission = SubmissionTable(
                    identity=key, student=student, source="x.zip", submitted_at=None, sources_sha256=key,
                    file="", problem="", problem_cause="",
                )  # fmt: skip
                session.add(submission)
                session.flush()
                session.add(
                    TaskTable(
                        key=key, submission_id=submission.id, run_key=self.config.run_key,
                        recipe_sha256="c" * 64,
                        assignment_sha256=self.config.assignment_sha256, seed=1, stage="trained",
                        harness_version=self.config.harness_version, priority=0.0, generation=0, attempts=0,
                        owner="", lease_until=0.0, problem="",
                    )
                )  # fmt: skip
                session.flush()
                session.add(LinkTable(submission_id=submission.id, key=key))
                session.add(grade_row(key, 0, "full", "graded", one, folder_sha256, ME, 2.0))

    def begin(self, stage: str = "rules", count: int = 1, owner: str = ME, lease_s: float = 60) -> list:
        return claim(self.store, self.config.run_key, stage, count, owner, lease_s)

    def grade(self, work, record: Record, owner: str = ME) -> None:
        with self.store.objects.unfinished() as folder:
            write_text(folder / "scorecard.html", CARD.format(key=work.key))
            sha256 = self.store.objects.adopt(folder)
        assert finish(self.store, work, owner, Outcome(record, sha256, 2.0))

    def grade_one(self, student: str, record: Record) -> None:
        """Grade one student; the others that wait go on waiting."""
        works = {work.key: work for work in self.begin(count=10_000)}
        self.grade(works.pop(self.keys[student]), record)
        release(self.store, ME, died=False)

    def grade_all(self, record: Record) -> None:
        for work in self.begin(count=10_000):
            self.grade(work, record)


CARD = (
    "<!doctype html><title>{key}</title><script>document.title = 'it ran'</script>"
    '<img src="https://example.org/x.png" onerror="document.title = \'it ran\'"><h1>A scorecard</h1>'
)
"""A scorecard in which a submission has got a script past every escape."""


def a_record(
    accuracy: float | None = None,
    failed: Sequence[str] = (),
    problem: str = "",
    rules: Sequence[str] = ("a",),
) -> Record:
    """Make a record of one variant; `problem` is why it could not be taken in."""
    status = "not_judged" if problem else None
    findings = tuple(
        Finding(
            rule=rule, status=status or ("failed" if rule in failed else "passed"), expected="x", actual="y",
            cause="student" if problem else None, points=None if problem else 10 * (rule not in failed),
            max_points=10,
        )
        for rule in rules
    )  # fmt: skip
    facts = Facts(parameters=84_322)
    if accuracy is not None:
        interval = wilson_interval(round(10_000 * accuracy), 10_000)
        facts = facts.model_copy(update={"accuracy": accuracy, "accuracy_interval": interval})
    verdict = combined(finding.status for finding in findings)
    points = sum(finding.points or 0 for finding in findings)
    variant = VariantRecord(
        title="", class_name="Net", full=accuracy is not None, verdict=verdict, points=points,
        max_points=10 * len(rules), findings=findings, facts=facts,
        problem=Problem(cause="student", message=problem) if problem else None,
    )  # fmt: skip
    return sealed(
        Record(
            assignment="a", assignment_title="A", assignment_sha256="0" * 64, submission_sha256="1" * 64,
            verdict=verdict, points=points, max_points=10 * len(rules), variants={"basic": variant},
        )
    )  # fmt: skip


@pytest.fixture(scope="session")
def record() -> Callable[..., Record]:
    return a_record


@pytest.fixture(scope="session")
def new_class() -> type[Class]:
    return Class


@pytest.fixture
def cohort(tmp_path: Path) -> Iterator[Class]:
    made = Class(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def view(cohort: Class) -> Iterator[Callable[..., ClassView]]:
    """Look at the store as `harness watch` does."""
    opened: list[Store] = []

    def look(**options: bool) -> ClassView:
        opened.append(open_for_reading(str(cohort.path)))
        return ClassView(opened[-1], **options)

    yield look
    for store in opened:
        store.close()


@pytest.fixture
def epoch() -> Callable[[int], EpochLog]:
    def made(number: int) -> EpochLog:
        return EpochLog(
            epoch=number, train_loss=1 / number, train_acc=0.5, test_loss=1 / number, test_acc=0.6, lr=0.1
        )

    return made


@pytest.fixture(scope="session")
def watching() -> Iterator[Callable[..., str]]:
    """Start `harness watch`; gives its address."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", "watch", *map(str, arguments)],
            stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        running.append(process)
        said = process.stdout.readline()
        assert said.startswith("Watch at http://127.0.0.1:"), said
        return said.split()[-1]

    yield start
    for process in running:
        process.kill()
    for process in running:
        process.wait(20)
        process.stdout.close()
