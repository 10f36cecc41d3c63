"""What is said of an error of student code: nothing of the machine it ran on."""

import json
import sys
from pathlib import Path

import pytest
import torch

from harness.loader.failures import said, student_traceback

ROOT = Path("/tmp/box/one/submission")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"no file {ROOT}/data/a.txt", "no file data/a.txt"),
        (f"cannot list '{ROOT}'", "cannot list '.'"),
        (f"no file '{ROOT.parent}/a.txt'", "no file '../a.txt'"),
        (f"cannot list {ROOT.parent}: no", "cannot list ..: no"),
        (f"no file {ROOT}-old/a.txt", "no file ../submission-old/a.txt"),
        (f"cannot import name 'x' ({torch.__file__})", "cannot import name 'x' (torch/__init__.py)"),
        (f"cannot import name 'x' ({json.__file__})", "cannot import name 'x' (json/__init__.py)"),
        (f"not in {sys.prefix}/share/x", "not in share/x"),
        ("<Net at 0x7f00deadbeef>", "<Net at 0x…>"),
        ("no file /data/a.txt", "no file /data/a.txt"),
    ],
)
def test_a_place_on_the_machine_is_shown_as_seen_from_the_submission(text, shown):
    assert said(ValueError(text), ROOT) == f"ValueError: {shown}"
    assert student_traceback(ValueError(text), ROOT) == f"ValueError: {shown}\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "Could not guard on data-dependent expression Eq(u0, 1) (unhinted: Eq(u0, 1)).  (Size-like "
            "symbols: none)\n\nCaused by: (x.py:12 in forward)\nFor more help, see https://docs.google.com/x\n",
            "Could not guard on data-dependent expression Eq(u0, 1)",
        ),
        (
            'Constraints violated (batch)! For more information, run with TORCH_LOGS="+dynamic".\n  - You '
            "marked batch as dynamic\nSuggested fixes:\n  batch = 2\n\nThe error above occurred when x.",
            "Constraints violated (batch)",
        ),
        (
            "/build/aten/src/ATen/Register_0.cpp:8836: SymIntArrayRef expected numbers",
            "SymIntArrayRef expected numbers",
        ),
        ("it is odd. Set TORCH_SHOW_CPP_STACKTRACES=1 to see more", "it is odd"),
        ("width must be even. See the docstring", "width must be even. See the docstring"),
    ],
)
def test_what_torch_says_to_its_developers_is_left_out(text, shown):
    assert said(ValueError(text), ROOT) == f"ValueError: {shown}"
    shown_below = student_traceback(ValueError(text), ROOT)
    assert shown_below.startswith(f"ValueError: {shown}")
    assert "http" not in shown_below
    assert "TORCH_" not in shown_below
