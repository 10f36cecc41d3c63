"""The command line as a user meets it: a process, its two outputs, its exit code."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import TINY, command, environment


@pytest.mark.parametrize("name", ["check", "grade", "train", "evaluate"])
def test_the_help_of_every_command_shows_an_example(harness, name):
    done = harness(name, "--help")
    assert done.returncode == 0
    assert f"Example: harness {name} submission" in done.stdout


def test_help_imports_neither_torch_nor_anything_else_that_is_slow():
    script = (
        "import sys, harness.cli.app; "
        "slow = {'torch', 'numpy', 'pydantic', 'jinja2', 'harness.pipeline.grade'} & set(sys.modules); "
        "sys.exit(str(slow) if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_explaining_a_rule_imports_neither_torch_nor_numpy():
    script = (
        "import sys, harness.cli.app; sys.argv = ['harness', 'explain', 'dilation']\n"
        "try: harness.cli.app.main()\n"
        "except SystemExit as end: sys.exit(end.code or str({'torch', 'numpy'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert done.stdout.startswith("# `dilation`")


def test_explain_prints_a_page_as_markdown_and_without_a_rule_lists_them_all(harness):
    page, all_rules = harness("explain", "no_max_pool"), harness("explain")
    assert (page.returncode, all_rules.returncode, page.stderr) == (0, 0, "")
    assert page.stdout.startswith("# `no_max_pool`\n")
    assert page.stdout.count("\n## ") == 0
    assert "- `no_max_pool`: Check that no maximum" in all_rules.stdout


def test_grading_never_imports_torch_into_the_parent():
    script = "import sys, harness.cli.terminal, harness.pipeline.grade; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["explain", "no_maxpool"], "no such rule. Did you mean 'no_max_pool'?"),
        (["explain", "zzz"], "no such rule. Known rules: allow_only, "),
        (["chek"], "Did you mean 'check'"),
        (["check"], "Missing argument 'path'"),
        (["check", "nowhere"], "no such file or folder"),
        (["check", ".", "--ctor", "ten"], "--ctor ten: expected NAME=VALUE"),
        (["check", ".", "--assignment", "none.toml"], "none.toml: no such file"),
        (["grade", ".", "--out", "/dev/null"], "--out /dev/null: cannot be written"),
        (
            ["evaluate", ".", "--weights", "none.pth"],
            "none.pth: no such file; expected a checkpoint.",
        ),
        (["train", ".", "--seeds", "2", "--resume", "x.pth"], "--resume: continues one training; expected"),
        (["grade", ".", "--device", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'cuda'"),
    ],
)
def test_bad_usage_exits_with_2_and_says_what_was_expected(harness, args, message):
    done = harness(*args)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_of_a_manifest_does_not_steer_the_terminal(harness, write):
    folder = write(model=TINY, submission_toml='"\\u001b[2Jkey" = 1\n')
    done = harness("check", folder)
    assert done.returncode == 2
    assert "submission.toml: ⟨U+001B⟩[2Jkey: unknown key" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_exits_with_130_and_leaves_no_child_and_no_copy(write, tmp_path, sent):
    folder = write(model="import time\ntime.sleep(300)\n")
    (tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        command("check", folder),
        cwd=tmp_path,
        env=environment() | {"TMPDIR": str(tmp_path / "temporary")},
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background may have been told to ignore Ctrl-C; the harness has not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        try:
            assert running.stderr is not None
            assert "importing" in running.stderr.readline()
            children = both_children_of(running.pid)
            assert any((tmp_path / "temporary").iterdir())
            running.send_signal(sent)
            _, said = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == 130
    assert "interrupted" in said
    assert list((tmp_path / "temporary").iterdir()) == []
    # Killed, or not yet asked anything: then they end when they find nobody to ask them.
    deadline = time.monotonic() + 20
    while left := [child for child in children if Path(f"/proc/{child}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's copies were out of reach")
@pytest.mark.slow
def test_a_check_passes_and_keeps_its_files_to_itself_under_a_strict_umask(reference, tmp_path):
    with subprocess.Popen(
        command("check", reference, "--variant", "basic", "--json", "record.json"),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        umask=0o077,
    ) as running:
        _, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_a_path_that_is_not_utf_8_is_written_out_in_the_record(harness, write, tmp_path):
    folder = write(model=TINY)
    (folder / "model.py").rename(folder / os.fsdecode(b"mod\xe9le.py"))
    done = harness("check", folder / os.fsdecode(b"mod\xe9le.py"), "--json", os.fsdecode(b"\xe9.json"))
    assert done.returncode == 1, done.stderr
    record = json.loads((tmp_path / os.fsdecode(b"\xe9.json")).read_text())
    assert "mod\\xe9le.py" in record["provenance"]["command"]


def test_a_full_disk_is_said_with_what_to_do(write, tmp_path):
    limit = (1_000, resource.RLIM_INFINITY)
    with subprocess.Popen(
        command("check", write(model="#" * 5_000)),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    ) as running:
        _, said = running.communicate(timeout=120)
    assert running.returncode == 3
    assert "cannot be written (File too large); no verdict was reached. Make room there" in said


def both_children_of(pid: int) -> list[int]:
    """The sandbox and the worker, once both have been started."""
    children: list[str] = []
    deadline = time.monotonic() + 20
    while len(children) < 2 and time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    first, second = children
    return [int(first), int(second)]
