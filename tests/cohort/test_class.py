"""The made-up class of `benchmarks/make_class.py`: what it holds, and the right verdict for every work."""

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import class_broken
import class_hostile
import pytest
from class_ideas import ALLOWED, EDGES
from class_truth import surprises
from make_class import BAD_NAMES, make_class

from harness.cohort.store.queries import rows
from harness.cohort.store.store import opened_store


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of two hundred."""
    folder = tmp_path_factory.mktemp("whole")
    make_class(folder, 200, seed=1)
    return folder


def test_equal_arguments_give_equal_files(tmp_path, whole):
    make_class(tmp_path / "again", 200, seed=1)
    assert files_of(tmp_path / "again") == files_of(whole)


def test_a_class_of_two_hundred_has_every_idea(whole):
    truth = json.loads((whole / "truth.json").read_text())
    assert len(truth) == 200
    ideas = {entry["idea"] for entry in truth}
    assert ideas >= {*ALLOWED, *EDGES, *class_broken.IDEAS, *class_hostile.IDEAS}
    kinds = Counter(entry["kind"] for entry in truth)
    assert min(kinds[kind] for kind in ("honest", "borderline", "broken", "hostile")) >= 30


def test_the_truth_names_every_work_once(whole):
    truth = json.loads((whole / "truth.json").read_text())
    assert len({entry["student"] for entry in truth}) == len({entry["path"] for entry in truth}) == 200
    there = {f"class/{path.name}" for path in (whole / "class").iterdir()}
    assert {entry["path"] for entry in truth} == there


def test_the_list_has_every_student_and_some_earlier_works(whole):
    with (whole / "LIST.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    truth = json.loads((whole / "truth.json").read_text())
    assert {row[0] for row in rows[1:]} == {entry["student"] for entry in truth}
    last = {row[1] for row in rows[1:] if not row[1].startswith("earlier")}
    assert last == {entry["path"] for entry in truth}
    assert len(rows) == 1 + 200 + 10


def test_the_students_have_the_worst_names(whole):
    there = {path.name.partition(".")[0] for path in (whole / "class").iterdir()}
    assert {name.partition(".")[0] for name in BAD_NAMES} <= there


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("roster", ["class", "LIST.csv"])
def test_every_work_of_a_class_gets_its_right_verdict(tmp_path, roster):
    make_class(tmp_path, 40, seed=2)
    store, assignment = tmp_path / "cohort.db", tmp_path / "assignment.toml"
    command = [sys.executable, "-m", "harness", "cohort", "grade", tmp_path / roster, "--rules-only"]
    done = subprocess.run(
        [*command, "--store", store, "--assignment", assignment], capture_output=True, text=True, check=False
    )
    with opened_store(str(store), must_exist=True) as opened:
        found = rows(opened)
    assert surprises(tmp_path, found) == {}
    assert done.returncode == 0, done.stderr
