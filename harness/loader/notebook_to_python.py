"""Cells of a notebook converted to Python by IPython, every line at its number. Locked child only.

IPython's own transformer finds what is not Python (magics, shell lines, help), and here ``pass`` takes its
place: a model needs none of it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from IPython.core import inputtransformer2 as ipython

_TIMES = ("time", "prun")
_RUN_HERE = (*_TIMES, "capture")
"""Magics whose code is the notebook's own; the first two with a statement behind them too."""
_WRITES = ("writefile", "file")
_WITHOUT_PERCENT = re.compile(
    r"(?:pip|conda|mamba|uv|cd|ls|ll|cat|cp|mv|rm|mkdir|rmdir|pwd|matplotlib|load_ext|reload_ext|autoreload)"
    r"(?: +[-.~/\w].*)?"
)
"""A cell of this one line is a magic, for IPython needs no percent sign there."""


@dataclass(frozen=True)
class Cell:
    """A code cell as Python; `writes` is the .py file that it is the text of, "" for none."""

    source: str
    writes: str = ""


def python_of(source: str) -> Cell:
    """Convert a cell to Python; lines keep their numbers."""
    lines = source.splitlines(keepends=True)
    above = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    first, _, body = "".join(lines[above:]).partition("\n")
    magic = re.fullmatch(r"\s*%%(\w+)(?:\s+(.*?))?\s*", first)
    if magic is None:
        is_magic = not body.strip() and _WITHOUT_PERCENT.fullmatch(first.strip())
        return Cell("" if is_magic else "\n" * above + _transformed(f"{first}\n{body}"))
    blank = "\n" * (above + 1)
    if magic[1] in _RUN_HERE:
        return Cell(blank + python_of(body).source)
    written = _written(magic[2] or "") if magic[1] in _WRITES else ""
    return Cell(blank + body if written else "", written)


def modules_of(file: str) -> list[str]:
    """List the names that a written file and its folders may be imported by: net, models, models.net."""
    parts = [part for part in PurePosixPath(file).with_suffix("").parts if part not in ("/", "..")]
    ends = range(1, len(parts) + 1)
    return [".".join(parts[start:end]) for end in ends for start in range(end)]


# Private functions


def _written(arguments: str) -> str:
    """Return the name of the Python file that a %%writefile writes; "" for another kind of file."""
    words = [word.strip("\"'") for word in arguments.split() if word != "-a"]
    return words[0] if len(words) == 1 and words[0].endswith(".py") else ""


def _transformed(source: str) -> str:
    try:
        return _MANAGER.transform_cell(source)
    except Exception:  # noqa: BLE001 - what IPython cannot read, Python cannot either, and says where
        return source


def _cleaned(lines: list[str]) -> list[str]:
    """Strip the indentation or the prompts of a cell that begins with them; else they may be in a string."""
    steps: list[Callable[[list[str]], list[str]]] = []
    if lines[0][:1] in " \t":
        steps.append(ipython.leading_indent)
    if re.match(r"\s*(?:>>>|In \[\d+\]:)", lines[0]):
        steps += [ipython.classic_prompt, ipython.ipython_prompt]
    for step in steps:
        lines = step(lines)
    return lines


def _in_place(transformer: type[ipython.TokenTransformBase]) -> type[ipython.TokenTransformBase]:
    """Return a transformer that keeps the number of lines, and replaces a command by nothing."""
    is_command = transformer in (ipython.EscapedCommand, ipython.HelpEnd)

    class InPlace(transformer):  # type: ignore[valid-type, misc]
        def transform(self, lines: list[str]) -> list[str]:
            changed: list[str] = super().transform(lines)
            at, joined = self.start_line, len(lines) - len(changed)
            if is_command:
                command = ipython.assemble_continued_line(lines, (at, self.start_col), at + joined)
                changed[at] = f"{lines[at][: self.start_col]}{_instead(command)}\n"
            return [*changed[: at + 1], *["\n"] * joined, *changed[at + 1 :]]

    return InPlace


def _instead(command: str) -> str:
    """Return what takes the place of a command: nothing, or the statement that a %time runs."""
    magic = re.fullmatch(r"%(\w+)\s+(.*\S)\s*", command)
    return magic[2] if magic and magic[1] in _TIMES else "pass"


def _manager() -> ipython.TransformerManager:
    manager = ipython.TransformerManager()  # type: ignore[no-untyped-call]
    manager.cleanup_transforms = [_cleaned]
    manager.line_transforms = []
    manager.token_transformers = [_in_place(one) for one in manager.token_transformers]
    return manager


_MANAGER = _manager()
