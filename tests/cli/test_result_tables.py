"""Findings on the terminal: what failed first, in words that steer nothing."""

import pytest

from harness.cli.result_tables import show_findings
from harness.record.findings import Finding

HOSTILE = "[red]a\x1b[2Jb\x9b31m\u202e[/]"


def finding(rule: str, status: str, text: str) -> Finding:
    points = {"passed": 5, "failed": 0, "not_judged": None}[status]
    return Finding(rule=rule, status=status, expected=text, actual=text, points=points, max_points=5)


@pytest.mark.parametrize("status", ["passed", "failed", "not_judged"])
def test_no_finding_steers_the_terminal(status: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_findings([finding("dilation", status, HOSTILE)])
    said = capsys.readouterr().err
    assert said.count("⟨U+001B⟩") == (1 if status == "passed" else 2)
    assert "\x1b" not in said


def test_what_failed_comes_first_and_what_passed_is_one_line_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "a sentence of " + "many words " * 12 + "to its end"
    show_findings(
        [
            finding("a_rule_of_a_long_name", "passed", f"first\n{long}"),
            finding("b", "not_judged", "open"),
            finding("c", "passed", "short"),
            finding("d", "failed", long),
        ]
    )
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[1:4] for line in lines if not line.startswith("    ")] == [
        ["failed", "d", "0/5"],
        ["not", "judged", "b"],
        ["passed", "a_rule_of_a_long_name", "5/5"],
        ["passed", "c", "5/5"],
    ]
    told = " ".join(" ".join(line.split()) for line in lines if line.startswith("    "))
    assert told == f"expected {long} got {long} expected open got open"
    assert lines[-2].rstrip().endswith("…")
