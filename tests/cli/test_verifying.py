"""`harness verify`: the rules live, the accuracy from a record that holds up."""

import json
import shutil

import pytest
from doctored import a_record, a_training, reached

from harness.record.record import Record, sealed, to_json


def test_what_cannot_be_opened_is_told_to_the_student_and_is_no_grade(harness, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "results.json").write_text('{"score": 100, "output": "of the submission before"}')
    done = harness("verify", "empty", "--gradescope", "results.json")
    assert done.returncode == 2
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["output"].startswith("NOT GRADED. The 0 is no grade: there was nothing to judge.\n")
    assert "expected submission.toml, a .py file or a notebook, got none" in results["output"]
    assert results["tests"] == []


@pytest.fixture
def submitted(reference, tmp_path):
    folder = tmp_path / "submission"
    folder.mkdir()
    shutil.copy(reference / "model.py", folder)
    (folder / "submission.toml").write_text('[variants.basic]\nfile = "model.py"\nclass = "Net"\n')
    return folder


@pytest.mark.slow
def test_the_rules_are_judged_live_and_the_accuracy_waits_for_a_record(harness, submitted, tmp_path):
    done = harness("verify", submitted, "--gradescope", "results.json", "--json", "record.json")
    assert done.returncode == 3, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["score"] == 75
    left = [test for test in results["tests"] if "score" not in test]
    assert [test["name"] for test in left] == ["basic: min_accuracy"]
    assert (
        "no record of a training came with the submission; expected results/scorecard.json or"
        in (left[0]["output"])
    )


@pytest.mark.slow
def test_a_record_that_holds_up_gives_the_accuracys_points(harness, submitted, tmp_path, assignment):
    harness("verify", submitted, "--json", "live.json")
    live = Record.model_validate_json((tmp_path / "live.json").read_bytes()).variants["basic"]
    training = a_training(assignment)
    findings = (*live.findings[:-1], *reached(assignment, training))
    record = a_record(assignment, training, *findings)
    basic = record.variants["basic"].model_copy(update={"graph_sha256": live.graph_sha256})
    (submitted / "scorecard.json").write_text(
        to_json(sealed(record.model_copy(update={"variants": {"basic": basic}})))
    )
    done = harness("verify", submitted, "--gradescope", "results.json")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["score"], results["extra_data"]["verdict"]) == (100, "passed")


@pytest.mark.slow
def test_a_record_changed_by_hand_gives_none(harness, submitted, tmp_path, assignment):
    text = to_json(a_record(assignment, a_training(assignment))).replace('"seed": 1', '"seed": 2')
    (submitted / "scorecard.json").write_text(text)
    done = harness("verify", submitted, "--gradescope", "results.json")
    assert done.returncode == 3
    left = [t for t in json.loads((tmp_path / "results.json").read_text())["tests"] if "score" not in t]
    assert "the result was changed after it was written" in left[0]["output"]
