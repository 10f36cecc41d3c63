"""The rule about the numbers of the recipe that a submission may choose."""

from pydantic import model_validator

from harness.base.tables import Table
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed

_NAMES = ("lr", "batch_size", "weight_decay", "label_smoothing")


class Between(Table):
    """Numbers that are allowed, inclusive."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _leaves_some(self) -> "Between":
        if self.at_least is None and self.at_most is None:
            raise ValueError("expected at_least or at_most, got none of them")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(
                f"at_least is {self.at_least:g} and at_most {self.at_most:g}: no number is allowed"
            )
        return self

    @property
    def said(self) -> str:
        """The limits in words: "at least 0.01 and at most 0.5"."""
        parts = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{words} {value:g}" for words, value in parts if value is not None)

    def nearest(self, number: float) -> float:
        """Return the allowed number that is nearest."""
        at_least = number if self.at_least is None else max(number, self.at_least)
        return at_least if self.at_most is None else min(at_least, self.at_most)


@rule(asks="a recipe within limits", needs="recipe")
class Optimiser(NetworkRule):
    """Check the numbers of the recipe that a submission may choose."""

    class Settings(RuleSettings):
        """Limits of the peak learning rate, the batch size, the weight decay and the label smoothing."""

        lr: Between | None = None
        batch_size: Between | None = None
        weight_decay: Between | None = None
        label_smoothing: Between | None = None

        @property
        def limits(self) -> dict[str, Between]:
            """The limits, by their names in the recipe."""
            given = {name: getattr(self, name) for name in _NAMES}
            return {name: between for name, between in given.items() if between is not None}

        @model_validator(mode="after")
        def _limits_something(self) -> "Optimiser.Settings":
            if not self.limits:
                raise ValueError(f"expected one of {', '.join(_NAMES)}, got none of them")
            return self

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge the recipe that the network is trained with."""
        values = {name: float(getattr(network.recipe, name)) for name in settings.limits}
        expected = ", ".join(f"{name} {between.said}" for name, between in settings.limits.items())
        actual = ", ".join(f"{name} {value:g}" for name, value in values.items())
        nearest = {name: between.nearest(values[name]) for name, between in settings.limits.items()}
        wrong = [
            f"recipe.{name} = {nearest[name]:g}" for name, value in values.items() if nearest[name] != value
        ]
        if not wrong:
            return passed(expected, actual)
        return failed(expected, actual, advice=f"Set {' and '.join(wrong)} in submission.toml.")
