"""What reaches the terminal of a submission's text: characters to read, and nothing that steers it."""

import pytest
from rich.text import Text

from harness.record import Finding
from harness.screen import _table, plain, say, screen

HOSTILE = "[red]a\x1b[2Jb\x9b31m\u202e[/]"
SHOWN = "[red]a⟨U+001B⟩[2Jb⟨U+009B⟩31m⟨U+202E⟩[/]"


def test_text_of_a_submission_neither_marks_up_nor_steers_the_terminal() -> None:
    assert Text.from_markup(plain(HOSTILE)).plain == SHOWN


def test_a_line_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"note: {HOSTILE}")
    assert capsys.readouterr().err == f"note: {SHOWN}\n"


def test_no_cell_of_a_table_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding(
        rule="dilation", status="failed", expected=HOSTILE, actual=HOSTILE, points=0, max_points=5
    )
    screen.print(_table(HOSTILE, [finding]))
    said = capsys.readouterr().err
    assert said.count("⟨U+001B⟩") == 3
    assert "\x1b" not in said
