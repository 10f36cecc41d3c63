"""The rule that the receptive field is large enough."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from harness.graph.advice import Place
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.mends import Mend
from harness.rules.network import Network
from harness.rules.receptive_field import ReceptiveField, judged_by_size, mends_by_size
from harness.rules.verdicts import Verdict


@rule(asks="the receptive field is large enough", needs="influence", depends=("downsampling",))
class MinReceptiveField(NetworkRule):
    """Check that the last feature map sees enough of the image."""

    class Settings(RuleSettings):
        """The receptive field must be larger than `above_px`, measured at `place`."""

        above_px: Annotated[int, Field(ge=0)]
        place: Place = "before_pool"

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone; eval by gradients and by changed pixels too."""
        return network.by_influence(judged_by_size(network, _limits(settings)))

    def mends(self, network: Network, settings: Settings) -> Iterator[Mend]:
        """Yield what would make the receptive field large enough."""
        return mends_by_size(network, _limits(settings))


# Private functions


def _limits(settings: MinReceptiveField.Settings) -> ReceptiveField.Settings:
    return ReceptiveField.Settings(above_px=settings.above_px, place=settings.place)
