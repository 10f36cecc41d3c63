"""The rule about the size of a network."""

from harness.analysis.parameters import numbers
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed
from harness.tables import Positive


@rule(asks="a small network", needs="graph")
class MaxParameters(NetworkRule):
    """Check that few enough numbers feed the network: parameters, used or not, and tables it reads."""

    class Settings(RuleSettings):
        """Strictly fewer numbers than `below` may feed the network."""

        below: Positive

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs together."""
        counted = network.counted
        expected = f"fewer than {settings.below:,}"
        hidden = sum(numbers(tensor) for tensor in counted.hidden)
        actual = f"{counted.total:,}" + (f", of them {hidden:,} in buffers and constants" if hidden else "")
        if counted.total < settings.below:
            return passed(expected, actual)
        largest = sorted(counted.tensors, key=numbers, reverse=True)[:3]
        named = ", ".join(f"{tensor.name} ({numbers(tensor):,})" for tensor in largest)
        advice = f"Remove at least {counted.total - settings.below + 1:,}; the largest are {named}."
        if counted.unused:
            unused = sum(numbers(tensor) for tensor in counted.unused)
            advice += f" {unused:,} are never used: {', '.join(t.name for t in counted.unused[:3])}."
        return failed(expected, actual, advice=advice)
