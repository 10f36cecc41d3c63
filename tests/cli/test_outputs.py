"""Where a command writes: refused before the work, shared with nobody, and no grade lost on a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.base.errors import HarnessError, UsageError
from harness.base.files import write_text
from harness.cli.outputs import alone_in, check_file, check_writable, clear_file, nothing_lost
from harness.record.record import Record, load_record, sealed


@pytest.fixture
def record() -> Record:
    return sealed(
        Record(
            assignment="a",
            assignment_title="A",
            assignment_sha256="0" * 64,
            submission_sha256="1" * 64,
            verdict="passed",
            points=7,
            max_points=7,
            variants={},
        )
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "it is a folder"),
        ("file/record.json", "(File exists|Not a directory)"),
        ("x" * 300, "File name too long"),
        ("new/" + "x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=rf"--json .*: cannot be written \({reason}\)\. Name another file\."):
        check_file(tmp_path / name)


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="needs a file system that takes no files")
def test_a_place_that_takes_no_files_is_refused():
    with pytest.raises(UsageError, match=r"--gradescope /proc/x: cannot be written"):
        check_file("/proc/x", "--gradescope")
    with pytest.raises(UsageError, match=r"--out /proc: cannot be written .* Name another folder"):
        check_writable(Path("/proc"))


@pytest.mark.parametrize("name", ["new/folder/record.json", "there.json", "pipe"])
def test_a_file_that_can_be_written_is_left_as_it_is(tmp_path, name):
    (tmp_path / "there.json").write_text("before")
    os.mkfifo(tmp_path / "pipe")
    check_file(tmp_path / name)
    check_file("-")
    check_file(None)
    assert (tmp_path / "there.json").read_text() == "before"
    assert not (tmp_path / "new" / "folder" / "record.json").exists()


def test_the_result_of_an_earlier_run_is_removed_before_the_work_and_nothing_else_is(tmp_path):
    (tmp_path / "results.json").write_text("before")
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "results.json", tmp_path / "pipe", tmp_path / "new.json", None):
        clear_file(file, "--gradescope")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    with pytest.raises(UsageError, match=r"--gradescope .*: cannot be written \(it is a folder\)"):
        clear_file(tmp_path, "--gradescope")


def test_a_folder_is_one_run_s_at_a_time(tmp_path):
    with alone_in(tmp_path / "results"):
        with (
            pytest.raises(
                UsageError, match=r"--out .*results: in use by another run of the harness; expected"
            ),
            alone_in(tmp_path / "results"),
        ):
            pass
        with alone_in(tmp_path / "other"):
            pass
    with alone_in(tmp_path / "results"):
        pass
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("command", ["grade", "train"])
def test_a_second_run_in_one_folder_is_refused_with_exit_code_2(tmp_path, write, command):
    folder = write(model="x = 1")
    with alone_in(tmp_path / "results"):
        done = subprocess.run(
            [sys.executable, "-m", "harness", command, str(folder), "--out", str(tmp_path / "results")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "in use by another run of the harness" in done.stderr


def test_on_a_full_disk_the_record_is_printed(tmp_path, record, capsys):
    message = r"/dev/full: cannot be written \(No space left on device\).*record itself is on standard output"
    with pytest.raises(HarnessError, match=message), nothing_lost(record, "/dev/full"):
        write_text(Path("/dev/full"), "x")
    printed = capsys.readouterr()
    assert "7 of 7 points" in printed.err
    (tmp_path / "scorecard.json").write_text(printed.out)
    assert load_record(tmp_path / "scorecard.json") == record


def test_what_is_no_matter_of_files_is_not_caught(record, capsys):
    with pytest.raises(ValueError, match="else"), nothing_lost(record, "x"):
        raise ValueError("something else")
    assert capsys.readouterr().out == ""
