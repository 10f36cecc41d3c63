"""The Containerfile copies what the harness needs and nothing that is not there, and ends as no root."""

import shlex
import tomllib

import pytest
from checkout import REPOSITORY

TEXT = (REPOSITORY / "Containerfile").read_text().replace("\\\n", " ")
STEPS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]
COPIED = [
    source
    for word, rest in STEPS
    if word == "COPY" and not rest.startswith("--from")
    for source in rest.split()[:-1]
]


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_is_there(source):
    assert (REPOSITORY / source).exists()


def test_everything_that_goes_into_the_wheel_is_copied():
    setuptools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {folder.split("/")[0] for folder in setuptools["package-dir"].values()}
    assert {"harness", "pyproject.toml", *folders} <= set(COPIED)


def test_it_is_installed_as_everywhere_from_the_lock_files():
    (install,) = [rest for word, rest in STEPS if word == "RUN" and "install.sh" in rest]
    assert shlex.split(install)[-3:] == ["bash", "requirements/install.sh", "$PART"]
    assert ["ARG", "PART=run"] in STEPS
    assert ["ARG", "TORCH=cpu"] in STEPS
    assert not [rest for word, rest in STEPS if word == "RUN" and "pip install" in rest]


def test_it_does_not_run_as_root():
    last_stage = STEPS[max(n for n, (word, _) in enumerate(STEPS) if word == "FROM") :]
    assert [rest for word, rest in last_stage if word == "USER"] == ["grader"]
    after = last_stage[last_stage.index(["USER", "grader"]) :]
    assert [word for word, _ in after] == ["USER", "WORKDIR", "ENTRYPOINT", "CMD"]
