"""The built wheel works in an empty folder, with no checkout around."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import REPOSITORY

Command = Callable[..., "subprocess.CompletedProcess[str]"]
BUILT_FROM = ("harness", "templates", "checks", "submission", "pyproject.toml", "README.md")
OURS = shutil.ignore_patterns("*harness*")
"""What pip has installed of the checkout; the packages it needs are called otherwise."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Build the wheel, install it beside links to the packages of this environment, and run it elsewhere."""
    work = tmp_path_factory.mktemp("wheel")
    (work / "source").mkdir()
    for name in BUILT_FROM:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copyfile
        copy(REPOSITORY / name, work / "source" / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheel = [
        *pip,
        "wheel",
        str(work / "source"),
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(work / "dist"),
    ]
    subprocess.run(wheel, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(work / "venv")], check=True)
    python = work / "venv" / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib"))
    target = work / "venv" / packages.relative_to(sys.prefix)
    shutil.copytree(packages, target, copy_function=os.link, ignore=OURS, dirs_exist_ok=True)
    (built,) = (work / "dist").glob("*.whl")
    subprocess.run([str(python), "-m", "pip", "-q", "install", "--no-deps", str(built)], check=True)
    empty = work / "empty"
    empty.mkdir()
    shutil.copyfile(REPOSITORY / "submission" / "model.py", empty / "model.py")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(python.with_name("harness")), *arguments]
        return subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "model.py", "--class", "Net"], "passed, 75 of 100 points, 25 open"),
        (["check", "model.py", "--class", "Net", "--assignment", "cifar10-c1c2c3c4"], "basic"),
        (["explain", "max_parameters"], "# `max_parameters`"),
        (["assignment", "list"], "cifar10-compact-cnn"),
        (["assignment", "new", "own", "--dataset", "mnist"], "wrote own/own.toml"),
        (["check", "own/own", "--assignment", "own/own.toml"], "passed, 60 of 100 points, 40 open"),
        (["new", "mine"], "wrote mine/model.py"),
        (["watch", "none"], "none: not there; expected a store"),
        (["grade", "model.py", "--class", "Net", "--data", "mini"], "Scorecard: results/scorecard.md"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_works_where_no_checkout_is(installed: Command, arguments: list[str], said: str) -> None:
    done = installed(*arguments)
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
