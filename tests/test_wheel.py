"""The built wheel works in an empty folder, with no checkout around."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import REPOSITORY

Command = Callable[..., "subprocess.CompletedProcess[str]"]
BUILT_FROM = ("harness", "templates", "checks", "submission", "requirements", "pyproject.toml", "README.md")
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
    for student in ("ada", "bob"):
        shutil.copytree(REPOSITORY / "templates" / "starter", empty / "class" / student)

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
        (["check", "mine"], "passed, 75 of 100 points, 25 open"),
        (["cohort", "grade", "class", "--rules-only"], "passed │           2 │"),
        (["cohort", "table", "--format", "csv"], "csv: results/table.csv"),
        (["cohort", "similar"], "2 submissions compared"),
        (["doctor"], "albumentations"),
        (["watch", "none"], "none: not there; expected a store"),
        (["grade", "model.py", "--class", "Net", "--data", "mini"], "Scorecard: results/scorecard.md"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_works_where_no_checkout_is(installed: Command, arguments: list[str], said: str) -> None:
    done = installed(*arguments)
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def without_albumentations(installed: Command, tmp_path: Path) -> Iterator[Command]:
    """Put Albumentations and OpenCV out of the way, in the folder of packages that the wheel was put into."""
    packages = Path(installed("--version").stdout.split(" from ")[1].strip()).parent
    names = ("albumentations", "albucore", "cv2")
    for name in names:
        (packages / name).rename(tmp_path / name)
    yield installed
    for name in names:
        (tmp_path / name).rename(packages / name)


PLAIN = """\
schema_version = 2
id = "plain"
title = "No augmentation"
data = { dataset = "cifar10" }
rules = { max_parameters = { points = 1, below = 200_000 } }
recipe = { epochs = 1, batch_size = 1000, lr = 0.1 }
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_albumentations_everything_works_but_a_recipe_that_asks_for_it(
    without_albumentations: Command, tmp_path: Path
) -> None:
    (tmp_path / "plain.toml").write_text(PLAIN)
    network = ("model.py", "--class", "Net")
    checked = without_albumentations("check", *network)
    assert "passed, 75 of 100 points, 25 open" in checked.stdout + checked.stderr
    trained = without_albumentations(
        "grade", *network, "--data", "mini", "--assignment", str(tmp_path / "plain.toml")
    )
    assert "Scorecard: results/scorecard.md" in trained.stderr, trained.stderr
    refused = without_albumentations("grade", *network, "--data", "mini")
    assert refused.returncode == 2
    assert "recipe.augmentation: albumentations cannot be imported" in refused.stderr
    assert "-m pip install albumentations==2.0.8 opencv-python-headless==" in refused.stderr


def test_every_package_of_the_harness_goes_into_the_wheel() -> None:
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {file.parent for file in (REPOSITORY / "harness").rglob("*.py")}
    names = {".".join(folder.relative_to(REPOSITORY).parts) for folder in folders}
    assert names == {name for name in listed if "shipped" not in name}
