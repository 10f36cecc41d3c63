"""A rule that was not judged is never shown as a zero; where a format has no other number, it says so."""

import base64
import json
from xml.etree import ElementTree

from harness.report.formats.classroom50 import render_classroom50
from harness.report.formats.github import render_github
from harness.report.formats.gradescope import render_gradescope
from harness.report.formats.junit import render_junit
from harness.report.formats.rows import headline, open_points, rows
from harness.report.report import formats


def test_the_headline_says_how_many_points_are_open(half_judged):
    assert open_points(half_judged) == 25
    assert headline(half_judged) == (
        "NOT JUDGED, 75 of 100 points; 25 of them open, as not judged: neither given nor taken, so this "
        "total is not final."
    )


def test_junit_skips_it_with_the_cause_and_fails_what_failed(half_judged):
    (skipped,) = ElementTree.fromstring(render_junit(half_judged)).iter("skipped")
    assert skipped.get("type") == "infrastructure"
    assert skipped.get("message").startswith("not judged (cause: infrastructure): expected what min_accuracy")
    assert "worth 25 points, neither given nor taken" in skipped.text


def test_gradescope_shows_it_as_information_without_score_and_status(half_judged):
    results = json.loads(render_gradescope(half_judged))
    (test,) = [test for test in results["tests"] if test["extra_data"]["status"] == "not_judged"]
    assert not {"score", "max_score", "status"} & set(test)
    assert test["output"].startswith("not judged (cause: infrastructure)")
    assert "25 of them open, as not judged" in results["output"]


def test_classroom50_keeps_that_there_are_no_points_beside_the_number_it_needs(half_judged):
    result = json.loads(render_classroom50(half_judged, {}))
    (test,) = [test for test in result["tests"] if test["points"] is None]
    assert (test["score"], test["max-score"], test["passed"]) == (0, 25, False)
    assert (test["status"], test["cause"]) == ("not_judged", "infrastructure")


def test_github_calls_it_an_error_not_a_failure(half_judged):
    result = json.loads(base64.b64decode(render_github(half_judged)))
    assert result["status"] == "error"
    assert [test["name"] for test in result["tests"] if test["status"] == "error"] == ["basic: min_accuracy"]


def test_the_formats_that_cannot_show_it_are_known():
    assert {name for name, one in formats().items() if not one.holds_open} == {"classroom50", "github"}


def test_what_was_not_trained_is_an_open_row_that_makes_the_most_points_up(rules_alone):
    *_, last = rows(rules_alone)
    assert (last.name, last.finding.status, last.finding.max_points) == ("basic: training", "not_judged", 25)
    assert (open_points(rules_alone), sum(row.max_points for row in rows(rules_alone))) == (25, 100)


def test_the_points_of_a_variant_that_does_not_count_are_in_no_total(both_in_full):
    results = json.loads(render_gradescope(both_in_full))
    assert (results["score"], sum("score" in test for test in results["tests"])) == (100, 11)
    said = [test for test in results["tests"] if "another variant counts" in test["output"]]
    assert {test["name"].partition(":")[0] for test in said} == {"dilated"}
