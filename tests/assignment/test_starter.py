"""`harness new`: a starter that keeps every rule, and is known again."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.assignment.spec import AssignmentSpec
from harness.assignment.starter import OUTLINE_SHA256, STARTER, outline_sha256, write_starter
from harness.base.errors import UsageError
from harness.pipeline.grade import grade_variants
from harness.pipeline.loading import in_sandbox
from harness.pipeline.recording import record as record_of
from harness.pipeline.task import Settings, Task
from harness.record.record import Record
from harness.sources.submission import open_submission

WARNING = "This is the starter that `harness new` writes"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, assignment: AssignmentSpec):
    """The record of a check of the starter, and its graph's outline; `changes` are made in its text."""

    def check(*changes: tuple[str, str]) -> tuple[Record, str]:
        folder = tmp_path_factory.mktemp("work")
        write_starter(folder)
        text = (folder / "model.py").read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (folder / "model.py").write_text(text)
        settings = Settings(out=tmp_path_factory.mktemp("out"))
        task = Task(open_submission(folder, assignment), assignment, settings, in_sandbox())
        graded = grade_variants(task)
        architecture = graded.variants["basic"].judged.probed.loaded.architecture
        return record_of(task, graded), outline_sha256(architecture.eval)

    return check


def test_the_starter_keeps_every_rule_and_is_known_again(judged) -> None:
    record, outline = judged()
    assert {f.rule: f.status for f in record.variants["basic"].findings if f.status != "passed"} == {}
    assert record.verdict == "passed"
    assert outline == OUTLINE_SHA256
    assert any(WARNING in warning for warning in record.variants["basic"].facts.warnings)


@pytest.mark.slow
def test_other_names_and_another_layout_of_its_text_do_not_hide_it(judged) -> None:
    record, _ = judged(
        ("block", "stage"), ("separable", "light"), ("x: Tensor", "images: Tensor"), ("(x)", "(images)"),
        ("        x = ", "        images = "),
    )  # fmt: skip
    assert any(WARNING in warning for warning in record.variants["basic"].facts.warnings)


@pytest.mark.slow
def test_a_changed_network_is_ones_own(judged) -> None:
    record, _ = judged(("64, 96", "64, 100"), ("Linear(96", "Linear(100"))
    assert not any(WARNING in warning for warning in record.variants["basic"].facts.warnings)


def test_a_folder_that_holds_something_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("mine")
    with pytest.raises(
        UsageError, match=r"is not empty; expected a new or an empty folder\. Name another one"
    ):
        write_starter(tmp_path)
    assert (tmp_path / "model.py").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(UsageError, match=r"/dev/null/work: cannot be written \(.+\)\. Name another folder"):
        write_starter(Path("/dev/null/work"))


def test_the_command_says_what_it_wrote_and_what_comes_next(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "new", str(tmp_path / "work")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "model.py, and judge it with harness check" in done.stderr
    assert {p.name: p.read_text() for p in (tmp_path / "work").iterdir()} == {
        p.name: p.read_text() for p in STARTER.iterdir()
    }
