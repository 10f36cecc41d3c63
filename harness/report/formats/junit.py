"""JUnit XML, which Artemis and most continuous integration read: one test case per rule."""

from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from harness.record.record import Record
from harness.report.formats.rows import Row, open_points, rows
from harness.report.visible import visible


def render_junit(record: Record) -> str:
    """Render a record as JUnit XML: one suite per variant, points as properties.

    A rule that was not judged is *skipped*, with its cause: neither passed nor failed. Every suite
    carries the record's verdict and total.
    """
    listed = list(rows(record))
    root = Element("testsuites", {"name": visible(record.assignment), **_counts(listed)})
    for name, group in groupby(listed, key=lambda row: row.variant):
        suite = SubElement(root, "testsuite", {"name": visible(name), **_counts(of_suite := list(group))})
        variant = record.variants.get(name)
        _properties(
            suite,
            {
                "points": variant.points if variant else 0,
                "max_points": variant.max_points if variant else of_suite[0].max_points,
                "record.verdict": record.verdict,
                "record.points": record.points,
                "record.max_points": record.max_points,
                "record.open_points": open_points(record),
                "record.assignment_sha256": record.assignment_sha256,
                "record.result_sha256": record.result_sha256,
            },
        )
        for row in of_suite:
            _case(suite, row, f"{record.assignment}.{name}")
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


# Private functions


def _case(suite: Element, row: Row, class_name: str) -> None:
    finding = row.finding
    case = SubElement(suite, "testcase", classname=visible(class_name), name=visible(finding.rule), time="0")
    points = "not judged" if finding.points is None else row.points
    _properties(case, {"points": points, "max_points": row.max_points})
    if finding.status == "passed":
        return
    kind = "failure" if finding.status == "failed" else "skipped"
    message = visible(f"{row.verdict}: expected {finding.expected}, got {finding.actual}")
    SubElement(case, kind, message=message, type=finding.cause or finding.status).text = row.text


def _counts(listed: list[Row]) -> dict[str, str]:
    statuses = [row.finding.status for row in listed]
    return {
        "tests": str(len(statuses)),
        "failures": str(statuses.count("failed")),
        "errors": "0",
        "skipped": str(statuses.count("not_judged")),
        "time": "0",
    }


def _properties(parent: Element, values: dict[str, object]) -> None:
    properties = SubElement(parent, "properties")
    for name, value in values.items():
        SubElement(properties, "property", name=name, value=visible(str(value)))
