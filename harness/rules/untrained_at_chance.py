"""The rule that the network knows nothing before it is trained."""

from harness.base.tables import Share
from harness.graph.lookups import lookups
from harness.graph.naming import layers
from harness.graph.view import View
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.network import Network, no_number, not_run
from harness.rules.verdicts import Verdict, failed, passed


@rule(asks="no trained weights come with the submission", needs="probe")
class UntrainedAtChance(NetworkRule):
    """Check that the untrained network guesses: no trained weights, no table of answers in the submission."""

    class Settings(RuleSettings):
        """Accuracy before training may not exceed `max_accuracy` (chance is 1 / classes)."""

        max_accuracy: Share

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs for tables, and the accuracy with either statistics."""
        return network.in_both(lambda view: untrained(view, network, settings))


def untrained(view: View, network: Network, settings: UntrainedAtChance.Settings) -> Verdict:
    """Judge one graph for tables, and what the network reaches before it is trained."""
    expected = (
        f"at most {100 * settings.max_accuracy:g} % before training (chance is {100 / network.classes:g} %)"
    )
    steps = network.shown.steps if network.probe and view.is_eval else frozenset[str]()
    if found := lookups(view.measured, steps):
        return failed(
            f"{expected}, and no table of answers",
            f"stored numbers are looked up by the image: {layers(found)}",
            *found,
            advice="Remove the table: what the network knows has to come from its training.",
        )
    probe = network.probe
    if probe is None:
        return not_run(expected, network)
    if not probe.finite:
        return no_number(expected)
    actual = (
        f"{100 * probe.accuracy_running:.1f} % with running and {100 * probe.accuracy_batch:.1f} % with "
        "batch statistics"
    )
    if max(probe.accuracy_running, probe.accuracy_batch) <= settings.max_accuracy:
        return passed(expected, actual)
    advice = "Remove trained weights from the submission: the harness trains the network itself."
    return failed(expected, actual, advice=advice)
