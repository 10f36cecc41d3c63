"""The rule about the size of a network."""

from pydantic import model_validator

from harness.base.tables import Positive
from harness.graph.parameters import numbers
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed

_PARTS = 16
"""Shares of its channels that a network is narrowed by: fifteen sixteenths, fourteen …"""


@rule(asks="a small network", needs="graph")
class MaxParameters(NetworkRule):
    """Check that few enough numbers feed the network: parameters, used or not, and tables it reads."""

    class Settings(RuleSettings):
        """Fewer numbers than `below` may feed the network, or from `at_least` to `at_most`, inclusive."""

        below: Positive | None = None
        at_least: Positive | None = None
        at_most: Positive | None = None

        @model_validator(mode="after")
        def _asks_for_something(self) -> "MaxParameters.Settings":
            if self.below is not None and self.at_most is not None:
                raise ValueError("below and at_most both say how many there may be: leave one of them out")
            if self.limit is None and self.at_least is None:
                raise ValueError("expected below, at_most or at_least, got none of them")
            if self.limit is not None and self.at_least is not None and self.at_least >= self.limit:
                raise ValueError(f"at_least is {self.at_least:,}, and fewer than {self.limit:,} are allowed")
            return self

        @property
        def limit(self) -> int | None:
            """The number that the parameters must stay below; None where there is none."""
            return self.at_most + 1 if self.at_most is not None else self.below

        @property
        def said(self) -> str:
            """The limits in words: "fewer than 200,000", "at least 10,000 and at most 20,000"."""
            below = f"fewer than {self.below:,}" if self.below is not None else ""
            most = f"at most {self.at_most:,}" if self.at_most is not None else ""
            least = f"at least {self.at_least:,}" if self.at_least is not None else ""
            return " and ".join(part for part in (least, below, most) if part)

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs together."""
        counted = network.counted
        expected, limit = settings.said, settings.limit
        hidden = sum(numbers(tensor) for tensor in counted.hidden)
        actual = f"{counted.total:,}" + (f", of them {hidden:,} in buffers and constants" if hidden else "")
        if settings.at_least is not None and counted.total < settings.at_least:
            missing = settings.at_least - counted.total
            return failed(expected, actual, advice=f"Add at least {missing:,}: more channels, or layers.")
        if limit is None or counted.total < limit:
            return passed(expected, actual)
        largest = sorted(counted.tensors, key=numbers, reverse=True)[:3]
        named = ", ".join(f"{tensor.name} ({numbers(tensor):,})" for tensor in largest)
        advice = f"Remove at least {counted.total - limit + 1:,}; the largest are {named}."
        if counted.unused:
            unused = sum(numbers(tensor) for tensor in counted.unused)
            advice += f" {unused:,} are never used: {', '.join(t.name for t in counted.unused[:3])}."
        return failed(expected, actual, advice=advice + _narrower(network, limit))


# Private functions


def _narrower(network: Network, limit: int) -> str:
    """Return how narrow a network would have to be, if each layer keeps the same share of its channels."""
    fixed = {1, network.classes, network.input_shape[0]}
    sizes = [
        (numbers(tensor), sum(size not in fixed for size in tensor.shape[:2]))
        for tensor in network.counted.tensors
    ]
    for parts in range(_PARTS - 1, 0, -1):
        total = sum(round(size * (parts / _PARTS) ** scaled) for size, scaled in sizes)
        if total < limit:
            return f" With {parts}/{_PARTS} of the channels in every layer it would have about {total:,}."
    return ""
