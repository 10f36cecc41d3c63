"""A grade that was killed is taken up again by the same command, and ends in the same bytes."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

MODEL = """
    from torch import nn

    class Tiny(nn.Module):
        def __init__(self, num_classes=10):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
            self.bn = nn.BatchNorm2d(8)
            self.fc = nn.Linear(8, num_classes)

        def forward(self, x):
            return self.fc(self.bn(self.conv(x)).relu().mean((2, 3)))
"""


class Graded:
    """One submission, graded in results folders of its own, in a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "model.py").write_text(dedent(MODEL))

    def started(self, out: str, *options: str) -> subprocess.Popen[str]:
        state = {"XDG_STATE_HOME": str(self.folder / "state"), "COLUMNS": "200"}
        command = [sys.executable, "-m", "harness", "grade", "model.py", "--data", "mini", "--out", out]
        return subprocess.Popen(
            [*command, *options], cwd=self.folder, env=os.environ | state, stderr=subprocess.PIPE, text=True
        )

    def killed(self, out: str, at: str) -> None:
        """Start a grade, and kill it with all it has started as soon as it says `at`."""
        process = self.started(out)
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith(at):
                break
        else:
            pytest.fail("".join(said))
        process.send_signal(signal.SIGKILL)
        process.stderr.close()
        process.wait()

    def finished(self, out: str, *options: str) -> str:
        """Grade to the end, and return what was said."""
        process = self.started(out, *options)
        _, said = process.communicate()
        assert process.returncode in (1, 3), said
        return said

    def result(self, out: str) -> str:
        record = json.loads((self.folder / out / "scorecard.json").read_text())
        assert record["variants"]["basic"]["training"] is not None
        return record["result_sha256"]

    def epochs(self, out: str) -> list[str]:
        with (self.folder / out / "basic" / "train_log.csv").open() as file:
            return [row["epoch"] for row in csv.DictReader(file)]


@pytest.fixture
def graded(tmp_path: Path) -> Graded:
    return Graded(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_grade_that_was_killed_goes_on_to_the_bytes_of_one_that_was_not(graded: Graded) -> None:
    graded.finished("whole")
    graded.killed("broken", at="epoch   2/")
    # What there is of it can be looked at while it goes on, and after its end.
    assert graded.epochs("broken")[:2] == ["1", "2"]
    assert (graded.folder / "broken" / "basic" / "plots" / "acc_curves.png").is_file()
    said = graded.finished("broken")
    assert "basic: goes on after epoch " in said
    assert "epoch   1/" not in said
    assert graded.result("broken") == graded.result("whole")
    assert graded.epochs("broken") == graded.epochs("whole")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_begins_anew_where_that_is_asked_for_and_after_a_grade_that_came_to_its_end(
    graded: Graded,
) -> None:
    graded.killed("out", at="epoch   2/")
    said = graded.finished("out", "--fresh")
    assert "goes on" not in said
    assert "epoch   1/" in said
    assert "epoch   1/" in graded.finished("out")
