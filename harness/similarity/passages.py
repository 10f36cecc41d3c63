"""Matching passages of two submissions, line by line, to show side by side.

Source: greedy string tiling, M. J. Wise, YAP3, SIGCSE Bulletin 28 (1996) 130-134, doi 10.1145/236462.236525;
it starts from the fingerprints that both have instead of from every token.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass

from harness.similarity.similarity import Document
from harness.similarity.sources import Text

MOST_PLACES = 8
"""Places of one fingerprint in one text that are tried; a text that repeats itself has many."""


@dataclass(frozen=True)
class Lines:
    """Lines of one file, counted from 1; both ends belong to it."""

    file: str
    first: int
    last: int
    text: str


@dataclass(frozen=True)
class Passage:
    """Lines of two submissions that say the same, and how many tokens they have in common."""

    one: Lines
    other: Lines
    tokens: int


def passages(one: Document, other: Document, fingerprints: Set[str]) -> tuple[Passage, ...]:
    """Find the longest passages around fingerprints, none overlapping another, in the order of `one`."""
    found = [
        (mine, i, theirs, j, length)
        for mine in one.texts
        for theirs in other.texts
        for length, i, j in _tiles(mine, theirs, fingerprints)
    ]
    order = {text.name: place for place, text in enumerate(one.texts)}
    found.sort(key=lambda tile: (order[tile[0].name], tile[1]))
    return tuple(
        Passage(_lines(mine, i, length), _lines(theirs, j, length), length)
        for mine, i, theirs, j, length in found
    )


# Private functions


def _tiles(one: Text, other: Text, fingerprints: Set[str]) -> Iterator[tuple[int, int, int]]:
    """Extend every common fingerprint as far as the tokens agree; give (tokens, start, start)."""
    mine = [token.text for token in one.tokens]
    theirs = [token.text for token in other.tokens]
    grown = {
        _grown(mine, theirs, i, j)
        for fingerprint in fingerprints & one.fingerprints.keys() & other.fingerprints.keys()
        for i in one.fingerprints[fingerprint][:MOST_PLACES]
        for j in other.fingerprints[fingerprint][:MOST_PLACES]
    }
    taken_mine, taken_theirs = set[int](), set[int]()
    for length, i, j in sorted(grown, key=lambda tile: (-tile[0], tile[1:])):
        if taken_mine.isdisjoint(range(i, i + length)) and taken_theirs.isdisjoint(range(j, j + length)):
            taken_mine.update(range(i, i + length))
            taken_theirs.update(range(j, j + length))
            yield length, i, j


def _grown(mine: list[str], theirs: list[str], i: int, j: int) -> tuple[int, int, int]:
    while i and j and mine[i - 1] == theirs[j - 1]:
        i, j = i - 1, j - 1
    length = 0
    while i + length < len(mine) and j + length < len(theirs) and mine[i + length] == theirs[j + length]:
        length += 1
    return length, i, j


def _lines(text: Text, start: int, length: int) -> Lines:
    first, last = text.tokens[start].line, text.tokens[start + length - 1].line
    return Lines(text.name, first, last, "\n".join(text.lines[first - 1 : last]))
