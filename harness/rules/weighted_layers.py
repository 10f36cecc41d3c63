"""The rule about the depth of a network: its layers with weights."""

from harness.graph.kinds import Kinds
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.count import by_number, expected_number, listed
from harness.rules.families import Layers, find
from harness.rules.limits import Limits
from harness.rules.network import Network
from harness.rules.verdicts import Verdict

_WEIGHTED = Layers(family="weighted")


@rule(asks="the right number of layers with weights", needs="influence")
class WeightedLayers(NetworkRule):
    """Check how many convolutions and linear layers are executed."""

    counts_layers = True

    class Settings(RuleSettings, Limits):
        """The number of layers: `exactly`, or `at_least` and `at_most`."""

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        return network.by_influence(lambda view: _weighted_layers(Kinds(view, network.shown.pools), settings))


# Private functions


def _weighted_layers(kinds: Kinds, limits: Limits) -> Verdict:
    found = find(_WEIGHTED, kinds)
    return by_number(kinds, found, _WEIGHTED, limits, expected_number(limits, _WEIGHTED), listed(found.nodes))
