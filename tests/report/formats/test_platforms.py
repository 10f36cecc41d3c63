"""Each file is what its platform reads: validated against its specification, hostile text included."""

import base64
import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from checkout import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

from harness.record.record import to_json
from harness.report.formats.classroom50 import render_classroom50
from harness.report.formats.github import render_github
from harness.report.formats.gradescope import render_gradescope
from harness.report.formats.junit import render_junit
from harness.report.formats.rows import rows
from harness.report.report import record_schema
from harness.report.visible import visible

GRADESCOPE = json.loads((Path(__file__).parent / "gradescope.schema.json").read_text())
RECORD = REPOSITORY / "docs" / "results.schema.json"

RUNNER = {
    "CLASSROOM": "vision",
    "ASSIGNMENT": "cnn",
    "SUBMISSION_TAG": "submit/1",
    "COMMIT_URL": "https://host/commit/1",
    "RELEASE_URL": "https://host/releases/1",
}


def test_the_schema_of_the_record_is_the_one_that_is_committed():
    assert RECORD.read_text() == record_schema(), "run: harness schema > docs/results.schema.json"


def test_every_written_record_satisfies_its_schema(any_record):
    schema = json.loads(RECORD.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(to_json(any_record)), schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize("change", [{"points": "70"}, {"verdict": "good"}, {"grade": 1}])
def test_the_schema_refuses_what_is_no_record(any_record, change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(to_json(any_record)) | change, json.loads(record_schema()))


def test_gradescope_reads_every_record(any_record):
    results = json.loads(render_gradescope(any_record))
    jsonschema.validate(results, GRADESCOPE, jsonschema.Draft202012Validator)
    assert {test["output_format"] for test in results["tests"]} == {"text"}


@pytest.mark.parametrize(
    "change",
    [
        {"score": "70"},
        {"tests": [{"status": "not_judged"}]},
        {"tests": [{"number": 1}]},
        {"visibility": "secret"},
        {"output_format": "markdown"},
        {"score": None},
    ],
)
def test_the_schema_of_gradescope_refuses_what_it_would_not_read(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"score": 1, "tests": []} | change, GRADESCOPE)


def test_the_schema_of_gradescope_wants_a_score_somewhere():
    jsonschema.validate({"tests": [{"score": 1}]}, GRADESCOPE)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"output": "nothing"}, GRADESCOPE)


def test_classroom50_gets_whole_numbers_and_what_its_runner_named(any_record):
    result = json.loads(render_classroom50(any_record, RUNNER))
    assert result["schema"] == "classroom50/result/v1"
    assert [result[key] for key in ("classroom", "assignment", "submission")] == ["vision", "cnn", "submit/1"]
    assert result["review"] == result["commit"] == "https://host/commit/1"
    assert result["datetime"] == "2026-01-01T00:00:00Z"
    numbers = [result["score"], result["max-score"], *(t["score"] for t in result["tests"])]
    assert {type(number) for number in numbers} == {int}


def test_the_github_reporter_always_has_what_it_crashes_without(any_record):
    line = render_github(any_record)
    assert line.count("\n") == 1
    result = json.loads(base64.b64decode(line, validate=False))
    assert result["tests"]
    assert {(type(test["score"]), test["line_no"]) for test in result["tests"]} == {(int, 0)}
    assert {test["status"] for test in result["tests"]} <= {"pass", "fail", "error"}


def test_junit_has_one_case_per_rule_with_the_finding_as_message(any_record):
    root = ElementTree.fromstring(render_junit(any_record))
    expected = [(f"{any_record.assignment}.{row.variant}", row.finding.rule) for row in rows(any_record)]
    assert [(case.get("classname"), case.get("name")) for case in root.iter("testcase")] == expected
    found = [finding.rule for variant in any_record.variants.values() for finding in variant.findings]
    assert [rule for _, rule in expected if rule != "training"] == found
    assert root.get("tests") == str(len(expected))
    assert root.get("failures") == str(len(list(root.iter("failure"))))
    assert root.get("skipped") == str(len(list(root.iter("skipped"))))


def test_hostile_text_is_seen_in_every_format_and_acts_in_none(hostile):
    texts = {
        "junit": render_junit(hostile),
        "gradescope": render_gradescope(hostile),
        "classroom50": render_classroom50(hostile, {}),
        "github": base64.b64decode(render_github(hostile)).decode(),
    }
    for name, text in texts.items():
        assert not [c for c in text if c in "\x1b\x00\x07\u202e\ufffe"], name
        assert "u001b" not in text, name
        assert "⟨U+001B⟩[2J" in text, name
    assert "<script>" not in texts["junit"]


@given(st.text())
def test_visible_text_can_be_written_in_xml(text):
    shown = visible(text)
    assert (
        ElementTree.fromstring(f"<a>{ElementTree.tostring(element(shown), encoding='unicode')}</a>")
        is not None
    )
    assert not {"\x1b", "\x00", "\u202e", "\r"} & set(shown)


def element(text: str) -> ElementTree.Element:
    one = ElementTree.Element("t", name=text)
    one.text = text
    return one
