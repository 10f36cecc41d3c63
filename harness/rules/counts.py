"""A number that an assignment asks for: exactly so many, or at least."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from harness.tables import Table

COUNT = "expected a whole number or { at_least = 1 }"


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
        """Tell whether a number is allowed."""
        return number == self.smallest if self.exactly is not None else number >= self.smallest
