"""The rule about the memory that a network takes while it runs."""

from harness.graph.cost import bytes_of, largest_memory, sizes_of_one
from harness.graph.receptive_field.field import Unknown
from harness.graph.view import View
from harness.rules.base import NetworkRule, rule
from harness.rules.limits import Budget, judged_by_budget
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, unknown_operator


@rule(asks="activations take little memory", needs="graph")
class MaxActivationBytes(NetworkRule):
    """Check that the values of one image take few enough bytes at the same time, in evaluation."""

    class Settings(Budget):
        """Bytes that all values which are still needed take together, for one image."""

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge the graph of evaluation."""
        return _max_activation_bytes(network.evaluation, settings)


# Private functions


def _max_activation_bytes(view: View, limits: Budget) -> Verdict:
    found = largest_memory(view.measured)
    sizes = [
        (node.layer, bytes_of(sizes_of_one(view.measured, node.name) or (), node.dtype))
        for node in view.measured.flow.nodes
        if node.shape is not None
    ]
    largest = sorted(dict.fromkeys(sizes), key=lambda one: -one[1])
    where = [found.where] if found.where is not None else []
    verdict = judged_by_budget(limits, found.most, "bytes", largest, *where)
    if found.unknown is not None and verdict.status == "passed":
        return unknown_operator(
            verdict.expected, Unknown(found.unknown, "how large its result is is not known")
        )
    return verdict
