"""What reaches the terminal of a submission's text: characters to read, and nothing that steers it."""

import pytest
from rich.text import Text

from harness.cli.terminal import Display, plain, say, show_findings
from harness.record.findings import Finding
from harness.record.trainings import EpochLog
from harness.training.events import ContinuedEvent, SlowerEvent

HOSTILE = "[red]a\x1b[2Jb\x9b31m\u202e[/]"
SHOWN = "[red]a⟨U+001B⟩[2Jb⟨U+009B⟩31m⟨U+202E⟩[/]"


def test_text_of_a_submission_neither_marks_up_nor_steers_the_terminal() -> None:
    assert Text.from_markup(plain(HOSTILE)).plain == SHOWN


def test_a_line_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"note: {HOSTILE}")
    assert capsys.readouterr().err == f"note: {SHOWN}\n"


def test_what_makes_a_training_slower_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Display().show("basic", SlowerEvent(message="Trained without a CUDA graph, which is slower: no card."))
    assert capsys.readouterr().err == "Trained without a CUDA graph, which is slower: no card.\n"


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


def test_a_training_that_goes_on_says_where_it_was_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    log = EpochLog(epoch=1, train_loss=1, train_acc=0.5, test_loss=1, test_acc=0.5, lr=0.1)
    Display().show("basic", ContinuedEvent(logs=(log,), epochs=16))
    assert capsys.readouterr().err == "basic: goes on after epoch 1 of 16, which was interrupted\n"
