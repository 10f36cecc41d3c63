"""Numbers that an assignment asks for: exactly so many, at least, at most, or within a budget."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from harness.base.tables import Positive, Table
from harness.graph.ir import Node
from harness.rules.base import RuleSettings
from harness.rules.verdicts import Verdict, failed, passed

COUNT = "expected a whole number or { at_least = 1 }"

_Number = Annotated[int, Field(ge=0)]


class Limits(Table):
    """Whole numbers that are allowed: exactly one, or from `at_least` to `at_most`, inclusive.

    As a setting of its own, exactly one may be written as a number.
    """

    exactly: _Number | None = None
    at_least: _Number | None = None
    at_most: _Number | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        return {"exactly": value} if type(value) is int else value

    @model_validator(mode="after")
    def _says_something(self) -> "Limits":
        given = [value for value in (self.exactly, self.at_least, self.at_most) if value is not None]
        if not given:
            raise ValueError("expected exactly, at_least or at_most, got none of them")
        if self.exactly is not None and len(given) > 1:
            raise ValueError("exactly stands alone: leave at_least and at_most out")
        if given != sorted(given):
            raise ValueError(f"at_least is {self.at_least} and at_most {self.at_most}: no number is allowed")
        return self

    @property
    def smallest(self) -> int:
        """The smallest number allowed."""
        return self.exactly if self.exactly is not None else (self.at_least or 0)

    @property
    def largest(self) -> int | None:
        """The largest number allowed; None where there is none."""
        return self.exactly if self.exactly is not None else self.at_most

    def allows(self, number: int) -> bool:
        """Return whether a number is allowed."""
        return self.smallest <= number and (self.largest is None or number <= self.largest)

    @property
    def said(self) -> str:
        """The limits in words: "exactly 3", "at least 1 and at most 2"."""
        if self.exactly is not None:
            return f"exactly {self.exactly:,}"
        parts = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{words} {value:,}" for words, value in parts if value is not None)


class Count(Table):
    """A number, written ``3``, or the smallest of those allowed, written ``{ at_least = 1 }``."""

    exactly: Annotated[int, Field(ge=0)] | None = None
    at_least: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        if type(value) is int:
            return {"exactly": value}
        if not isinstance(value, dict):
            raise ValueError(f"{COUNT}, got {value!r}")  # noqa: TRY004 - only this becomes a message
        return value

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> "Count":
        if (self.exactly is None) == (self.at_least is None):
            raise ValueError(f"{COUNT}, got neither or both of exactly and at_least")
        return self

    @property
    def smallest(self) -> int:
        """The smallest number allowed."""
        return self.exactly if self.exactly is not None else (self.at_least or 0)

    def allows(self, number: int) -> bool:
        """Return whether a number is allowed."""
        return number == self.smallest if self.exactly is not None else number >= self.smallest


class Budget(RuleSettings):
    """The largest number allowed."""

    at_most: Positive


def judged_by_budget(
    limits: Budget, number: int, unit: str, largest: list[tuple[str, int]], *nodes: Node
) -> Verdict:
    """Judge a number; `largest` names what takes most of it, in the same unit."""
    expected, actual = f"at most {limits.at_most:,} {unit}", f"{number:,} {unit}"
    if number <= limits.at_most:
        return passed(expected, actual, *nodes)
    named = ", ".join(f"{name} ({size:,})" for name, size in largest[:3])
    advice = f"Save at least {number - limits.at_most:,}; the largest are {named}."
    return failed(expected, actual, *nodes, advice=advice)
