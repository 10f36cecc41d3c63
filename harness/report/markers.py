"""Blocks between ``<!-- NAME -->`` and ``<!-- /NAME -->``: found, and filled; all other text is left alone.

Markers in a fenced code block or between backticks are text about markers, not markers. Names that are
not asked for are left alone too, closed or not.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from harness.base.errors import UsageError

_MARKER = re.compile(r"(?<!`)<!--[ \t]*(/?)([A-Z][A-Z0-9_]*)[ \t]*-->(?!`)")
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})([^\r\n]*)")


@dataclass(frozen=True)
class Section:
    """One block: its name, the line of its opening marker, and where its inside starts and ends."""

    name: str
    line: int
    start: int
    end: int


@dataclass(frozen=True)
class _Marker:
    name: str
    closes: bool
    line: int
    start: int
    end: int


def find_sections(text: str, names: Collection[str], where: str) -> list[Section]:
    """Find the blocks of the names given, in the order of the text; `where` names the file in messages.

    Raises:
        UsageError: a marker without its partner, one block inside another, or a name used twice.
    """
    found: dict[str, Section] = {}
    opened: _Marker | None = None
    for marker in _markers(text, names):
        at = f"{where}:{marker.line}: "
        if opened is None:
            if marker.closes:
                raise UsageError(
                    f"{at}<!-- /{marker.name} --> closes nothing; expected <!-- {marker.name} --> before it. "
                    "Add the opening marker, or remove this one."
                )
            if marker.name in found:
                first = found[marker.name].line
                raise UsageError(
                    f"{at}<!-- {marker.name} --> is there twice; expected it once, got it on line {first} "
                    "too. Remove one of the two blocks."
                )
            opened = marker
        elif marker.closes and marker.name == opened.name:
            found[marker.name] = Section(marker.name, opened.line, opened.end, marker.start)
            opened = None
        else:
            what = f"<!-- {'/' if marker.closes else ''}{marker.name} -->"
            raise UsageError(
                f"{at}{what} stands inside the block of <!-- {opened.name} --> (line {opened.line}); "
                f"expected <!-- /{opened.name} --> first. Blocks cannot be nested."
            )
    if opened is not None:
        raise UsageError(
            f"{where}:{opened.line}: <!-- {opened.name} --> is not closed; expected <!-- /{opened.name} --> "
            "below it, got the end of the file. Add the closing marker on a line of its own."
        )
    return list(found.values())


def fill_sections(text: str, contents: Mapping[str, str], where: str) -> str:
    """Replace the inside of every block named in `contents`; lines end as in the line of its marker.

    Raises:
        UsageError: as `find_sections`.
    """
    pieces, at = [], 0
    for section in find_sections(text, contents, where):
        newline = _newline(text, section.start)
        inside = _harmless(contents[section.name]).strip("\n").replace("\n", newline)
        pieces += [text[at : section.start], newline, inside, newline]
        at = section.end
    return "".join([*pieces, text[at:]])


# Private functions


def _markers(text: str, names: Collection[str]) -> Iterator[_Marker]:
    fence = ""
    position = 0
    for number, line in enumerate(re.split(r"(?<=\n)|(?<=\r)(?!\n)", text), 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not ("`" in mark[1] and "`" in mark[2]):
            fence = mark[1]
        else:
            for m in _MARKER.finditer(line):
                if m[2] in names:
                    yield _Marker(m[2], bool(m[1]), number, position + m.start(), position + m.end())
        position += len(line)


def _newline(text: str, start: int) -> str:
    """Return the line ending that follows the opening marker, else the first of the text."""
    if re.match(r"\r\n|\r|\n", text[start:]):
        here = re.match(r"\r\n|\r|\n", text[start:])
    else:
        here = re.search(r"\r\n|\r|\n", text)
    return here[0] if here else "\n"


def _harmless(content: str) -> str:
    """Escape what would open or close a block inside of one."""
    return content.replace("<!--", "<! --")
