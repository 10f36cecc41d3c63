"""Docstrings say what is returned, checked, raised, read or written, or name a thing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import REPOSITORY

TALK = frozenset({"Say", "Tell", "Give", "Hand", "Notice", "Know", "Keep", "Name"})
"""Verbs that leave open what a function does: it returns, checks, raises, reads or writes."""
QUESTIONS = frozenset({"What", "Which", "Who", "Whose", "How", "Where", "When", "Why"})
HARNESS = REPOSITORY / "harness"
ROOMS = sorted(path.name for path in HARNESS.iterdir() if path.is_dir())
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the docstring of every module, class and function of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield f"{path.relative_to(HARNESS)}: {getattr(node, 'name', 'module')}", text


@pytest.mark.parametrize("room", ROOMS)
def test_no_docstring_begins_with_talk_or_a_question(room):
    files = (HARNESS / room).rglob("*.py")
    begun = {place: re.split(r"[\s,:;]", text)[0] for path in files for place, text in docstrings(path)}
    assert {place: word for place, word in begun.items() if word in TALK | QUESTIONS} == {}
