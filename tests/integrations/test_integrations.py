"""What a course uploads or copies is complete, holds no answer, and keeps student text out of commands."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
import yaml
from checkout import REPOSITORY

GRADESCOPE = REPOSITORY / "integrations" / "gradescope"
WORKFLOW = REPOSITORY / "integrations" / "github" / "grade.yml"


@pytest.fixture(scope="module")
def archive() -> zipfile.ZipFile:
    built = subprocess.run(
        [sys.executable, "-m", "nox", "-s", "gradescope"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(REPOSITORY / "build" / "gradescope.zip")


def test_the_archive_holds_what_gradescope_starts_and_both_can_be_executed(archive):
    for name in ("setup.sh", "run_autograder"):
        assert archive.getinfo(name).external_attr >> 16 & 0o100, name
    assert {
        "pyproject.toml",
        "requirements/install.sh",
        "harness/cli/app.py",
        "templates/scorecard.md.j2",
    } <= set(archive.namelist())


def test_the_archive_does_not_hold_the_reference_answer(archive):
    assert not [n for n in archive.namelist() if n.startswith(("submission/", "tests/")) or "pycache" in n]


def test_the_harness_in_the_archive_runs_where_it_is_unpacked(archive, tmp_path):
    archive.extractall(tmp_path)
    for command, shown in ((["--help"], "verify"), (["explain", "dilation"], "# `dilation`")):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "harness", *command],
            cwd=tmp_path / "docs",
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert shown in done.stdout, done.stderr


@pytest.fixture
def autograder(tmp_path):
    """The folders Gradescope has, and its script pointed at them, with a stand-in for the harness."""
    for name in ("source/.venv/bin", "results", "submission"):
        (tmp_path / name).mkdir(parents=True)
    script = (GRADESCOPE / "run_autograder").read_text().replace("/autograder/", f"{tmp_path}/")
    (tmp_path / "run_autograder").write_text(script)

    def run(code: int, *, writes: bool) -> int:
        harness = tmp_path / "source/.venv/bin/harness"
        writing = f'printf %s "$*" > {tmp_path}/results/results.json\n' if writes else ""
        harness.write_text(f"#!/bin/sh\n{writing}exit {code}\n")
        harness.chmod(0o755)
        return subprocess.run(["bash", tmp_path / "run_autograder"], capture_output=True).returncode

    return run


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_a_verdict_is_a_result_for_gradescope_whatever_it_is(autograder, tmp_path, code):
    assert autograder(code, writes=True) == 0
    assert (tmp_path / "results/results.json").read_text() == (
        f"verify {tmp_path}/submission --gradescope {tmp_path}/results/results.json"
    )


@pytest.mark.parametrize(("code", "writes"), [(137, True), (0, False), (3, False)])
def test_a_run_that_was_killed_or_wrote_nothing_is_a_failure_of_the_autograder(autograder, code, writes):
    assert autograder(code, writes=writes) == 1


@pytest.mark.parametrize("code", [0, 1, 2, 3, 137])
def test_the_result_of_the_submission_before_never_stands(autograder, tmp_path, code):
    (tmp_path / "results/results.json").write_text('{"score": 100}')
    assert autograder(code, writes=False) == 1
    assert not (tmp_path / "results/results.json").exists()


@pytest.mark.parametrize("name", ["setup.sh", "run_autograder"])
def test_the_scripts_are_valid_shell(name):
    assert subprocess.run(["bash", "-n", GRADESCOPE / name]).returncode == 0


@pytest.fixture(scope="module")
def workflow():
    # YAML 1.1 takes the key `on` for true.
    return yaml.safe_load(WORKFLOW.read_text().replace("\non:", "\n'on':"))


def steps(workflow):
    return workflow["jobs"]["grade"]["steps"]


def test_rules_are_checked_on_every_push_and_the_full_grade_is_started_by_hand(workflow):
    assert set(workflow["on"]) == {"push", "workflow_dispatch"}
    by_id = {step["id"]: step for step in steps(workflow) if "id" in step}
    assert "harness check submission" in by_id["check"]["run"]
    assert "harness grade submission" in by_id["grade"]["run"]
    assert (by_id["check"]["if"], by_id["grade"]["if"]) == ("env.FULL != 'true'", "env.FULL == 'true'")


def test_no_expression_is_pasted_into_a_script(workflow):
    scripts = [step["run"] for step in steps(workflow) if "run" in step]
    assert len(scripts) == 5
    for script in scripts:
        assert "${{" not in script
        assert subprocess.run(["bash", "-n", "-c", script]).returncode == 0


def test_the_summary_is_the_scorecard_and_junit_is_uploaded(workflow):
    render = next(step["run"] for step in steps(workflow) if step.get("name") == "Render the reports")
    assert "--format md,junit,html" in render
    assert 'scorecard.md >> "$GITHUB_STEP_SUMMARY"' in render
    upload = next(step for step in steps(workflow) if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"
    assert "results/junit.xml" in upload["with"]["path"]


def test_the_workflow_may_only_read(workflow):
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.slow
def test_what_gradescope_would_read_comes_out_of_the_unpacked_archive(archive, reference, tmp_path):
    archive.extractall(tmp_path / "source")
    submission = tmp_path / "submission"
    submission.mkdir()
    shutil.copy(reference / "model.py", submission)
    (submission / "submission.toml").write_text('[variants.basic]\nfile = "model.py"\nclass = "Net"\n')
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "harness",
            "verify",
            submission,
            "--gradescope",
            tmp_path / "results.json",
        ],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "source")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3, done.stderr
    assert json.loads((tmp_path / "results.json").read_text())["score"] == 75
