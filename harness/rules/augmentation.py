"""The rule about how the training images are augmented."""

from typing import Annotated

from pydantic import Field

from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed
from harness.settings.recipe import TransformName


@rule(asks="the training images are augmented", needs="recipe")
class Augmentation(NetworkRule):
    """Check that the training pipeline has every required transform."""

    class Settings(RuleSettings):
        """Each entry of `required` names transforms of which one must be in the pipeline."""

        required: tuple[Annotated[tuple[TransformName, ...], Field(min_length=1)], ...]
        min_p: Annotated[float, Field(gt=0, le=1)]
        """A required transform counts when it is applied with at least this probability."""

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge the recipe that the network is trained with."""
        pipeline = network.recipe.augmentation
        required = [" or ".join(names) for names in settings.required]
        least = settings.min_p
        used = {transform.name for transform in pipeline if transform.p >= least}
        expected = f"{', '.join(required)}, each with p at least {least:g}"
        actual = ", ".join(f"{t.name} (p {t.p:g})" for t in pipeline) or "none"
        missing = [
            requested
            for requested, names in zip(required, settings.required, strict=True)
            if not used & set(names)
        ]
        if not missing:
            return passed(expected, actual)
        advice = (
            f"Add {', '.join(missing)} to recipe.augmentation in submission.toml, with p at least {least:g}."
        )
        return failed(expected, actual, advice=advice)
