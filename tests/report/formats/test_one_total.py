"""Ten records, every format: one total, and no rule that was not judged looks like a zero."""

import base64
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.record.record import Record
from harness.report.report import Sources, formats

NOWHERE = Path("nowhere")
SOURCES = Sources(folders={"basic": NOWHERE, "dilated": NOWHERE}, out=NOWHERE, environment={})


def rendered(record: Record, name: str) -> str:
    return next(iter(formats()[name].files(record, SOURCES).values()))


def words_total(text: str) -> tuple[int, int]:
    found = re.search(r"(\d+) of (\d+)\s+points", text)
    assert found
    return int(found[1]), int(found[2])


def md_total(text: str) -> tuple[int, int]:
    return words_total(text)


def html_total(text: str) -> tuple[int, int]:
    body = text.split("<body", 1)[1]
    return words_total(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body)))


def json_total(text: str) -> tuple[int, int]:
    record = json.loads(text)
    return record["points"], record["max_points"]


def junit_total(text: str) -> tuple[int, int]:
    root = ElementTree.fromstring(text)
    values = [
        {p.get("name"): p.get("value") for p in case.iter("property")} for case in root.iter("testcase")
    ]
    total = (
        sum(int(v["points"]) for v in values if v["points"] != "not judged"),
        sum(int(v["max_points"]) for v in values),
    )
    for suite in root.iter("testsuite"):
        named = {p.get("name"): p.get("value") for p in suite.find("properties")}
        assert (int(named["record.points"]), int(named["record.max_points"])) == total
    return total


def gradescope_total(text: str) -> tuple[int, int]:
    results = json.loads(text)
    assert results["score"] == sum(test.get("score", 0) for test in results["tests"])
    judged = sum(test.get("max_score", 0) for test in results["tests"])
    assert judged + results["extra_data"]["open_points"] == results["extra_data"]["max_points"]
    assert words_total(results["output"]) == (results["score"], results["extra_data"]["max_points"])
    return results["score"], results["extra_data"]["max_points"]


def classroom50_total(text: str) -> tuple[int, int]:
    result = json.loads(text)
    assert result["score"] == sum(test["score"] for test in result["tests"])
    assert result["max-score"] == sum(test["max-score"] for test in result["tests"])
    return result["score"], result["max-score"]


def github_total(text: str) -> tuple[int, int]:
    result = json.loads(base64.b64decode(text))
    return sum(test["score"] for test in result["tests"]), result["max_score"]


TOTALS = {name.removesuffix("_total"): read for name, read in globals().items() if name.endswith("_total")}
TOTALS = {name: TOTALS[name] for name in formats()}


@pytest.mark.parametrize("name", TOTALS)
def test_a_record_has_one_total_in_every_format(any_record, name):
    assert TOTALS[name](rendered(any_record, name)) == (any_record.points, any_record.max_points)
