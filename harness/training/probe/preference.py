"""Does a sum over positions weigh the larger of two kinds of values more, by the weights it gives them."""

from collections.abc import Mapping
from dataclasses import dataclass

Level = tuple[float, float]
"""The smaller and the larger value of a map, by magnitude or by sign."""
LEVELS: tuple[Level, ...] = tuple((low, 4 * low) for low in (0.03, 0.1, 0.2, 0.3, 3.0, 30.0, 300.0))
"""Smaller and larger positive values of a map."""
NEGATED: tuple[Level, ...] = tuple((-low, -high) for low, high in LEVELS)
"""The same of a map that is negated: a minimum is a maximum of that."""
MILD_LEVELS: tuple[Level, ...] = ((-3.0, -1.0), (-1.0, -0.3), (-0.6, -0.2), (-0.3, -0.1))
"""Negative values where an activation bends, so that more than usual has to show there."""
MILD_NEGATED: tuple[Level, ...] = tuple((-low, -high) for low, high in MILD_LEVELS)
LOW_LEVELS: tuple[Level, ...] = tuple((low, low + 2) for low in (-100.0, -30.0, -20.0, -10.0, -5.0))
"""Negative values where some activations are nearly an exponential."""
ALL_LEVELS = (*LEVELS, *NEGATED, *MILD_LEVELS, *MILD_NEGATED, *LOW_LEVELS)
MANY_LEVELS, MANY_LOW_LEVELS = 3, 2
"""How many of each have to show a preference: an activation has its bend at one or two."""
MOST_PREFERRED = {"window": 1.5, "whole": 6.0, "layer": 6.0}
"""How many times as much as the smaller values the larger may weigh, in a window or the whole map, or with a
learned layer on the way."""
MOST_MILDLY_PREFERRED = 3.0
SIGNIFICANT = 0.05
"""Less than this share of the largest is rounding: a sum that is always the same, as that of shares is."""
GROWTH = (5.0, 20.0)
"""How many times as large a maximum becomes with values that are ten times as large."""


@dataclass(frozen=True)
class Weights:
    """Mean weight of the smaller and of the larger values in a sum, and the size of the sum itself."""

    few: float
    much: float
    value: float

    def prefers(self, times: float) -> bool:
        """Return whether the larger values weigh that much more; what the smaller take away is little too."""
        return self.much > times * max(abs(self.few), 1e-300)


def prefers_larger(found: Mapping[Level, Weights], kind: str) -> bool:
    """Return whether the larger values weigh more at enough of the levels that were tried."""
    most = MOST_PREFERRED[kind]
    preferred = [
        sum(_counts(found, level) and found[level].prefers(most) for level in levels)
        for levels in (LEVELS, NEGATED)
    ]
    if kind == "layer":
        return max(preferred) >= MANY_LEVELS and _grows_as_a_maximum(found)
    mild = _mild(found) if kind == "window" else 0
    return max(preferred) >= MANY_LEVELS or max(_low(found, most), mild) >= MANY_LOW_LEVELS


# Private functions


def _counts(found: Mapping[Level, Weights], level: Level) -> bool:
    one = found.get(level)
    return one is not None and one.much * abs(level[1]) > SIGNIFICANT * one.value


def _low(found: Mapping[Level, Weights], most: float) -> int:
    highest = max((found[level].much for level in LEVELS if _counts(found, level)), default=0.0)
    low = (found[level] for level in LOW_LEVELS if level in found)
    # Far below zero a local contrast looks like it, but for its sign.
    return sum(one.few >= 0 and one.prefers(most) and one.much > SIGNIFICANT * highest > 0 for one in low)


def _mild(found: Mapping[Level, Weights]) -> int:
    steepest = max((one.much for one in found.values()), default=0.0)
    return max(_rising(found, levels, SIGNIFICANT * steepest) for levels in (MILD_LEVELS, MILD_NEGATED))


def _rising(found: Mapping[Level, Weights], levels: tuple[Level, ...], least: float) -> int:
    """Count the levels with a preference, where the smallest value of all weighs less than the larger one."""
    tried = [level for level in levels if level in found]
    preferring = [
        found[level]
        for level in tried
        if found[level].prefers(MOST_MILDLY_PREFERRED) and found[level].much > least and _counts(found, level)
    ]
    # What weighs nothing at all is below the bend of an activation.
    return sum(one.much > found[tried[0]].few and one.few > 0 for one in preferring)


def _grows_as_a_maximum(found: Mapping[Level, Weights]) -> bool:
    tens = [level for level in LEVELS if level in found and level[0] in (0.3, 3.0, 30.0, 300.0)][-2:]
    if len(tens) < 2 or not found[tens[0]].value:
        return False
    return GROWTH[0] < found[tens[1]].value / found[tens[0]].value < GROWTH[1]
