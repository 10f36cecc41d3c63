"""What reaches the terminal of a submission's text: characters to read, and nothing that steers it."""

import pytest
from rich.text import Text

from harness.cli.terminal import Display, plain, say
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


def test_a_training_that_goes_on_says_where_it_was_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    log = EpochLog(epoch=1, train_loss=1, train_acc=0.5, test_loss=1, test_acc=0.5, lr=0.1)
    Display().show("basic", ContinuedEvent(logs=(log,), epochs=16))
    assert capsys.readouterr().err == "basic: goes on after epoch 1 of 16, which was interrupted\n"
