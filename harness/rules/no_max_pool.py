"""The rule against maxima over space."""

from collections.abc import Iterator, Mapping

from harness.graph.maxima import find_maxima
from harness.graph.operators import OPS
from harness.graph.view import View
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.mends import Mend, average_in_place_of, ends_in, leave_out, stride_in_place_of
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator


@rule(asks="no max-pooling, under any name", needs="influence")
class NoMaxPool(NetworkRule):
    """Check that no maximum is taken over rows, columns or windows, whatever it is called."""

    def judge(self, network: Network, settings: RuleSettings) -> Verdict:
        """Judge both graphs by their operators, and by how they behave."""
        return network.in_both(lambda view: _no_max_pool(view, network.shown.pools))

    def mends(self, network: Network, settings: RuleSettings) -> Iterator[Mend]:
        """Yield what may take the place of the first pool."""
        del settings
        behaving = network.shown.pools
        view = network.failing(lambda one: _no_max_pool(one, behaving))
        found = [node for node, _ in find_maxima(view.measured, behaving).found]
        pools = [node for node in found if OPS.get(node.op) in ("max_pool", "adaptive_max_pool")]
        if pools and ends_in(view, pools[0]):
            yield from average_in_place_of(view, pools[0], network.classes)
        elif pools:
            yield from leave_out(view, pools[0])
            if pools[0] in view.resampling:
                yield from stride_in_place_of(view, pools[0], 2)


# Private functions


def _no_max_pool(view: View, behaving: Mapping[str, str]) -> Verdict:
    """Judge one graph; `behaving` are nodes that were found to be one by what they do, and how."""
    expected = "no maximum over space"
    maxima = find_maxima(view.measured, behaving)
    if maxima.found:
        named = "; ".join(f"{reason} in {node.layer}" for node, reason in maxima.found[:5])
        layers = ", ".join(dict.fromkeys(node.layer for node, _ in maxima.found[:5]))
        advice = f"Remove {layers}: downsample with a strided convolution, pool globally with an average."
        return failed(expected, named, *(node for node, _ in maxima.found), advice=advice)
    if maxima.undecided:
        return unknown_operator(expected, maxima.undecided[0])
    return passed(expected, "none")
