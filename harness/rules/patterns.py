"""Patterns of letters, as in ``"(C C P)+ F{1,3}"``, and how far a sequence of layers follows one."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

_SIGN = r"(?:[?*+]|\{\d{1,2}(?:,\d{1,2})?\})?"
_TOKEN = re.compile(rf"([A-Za-z_][A-Za-z0-9_]*)({_SIGN})|(\()|(\))({_SIGN})")
_SIGNS: dict[str, tuple[int, int | None]] = {"": (1, 1), "?": (0, 1), "*": (0, None), "+": (1, None)}
"""How often at least, and at most: any number where that is None."""

Part = Callable[["Pattern", int], int]
"""Adds itself to a pattern behind a state, and returns the state behind itself."""


@dataclass
class Pattern:
    """States between letters: where each letter leads, and where one gets without any.

    State 0 is the start, `end` the end.
    """

    letters: list[tuple[int, str, int]] = field(default_factory=list)
    free: dict[int, list[int]] = field(default_factory=dict)
    states: int = 1
    end: int = 0

    def start(self) -> frozenset[int]:
        """Return the states before the first layer."""
        return self._reached({0})

    def step(self, at: Iterable[int], fitting: Collection[str]) -> frozenset[int]:
        """Return the states after a layer that fits some letters; none where no letter here fits."""
        here = set(at)
        return self._reached(
            {to for state, letter, to in self.letters if state in here and letter in fitting}
        )

    def next(self, at: Iterable[int]) -> tuple[str, ...]:
        """Return the letters that may come in these states, in the order of the pattern."""
        here = set(at)
        return tuple(dict.fromkeys(letter for state, letter, _ in self.letters if state in here))

    def add_state(self) -> int:
        """Add a state and return it."""
        self.states += 1
        return self.states - 1

    def lead(self, state: int, to: int) -> None:
        """Connect one state to another without a layer."""
        self.free.setdefault(state, []).append(to)

    def _reached(self, at: set[int]) -> frozenset[int]:
        found, left = set(at), list(at)
        while left:
            for to in self.free.get(left.pop(), ()):
                if to not in found:
                    found.add(to)
                    left.append(to)
        return frozenset(found)


def letters_of(text: str) -> tuple[str, ...]:
    """Return the letters of a pattern, each once.

    Raises:
        ValueError: The text is no pattern; the message says what to write.
    """
    found = [token[1] for token in _tokens(text) if token[1]]
    pattern_of(text)
    return tuple(dict.fromkeys(found))


def pattern_of(text: str, without: Iterable[str] = ()) -> Pattern:
    """Read a pattern; letters of `without` are left out of it.

    Raises:
        ValueError: The text is no pattern; the message says what to write.
    """
    left_out = frozenset(without)
    open_parts: list[list[Part]] = [[]]
    for token in _tokens(text):
        if token[3]:
            open_parts.append([])
        elif token[4]:
            if len(open_parts) == 1 or not open_parts[-1]:
                raise ValueError(f"the pattern has a ) without letters in parentheses before it: {text}")
            inner = open_parts.pop()
            open_parts[-1].append(_repeated(_sequence(inner), token[5]))
        else:
            one = _sequence([]) if token[1] in left_out else _letter(token[1])
            open_parts[-1].append(_repeated(one, token[2]))
    if len(open_parts) > 1:
        raise ValueError(f"the pattern has a ( without a ): {text}")
    pattern = Pattern()
    pattern.end = _sequence(open_parts[0])(pattern, 0)
    return pattern


# Private functions


def _tokens(text: str) -> list[re.Match[str]]:
    found = []
    for word in text.replace("(", " ( ").replace(")", " )").split():
        read = _TOKEN.fullmatch(word)
        if read is None:
            raise ValueError(
                f"{word} in the pattern is no letter; write C, C?, C*, C+, C{{3}}, C{{1,3}} or (C P)+"
            )
        found.append(read)
    return found


def _letter(name: str) -> Part:
    def add(pattern: Pattern, state: int) -> int:
        to = pattern.add_state()
        pattern.letters.append((state, name, to))
        return to

    return add


def _sequence(parts: Iterable[Part]) -> Part:
    every = tuple(parts)

    def add(pattern: Pattern, state: int) -> int:
        for part in every:
            state = part(pattern, state)
        return state

    return add


def _repeated(part: Part, sign: str) -> Part:
    """Repeat a part as often as its sign says; no state of one part is a state of the next."""
    least, most = _SIGNS.get(sign) or _range(sign)

    def add(pattern: Pattern, state: int) -> int:
        for _ in range(least):
            state = part(pattern, _behind(pattern, state))
        skips = [state]
        for _ in range(1 if most is None else most - least):
            begin = _behind(pattern, state)
            state = part(pattern, begin)
            skips.append(state)
            if most is None:
                pattern.lead(state, begin)
        end = pattern.add_state()
        for one in skips:
            pattern.lead(one, end)
        return end

    return add


def _behind(pattern: Pattern, state: int) -> int:
    new = pattern.add_state()
    pattern.lead(state, new)
    return new


def _range(sign: str) -> tuple[int, int]:
    least, _, most = sign.strip("{}").partition(",")
    if int(most or least) < int(least):
        raise ValueError(f"{sign} in the pattern: at most {most} is less than at least {least}")
    return int(least), int(most or least)
