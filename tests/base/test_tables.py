"""A mistake in a table is said in plain words, with what to write instead where that is known."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

from harness.base.errors import AssignmentError
from harness.base.tables import Identifier, Share, Slug, Table, validate


class Example(Table):
    kind: Literal["before_pool", "with_pool"] = "with_pool"
    share: Share = 0.5
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.5
    count: Annotated[int, Field(ge=2)] = 2
    on: bool = True
    word: str = ""
    pair: tuple[float, float] = (0.0, 1.0)
    names: Annotated[tuple[Identifier, ...], Field(min_length=1)] = ("a",)
    id: Slug = "a"
    rules: dict[Identifier, Literal[False] | dict[str, int]] = Field(default_factory=dict)


def mistakes(**table):
    with pytest.raises(AssignmentError) as caught:
        validate(Example, table, "a.toml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"share": 85}, "share: expected a share from 0 to 1, got 85; write 0.85."),
        ({"warmup": 20}, "warmup: expected a share from 0 to 1, got 20; write 0.2."),
        ({"share": -1}, "share: expected at least 0, got -1."),
        ({"share": float("nan")}, "share: expected a finite number, got nan."),
        ({"share": "half"}, "share: expected a number, got 'half'."),
        ({"count": 1}, "count: expected at least 2, got 1."),
        ({"count": 2.5}, "count: expected a whole number, got 2.5."),
        ({"count": "two"}, "count: expected a whole number, got 'two'."),
        ({"on": "yes"}, "on: expected true or false, got 'yes'."),
        ({"word": 3}, "word: expected text in quotes, got 3."),
        ({"pair": 3}, "pair: expected a list, got 3."),
        ({"pair": [1, 2, 3]}, "pair: expected at most 2 values, got [1, 2, 3]."),
        ({"names": []}, "names: expected a list that names something, got []."),
        ({"names": ["1a"]}, "names.0: expected letters, digits and underscores, no digit first, got '1a'."),
        ({"id": "A b"}, "id: expected small letters, digits and hyphens, as in mnist-8k, got 'A b'."),
        ({"rules": {"dilation": 3}}, "rules.dilation: expected a table, got 3."),
        ({"rules": 3}, "rules: expected a table, got 3."),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line_in_plain_words(table, said):
    assert mistakes(**table) == [f"a.toml: {said}"]


def test_a_misspelt_value_is_answered_with_the_one_that_was_meant():
    assert mistakes(kind="before-pool") == [
        "a.toml: kind: expected 'before_pool' or 'with_pool', got 'before-pool'; did you mean 'before_pool'?"
    ]
    assert mistakes(kind="x") == ["a.toml: kind: expected 'before_pool' or 'with_pool', got 'x'."]
