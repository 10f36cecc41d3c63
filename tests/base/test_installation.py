"""What comes with the harness is found, versions are looked up, and no command fetches another's package."""

import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from checkout import REPOSITORY

import harness
from harness.base.installation import how_to_install, package_data, pinned, versions

SEARCHED = ("harness", "docs", "templates", "integrations", "checks", "requirements", "submission", "*")
FOREIGN = re.compile(
    r"\b(?:(?:pip[3x]?|uv)\b[^\n;]*\b(?:install|download|run|add|inject)|uvx)\b"
    r"[^\n;|]*?(?<![\w./-])(?:grading[-_])?harness(?=$|[\s\"'`\[,;)=<>~!@])",
    re.MULTILINE,
)
"""A command that asks an index for a package of this name: it is somebody else's."""


def test_what_comes_with_the_harness_lies_beside_the_package_in_a_checkout():
    assert package_data("templates", "starter", "model.py").is_file()
    assert package_data() == REPOSITORY


def test_a_version_is_that_of_the_package_and_what_is_not_installed_is_left_out():
    found = versions(("harness", "torch", "no-such-package"))
    assert found == {"harness": harness.__version__, "torch": version("torch")}


def test_the_distribution_has_a_name_of_its_own_and_the_version_of_the_package():
    assert version("grading-harness") == harness.__version__


@pytest.mark.parametrize("name", ["torch", "albumentations", "ray", "uv"])
def test_the_lock_files_name_a_version_of(name):
    assert re.fullmatch(r"[0-9.]+", pinned()[name])


def test_a_missing_package_is_installed_in_the_locked_version_into_this_environment():
    expected = f"{sys.executable} -m pip install ray=={pinned()['ray']} no-such-package"
    assert how_to_install("ray", "no-such-package") == expected


@pytest.mark.parametrize(
    "command",
    [
        "pip install harness",
        "python -m pip install -U 'harness[cluster]' -c constraints.txt",
        ".venv/bin/pip install grading-harness==0.1.0",
        '"-m", "pip", "install", "harness"',
        "pipx run harness check",
        "uv tool install harness",
        "uvx harness",
    ],
)
def test_a_command_that_fetches_another_package_is_seen(command):
    assert FOREIGN.search(command)


@pytest.mark.parametrize(
    "command",
    [
        "pip install dist/grading_harness-0.1.0-py3-none-any.whl",
        "pipx install ./harness",
        "pip install -e .",
        "pip install torch; harness check submission",
        "make -C harness setup",
    ],
)
def test_a_command_that_installs_files_at_hand_is_allowed(command):
    assert not FOREIGN.search(command)


def test_no_page_message_or_script_has_a_command_that_fetches_another_package():
    tops = [path for name in SEARCHED for path in REPOSITORY.glob(name) if not path.name.startswith(".")]
    files = {file for top in tops for file in ([top] if top.is_file() else _texts(top))}
    assert len(files) > 200
    found = {str(file): FOREIGN.findall(file.read_text(errors="replace")) for file in sorted(files)}
    assert {name: commands for name, commands in found.items() if commands} == {}


def _texts(folder: Path) -> list[Path]:
    if folder.name in ("tests", "data", "results", "build", "dist", "cohort.files"):
        return []
    kinds = (".py", ".md", ".toml", ".j2", ".sh", ".yml", ".txt", ".js", ".html", "")
    return [file for file in folder.rglob("*") if file.suffix in kinds and file.is_file()]
