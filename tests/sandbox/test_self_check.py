"""`harness check --self`: a student's own code, in no sandbox, on any system; never a grade."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import REPOSITORY

BROKEN = "raise ValueError('mine')\n"


def harness(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a self-check of the reference submission, one of its networks."""
    file = tmp_path_factory.mktemp("own") / "record.json"
    done = harness("check", "submission", "--self", "--variant", "basic", "--json", file)
    assert done.returncode == 0, done.stderr
    return file


def test_its_record_says_what_it_is_and_judges_every_rule(own):
    record = json.loads(own.read_text())
    assert record["self_check"] is True
    assert record["provenance"]["sandbox"] == "none"
    assert {finding["status"] for finding in record["variants"]["basic"]["findings"]} == {"passed"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "{}"),
        pytest.param(("verify", "submission", "--record", "{}", "--json", "-"), marks=pytest.mark.slow),
    ],
)
def test_no_other_command_takes_it_for_a_grade(own, arguments):
    done = harness(*(argument.format(own) for argument in arguments))
    assert done.returncode in (2, 3)
    said = " ".join((done.stdout + done.stderr).split())
    assert "a student's own check, made without a sandbox; expected a grade" in said


@pytest.mark.slow
def test_its_graph_is_that_of_the_sandbox(own, tmp_path):
    boxed = tmp_path / "record.json"
    assert harness("check", "submission", "--variant", "basic", "--json", boxed).returncode == 0
    mine, theirs = (json.loads(file.read_text())["variants"]["basic"] for file in (own, boxed))
    assert mine == theirs


def test_a_mistake_is_explained_as_in_the_sandbox(tmp_path):
    (tmp_path / "model.py").write_text(BROKEN)
    done = harness("check", tmp_path, "--self", "--json", "-")
    assert done.returncode == 3
    problem = json.loads(done.stdout)["variants"]["basic"]["problem"]
    assert problem["message"].startswith("model.py:1: the file could not be imported: ValueError: mine")
    assert problem["ending"] == "crashed"


TWO = """
    [variants.basic]
    file = "one.py"
    class = "Net"
    [variants.dilated]
    file = "two.py"
    class = "NetDilated"
"""


@pytest.mark.slow
def test_a_variant_that_says_nothing_does_not_have_the_answer_of_the_one_before(tmp_path):
    source = (REPOSITORY / "submission" / "model.py").read_text()
    (tmp_path / "one.py").write_text(source[: source.index("class NetDilated")])
    (tmp_path / "two.py").write_text("import os\nos._exit(0)\n")
    (tmp_path / "submission.toml").write_text(TWO)
    done = harness("check", tmp_path, "--self", "--json", "-")
    variants = json.loads(done.stdout)["variants"]
    assert variants["basic"]["problem"] is None
    assert variants["dilated"]["problem"]["message"] == "the child ended without an answer."


def test_code_that_never_ends_is_ended_here_too(tmp_path):
    assignment = (REPOSITORY / "checks" / "assignments" / "cifar10-compact-cnn.toml").read_text()
    (tmp_path / "assignment.toml").write_text(assignment.replace("intake_s = 120", "intake_s = 4"))
    (tmp_path / "model.py").write_text("import time\ntime.sleep(60)\n")
    done = harness(
        "check", tmp_path / "model.py", "--self", "--assignment", tmp_path / "assignment.toml", "--json", "-"
    )
    problem = json.loads(done.stdout)["variants"]["basic"]["problem"]
    assert problem["ending"] == "timed_out"
    assert "did not end; expected at most 4 s" in problem["message"]
