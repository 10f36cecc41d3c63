"""The rule about how long a network is trained."""

from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.limits import Limits
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed


@rule(asks="the right number of epochs", needs="recipe")
class Epochs(NetworkRule):
    """Check how many epochs the network is trained for."""

    class Settings(RuleSettings, Limits):
        """The number of epochs: `exactly`, or `at_least` and `at_most`."""

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge the recipe that the network is trained with."""
        number = network.recipe.epochs
        expected, actual = f"{settings.said} epochs", f"{number} epochs"
        if settings.allows(number):
            return passed(expected, actual)
        nearest = settings.smallest if number < settings.smallest else settings.largest
        return failed(expected, actual, advice=f"Set recipe.epochs in submission.toml to {nearest}.")
