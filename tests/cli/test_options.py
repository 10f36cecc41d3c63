"""Options that several commands share."""

import pytest

from harness.base.errors import UsageError
from harness.cli.options import constructor_argument


@pytest.mark.parametrize(
    ("text", "value"),
    [("n=10", 10), ("p=0.1", 0.1), ("norm=BN", "BN"), ("bias=true", True), ("bias=False", False), ("s=", "")],
)
def test_constructorconstructor_arguments_have_the_type_they_look_like(text, value):
    name, parsed = constructor_argument(text)
    assert name == text.partition("=")[0]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("text", ["n", "=1", "a b=1"])
def test_a_constructorconstructor_argument_needs_a_name_and_a_value(text):
    with pytest.raises(UsageError, match="expected NAME=VALUE such as num_classes=10"):
        constructor_argument(text)
