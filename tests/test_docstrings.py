"""Docstrings say what is returned, checked, raised, read or written, or name a thing."""

import ast
import re
from collections.abc import Iterator

import pytest
from checkout import REPOSITORY

TALK = frozenset({"Say", "Tell", "Give", "Hand", "Notice", "Know", "Keep", "Name"})
"""Verbs that leave open what a function does: it returns, checks, raises, reads or writes."""
QUESTIONS = frozenset({"What", "Which", "Who", "Whose", "How", "Where", "When", "Why"})
BEING_WRITTEN = frozenset({"cohort", "pipeline", "settings", "training"})
"""Rooms whose docstrings have yet to follow."""
ROOMS = sorted({path.name for path in (REPOSITORY / "harness").iterdir() if path.is_dir()} - BEING_WRITTEN)
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(room: str) -> Iterator[tuple[str, str]]:
    """Yield the place and the docstring of every module, class and function of a room."""
    for path in sorted((REPOSITORY / "harness" / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Documented) and (text := ast.get_docstring(node)):
                yield f"{path.relative_to(REPOSITORY)}: {getattr(node, 'name', 'module')}", text


@pytest.mark.parametrize("room", ROOMS)
def test_no_docstring_begins_with_talk_or_a_question(room):
    begun = {place: re.split(r"[\s,:;]", text)[0] for place, text in docstrings(room)}
    assert {place: word for place, word in begun.items() if word in TALK | QUESTIONS} == {}
