"""A class is graded: as a user does it, in processes that are killed, and by several at once."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from checkout import REPOSITORY
from sqlalchemy import func, select

from harness.assignment.spec import DEFAULT_ASSIGNMENT
from harness.cohort.ingest import PROBLEM
from harness.cohort.runner import Again, begin_again
from harness.cohort.store.leases import Outcome, claim, finish
from harness.cohort.store.models import by_cause
from harness.cohort.store.progress import progress_of
from harness.cohort.store.queries import rows
from harness.cohort.store.repository import enter, enter_config
from harness.cohort.store.schema import GradeTable, TaskTable
from harness.cohort.store.store import opened_store
from harness.record.findings import Finding
from harness.record.record import sealed

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, num_classes)

    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).relu().mean((2, 3)))
"""
KILLS = 3
Grade = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a class: the reference, one that breaks rules, a crash, a hang, and archives that are none."""
    folder = tmp_path_factory.mktemp("class")
    (folder / "ada").mkdir()
    for name in ("model.py", "submission.toml"):
        text = (REPOSITORY / "submission" / name).read_text()
        (folder / "ada" / name).write_text(text)
    (folder / "bob.py").write_text(NET)
    (folder / "cem.py").write_text("import os\nos.abort()\n")
    (folder / "dan.py").write_text("while True:\n    pass\n")
    for number in range(6):
        (folder / f"eve {number}.zip").write_text(f"not a zip {number}")
    return folder


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an assignment of one epoch, whose submissions may run for a second."""
    text = DEFAULT_ASSIGNMENT.read_text()
    for old, new in (
        ("epochs = 14\n", "epochs = 1\n"),
        ("stages = [{ epochs = 4, size_px = 16 }, { epochs = 5, size_px = 24 }]", ""),
        ("intake_cpu_s = 60", "intake_cpu_s = 10"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path_factory.mktemp("assignment") / "quick.toml"
    file.write_text(text)
    return file


def command(folder: Path, quick: Path, address: str, files: Path, *more: str) -> list[str]:
    options = ["--assignment", str(quick), "--data", "mini", "--workers", "1"]
    return cohort("grade", address, files, str(folder), *options, *more)


def cohort(name: str, address: str, files: Path, *more: str) -> list[str]:
    command = [sys.executable, "-m", "harness", "cohort", name, "--store", address, "--files", str(files)]
    return [*command, *more]


def start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def table(address: str, files: Path) -> list[tuple[object, ...]]:
    """Give what is to be the same however a class was graded."""
    with opened_store(address, files, must_exist=True) as store:
        return [
            (row.student, row.state, row.stage, row.cause, row.record and row.record.result_sha256)
            for row in rows(store)
        ]


def grades(address: str, files: Path) -> Counter[tuple[str, str]]:
    """Count the grades of each work and stage."""
    with opened_store(address, files) as store, store.reading() as session:
        found = session.execute(
            select(GradeTable.key, GradeTable.stage, func.count()).group_by(GradeTable.key, GradeTable.stage)
        )
        return Counter({(key, stage): count for key, stage, count in found})


@pytest.fixture(scope="session")
def undisturbed(
    class_folder: Path, quick: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Grade the class from start to end; gives the store and its files."""
    folder = tmp_path_factory.mktemp("undisturbed")
    address, files = str(folder / "cohort.db"), folder / "files"
    done = start(command(class_folder, quick, address, files))
    said = done.communicate()[1]
    assert done.returncode == 3, said
    assert "not judged: student" in said
    return address, files


def test_what_a_retry_leaves_out_it_says_why(store, config, handed_in, tmp_path):
    enter_config(store, config)
    with store.objects.unfinished() as folder:
        (folder / "x").mkdir()
        (folder / "x" / PROBLEM).write_text("no such repository")
        sources = store.objects.adopt(folder / "x")
    broken = handed_in("ada", sources_sha256=sources, problem="no such repository", problem_cause="student")
    key = enter(store, broken, config)
    (found,) = rows(store)
    waiting = replace(found, student="bob", problem="", record=None)
    dead = replace(waiting, student="cem", state="failed", is_sealed=False)
    broken = replace(dead, student="ada", problem="no such repository")
    assert begin_again(store, [broken, dead], frozenset({"infrastructure"})) == Again(
        (),
        (
            (
                "ada",
                "was not taken in, so harness cohort grade has to fetch or open it anew: no such repository",
            ),
            ("cem", "is graded with another submission that is equal, or already"),
        ),
    )
    assert begin_again(store, [broken], frozenset({"resource"})) == Again((), ())
    assert found.key == key


def test_what_was_not_judged_for_a_cause_is_begun_again_from_the_stage_that_left_it_open(
    store, config, handed_in, record
):
    enter_config(store, config)
    open_rule, open_accuracy = record("not_judged", "resource"), record("passed")
    accuracy = Finding(
        rule="min_accuracy", status="not_judged", cause="resource", expected="", actual="", measured=True
    )
    (variant,) = open_accuracy.variants.values()
    variant = variant.model_copy(update={"findings": (*variant.findings, accuracy), "verdict": "not_judged"})
    update = {"variants": {"basic": variant}, "verdict": "not_judged"}
    open_accuracy = sealed(open_accuracy.model_copy(update=update))
    given = {"ada": record("not_judged", "student"), "bob": open_rule, "cem": open_accuracy, "dan": record()}
    for number, (student, one) in enumerate(given.items()):
        enter(store, handed_in(student, sources_sha256=f"{number:064}"), config)
        (work,) = claim(store, config.run_key, "rules", 1, "one", 60)
        finish(store, work, "one", Outcome(one, "f" * 64, 1.0))
    assert {what: [row.student for row in some] for what, some in by_cause(rows(store)).items()} == {
        "not judged: student": ["ada"], "not judged: resource": ["bob", "cem"], "passed": ["dan"],
    }  # fmt: skip
    assert begin_again(store, rows(store), frozenset({"resource"})).begun == ("bob", "cem")
    stages = {row.student: progress_of(store, config.run_key)[row.key][0] for row in rows(store)}
    assert stages == {"ada": "judged", "bob": "rules", "cem": "training", "dan": "judged"}
    assert [row.student for row in by_cause(rows(store))["waiting"]] == ["bob", "cem"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_one_crash_hang_or_refusal_touches_no_other(undisturbed: tuple[str, Path]) -> None:
    found = {row[0]: row[1:4] for row in table(*undisturbed)}
    assert found.pop("ada") == ("failed", "full", "infrastructure")  # a preview is never a grade
    assert found.pop("bob") == ("graded", "rules", None)
    assert len(found) == 8
    assert set(found.values()) == {("graded", "rules", "student")}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_what_is_done_is_not_done_again(
    undisturbed: tuple[str, Path], class_folder: Path, quick: Path
) -> None:
    before = grades(*undisturbed)
    again = start(command(class_folder, quick, *undisturbed))
    again.communicate()
    assert again.returncode == 3
    assert grades(*undisturbed) == before
    assert set(before.values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_retry_trains_those_of_a_cause_once_more_and_keeps_what_was(
    undisturbed: tuple[str, Path], tmp_path: Path
) -> None:
    address, files = str(tmp_path / "cohort.db"), tmp_path / "files"
    shutil.copyfile(undisturbed[0], address)
    shutil.copytree(undisturbed[1], files)
    words = cohort("retry", address, files, "--cause", "infrastructure", "--data", "mini", "--workers", "1")
    again = start(words)
    said = again.communicate()[1]
    assert again.returncode == 3, said  # a preview is still no grade
    assert "1 submissions are graded once more" in said
    assert table(address, files) == table(*undisturbed)
    with opened_store(address, files) as store:
        history = {row.student: [(entry.stage, entry.reason) for entry in row.history] for row in rows(store)}
    assert history.pop("ada") == [("rules", "graded"), ("full", "graded"), ("full", "retried")]
    assert set(map(tuple, history.values())) == {(("rules", "graded"),)}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_after_three_kills_the_table_is_that_of_an_undisturbed_run_and_nothing_is_graded_twice(
    undisturbed: tuple[str, Path], address: str, tmp_path: Path, class_folder: Path, quick: Path
) -> None:
    files, chance = tmp_path / "files", Random(len(address))
    words = command(class_folder, quick, address, files, "--lease-s", "5")
    for at_grade in sorted(chance.sample(range(11), KILLS)):
        running = start(words)
        while running.poll() is None and sum(grades(address, files).values()) < at_grade:
            time.sleep(0.1)
        inside = chance.random() < 0.5  # the others as soon as a grade is entered
        while inside and running.poll() is None and not is_running(address, files):
            time.sleep(0.1)
        kill_all(running)
    last = start(words)
    said = last.communicate()[1]
    assert last.returncode == 3, said
    assert table(address, files) == table(*undisturbed)
    assert grades(address, files) == grades(*undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_grader_that_is_killed_is_replaced(
    undisturbed: tuple[str, Path], tmp_path: Path, class_folder: Path, quick: Path
) -> None:
    address, files = str(tmp_path / "cohort.db"), tmp_path / "files"
    running = start(command(class_folder, quick, address, files, "--rules-only"))
    while not (graders := graders_of(running)) or not is_running(address, files):
        assert running.poll() is None
        time.sleep(0.2)
    os.kill(graders[0], signal.SIGKILL)
    said = running.communicate()[1]
    assert running.returncode == 0, said
    rules = [row for row in table(*undisturbed) if row[0] != "ada"]
    assert [row for row in table(address, files) if row[0] != "ada"] == rules
    assert set(grades(address, files).values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_processes_on_one_store_share_the_tasks_and_do_none_twice(
    undisturbed: tuple[str, Path], address: str, tmp_path: Path, class_folder: Path, quick: Path
) -> None:
    files = tmp_path / "files"
    both = [start(command(class_folder, quick, address, files)) for _ in range(2)]
    for running in both:
        said = running.communicate()[1]
        assert running.returncode == 3, said
    assert table(address, files) == table(*undisturbed)
    assert grades(address, files) == grades(*undisturbed)
    stricter = tmp_path / "stricter.toml"
    assert "below = 200_000" in quick.read_text()
    stricter.write_text(quick.read_text().replace("below = 200_000", "below = 100"))
    for words in (
        ["table", "--format", "canvas", "--out", "-"],
        ["similar", "--out", str(tmp_path)],
        ["regrade", "--assignment", str(stricter)],
        ["failures"],
    ):
        here, there = (lines_of(words, *store) for store in ((address, files), undisturbed))
        assert here == there
        assert here


def lines_of(words: list[str], address: str, files: Path) -> list[str]:
    """Give what a command says of a store, but for instants and who graded."""
    name, *options = words
    done = subprocess.run(
        cohort(name, address, files, *options), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 3), done.stderr
    return [line for line in done.stdout.replace(str(files), "").splitlines() if "@" not in line]


def is_running(address: str, files: Path) -> bool:
    with opened_store(address, files) as store, store.reading() as session:
        return session.scalar(select(TaskTable.key).where(TaskTable.owner != "").limit(1)) is not None


def graders_of(process: subprocess.Popen[str]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill a process and its graders, as a power cut would."""
    for pid in (process.pid, *graders_of(process)):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
