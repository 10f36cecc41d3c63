"""The rule about the weights that a network begins with."""

from dataclasses import replace
from typing import Literal

from pydantic import model_validator

from harness.base.tables import Share
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.network import Network
from harness.rules.untrained_at_chance import UntrainedAtChance, untrained
from harness.rules.verdicts import Verdict

_ANY = "any accuracy before training"
_ABOVE_CHANCE = 0.1
"""How much more than chance an untrained network may reach, where an assignment does not say."""


@rule(asks="the right weights to begin with", needs="probe")
class Initial(NetworkRule):
    """Check that no trained weights come with a network, or allow them; no table of answers either way."""

    class Settings(RuleSettings):
        """The weights that are allowed: where they must be random, accuracy may not exceed `max_accuracy`."""

        weights: Literal["random", "pretrained_allowed"]
        max_accuracy: Share | None = None
        """Chance and 10 points, where it is not given."""

        @model_validator(mode="after")
        def _fits_together(self) -> "Initial.Settings":
            if self.weights != "random" and self.max_accuracy is not None:
                raise ValueError("max_accuracy belongs to random weights: leave it out")
            return self

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs for tables, and the accuracy with either statistics."""
        most = settings.max_accuracy
        if settings.weights == "pretrained_allowed":
            most = 1.0
        elif most is None:
            most = min(1 / network.classes + _ABOVE_CHANCE, 1.0)
        limits = UntrainedAtChance.Settings(max_accuracy=most)
        verdict = network.in_both(lambda view: untrained(view, network, limits))
        return replace(verdict, expected=_ANY) if most == 1.0 and verdict.status == "passed" else verdict
