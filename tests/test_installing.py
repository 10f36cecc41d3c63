"""`make setup` and `make dev` install what is locked and hashed, and no more than is needed."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from checkout import REPOSITORY

LOCKS = REPOSITORY / "requirements"
ENTRY = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^ ;]+)(?P<rest>(?:.*\\\n)*.*)$", re.MULTILINE)


def locked(name: str) -> dict[str, str]:
    return {entry["name"]: entry["version"] for entry in ENTRY.finditer((LOCKS / f"{name}.txt").read_text())}


def asked(part: str) -> set[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] if part == "" else project["optional-dependencies"][part]
    return {re.split(r"[\[<>=]", one)[0] for one in needed}


@pytest.mark.parametrize("lock", ["run", "dev", "torch", "uv"])
def test_everything_that_is_installed_has_a_version_and_hashes(lock):
    entries = list(ENTRY.finditer((LOCKS / f"{lock}.txt").read_text()))
    assert entries
    assert [entry["name"] for entry in entries if "--hash=sha256:" not in entry["rest"]] == []


@pytest.mark.parametrize("lock", ["run", "dev", "torch", "uv"])
def test_no_lock_file_names_a_place_to_fetch_from(lock):
    assert not re.search(r"https?://|index-url|find-links", (LOCKS / f"{lock}.txt").read_text())


def test_what_a_grade_and_the_short_names_need_is_locked_and_nothing_for_development_is():
    run = locked("run")
    needed = asked("") | asked("watch") | asked("tasks")
    assert needed - run.keys() == {"torch", "torchvision"}
    assert not run.keys() & (asked("dev") | asked("cluster") | asked("postgres"))


def test_development_adds_to_the_same_versions():
    run, dev = locked("run"), locked("dev")
    assert {name: dev[name] for name in run} == run
    assert asked("dev") | asked("cluster") | asked("postgres") | asked("watch") | asked("tasks") <= dev.keys()


def test_a_machine_without_a_graphics_card_is_given_nothing_for_one():
    cards = re.compile(r"^(nvidia|cuda|triton)")
    assert [name for lock in ("run", "dev") for name in locked(lock) if cards.match(name)] == []
    assert any(cards.match(name) for name in locked("torch"))


def test_torch_stands_in_one_lock_file_in_one_version():
    assert {"torch", "torchvision"} <= locked("torch").keys()
    assert not {"torch", "torchvision"} & (locked("run").keys() | locked("dev").keys())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing is installed."""
    shutil.copytree(LOCKS, tmp_path / "requirements")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    return tmp_path


def install(checkout: Path, *part: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    unset = {"TORCH": "", "PYTHONS": ""}
    command = ["bash", checkout / "requirements" / "install.sh", *part]
    return subprocess.run(command, env=os.environ | unset | environment, capture_output=True, text=True)


def test_another_build_of_torch_than_cpu_and_cuda_is_refused(checkout):
    done = install(checkout, TORCH="tpu")
    assert done.returncode == 1
    assert done.stderr == "setup: TORCH=tpu is not known; expected cpu, cuda, or nothing.\n"


def test_one_environment_has_one_build_of_torch(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".torch").write_text("cuda\n")
    done = install(checkout, TORCH="cpu")
    assert done.returncode == 1
    assert done.stderr == "setup: TORCH=cpu: .venv has torch for cuda. Remove it first: rm -r .venv\n"


def test_where_no_python_is_new_enough_it_says_which_and_how_to_name_one(checkout):
    done = install(checkout, PYTHONS="no-such-python")
    assert done.returncode == 1
    assert "no usable Python; expected 3.11 or newer with venv and pip" in done.stderr
    assert "make setup PYTHONS=/path/to/python" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("target", ["test", "slow", "lint", "bench", "lock"])
def test_what_is_for_development_installs_it_first(checkout, target):
    planned = subprocess.run(["make", "-n", target], cwd=checkout, capture_output=True, text=True, check=True)
    lines = [line for line in planned.stdout.splitlines() if "install.sh" in line]
    assert lines == ["bash requirements/install.sh run", "bash requirements/install.sh dev"]


@pytest.mark.parametrize("target", ["grade", "check", "reproduce", "twice", "gradescope"])
def test_what_is_for_submissions_needs_nothing_for_development(checkout, target):
    planned = subprocess.run(["make", "-n", target], cwd=checkout, capture_output=True, text=True, check=True)
    assert [line for line in planned.stdout.splitlines() if "install.sh" in line] == [
        "bash requirements/install.sh run"
    ]
