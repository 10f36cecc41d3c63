"""The rule about the arithmetic of a network."""

from harness.graph.cost import multiply_adds
from harness.graph.receptive_field.field import Unknown
from harness.graph.view import View
from harness.rules.base import NetworkRule, rule
from harness.rules.limits import Budget, judged_by_budget
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, unknown_operator


@rule(asks="little arithmetic", needs="graph")
class MaxMacs(NetworkRule):
    """Check that one image takes few enough multiply-adds."""

    class Settings(Budget):
        """Multiply-adds of convolutions, linear layers and other products, for one image."""

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs."""
        return network.in_both(lambda view: _max_macs(view, settings))


# Private functions


def _max_macs(view: View, limits: Budget) -> Verdict:
    by_name = view.measured.by_name
    counts = multiply_adds(view.measured)
    known = {name: count for name, count in counts.items() if count is not None}
    largest = sorted(((by_name[name].layer, count) for name, count in known.items()), key=lambda one: -one[1])
    verdict = judged_by_budget(limits, sum(known.values()), "multiply-adds", largest)
    unknown = [by_name[name] for name, count in counts.items() if count is None]
    if unknown and verdict.status == "passed":
        return unknown_operator(
            verdict.expected, Unknown(unknown[0], "how many multiply-adds it takes is not known")
        )
    return verdict
