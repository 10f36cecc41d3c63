"""The rule about weights that several layers share."""

from collections import defaultdict
from typing import Annotated

from pydantic import Field

from harness.graph.flow import data_reads
from harness.graph.ir import Node
from harness.graph.naming import counted
from harness.graph.residual_joins import is_weighted
from harness.graph.view import View
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.limits import Limits
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator


@rule(asks="weights that are used more than once", needs="influence")
class SharedWeights(NetworkRule):
    """Check how many weights are used by two executed layers or more."""

    counts_layers = True

    class Settings(RuleSettings, Limits):
        """The number of weights: `exactly`, or `at_least` and `at_most`."""

        times: Annotated[int, Field(ge=2)] = 2
        """A weight counts that so many layers use, or more."""

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        return network.by_influence(lambda view: _shared_weights(view, settings))


# Private functions

Settings = SharedWeights.Settings
_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}


def _shared_weights(view: View, limits: Settings) -> Verdict:
    expected = (
        f"{limits.said} {_weights(limits)} in {_NUMBERS.get(limits.times, limits.times)} layers or more"
    )
    several = {names: nodes for names, nodes in _users(view).items() if len(nodes) > 1}
    shared = {names: nodes for names, nodes in several.items() if len(nodes) >= limits.times}
    said = ", ".join(
        f"{' and '.join(sorted(names))} ({len(nodes)} times)" for names, nodes in several.items()
    )
    actual = f"{len(shared)}: {said}" if several else "none"
    nodes = [node for used in shared.values() for node in used]
    unknown = [reason for reason in view.unknown_operators if reason.node in view.measured.flow.unknown]
    if unknown and (limits.allows(len(shared)) or len(shared) < limits.smallest):
        return unknown_operator(expected, unknown[0])
    if limits.allows(len(shared)):
        return passed(expected, actual, *nodes)
    if len(shared) < limits.smallest:
        number = _NUMBERS.get(limits.times, limits.times)
        advice = f"Call one layer {number} times, or give {number} layers one weight."
        return failed(expected, actual, *nodes, advice=advice)
    return failed(expected, actual, *nodes, advice="Give each layer weights of its own.")


def _weights(limits: Limits) -> str:
    last = limits.smallest if limits.largest is None else limits.largest
    return counted(last, "weight").partition(" ")[2] + " used"


def _users(view: View) -> dict[frozenset[str], list[Node]]:
    """List the layers by the parameters that their weights are computed from, tied ones under one name."""
    measured = view.measured
    users = defaultdict[frozenset[str], list[Node]](list)
    for node in measured.nodes:
        stored = [name for name in data_reads(node) if name not in measured.fields]
        if not is_weighted(measured, node) or not stored:
            continue
        shapes = {name: measured.shapes.get(name, ()) for name in stored}
        weight = max(stored, key=lambda name: len(shapes[name]))  # a bias has one dimension
        tensors = (measured.architecture.tensor(measured.graph, v) for v in measured.leading_to(weight))
        names = frozenset(tensor.name for tensor in tensors if tensor is not None)
        if names:
            users[names].append(node)
    return users
