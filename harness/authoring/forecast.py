"""A forecast of how long a grade takes on this machine, judged by one epoch."""

from dataclasses import dataclass

from harness.assignment.spec import AssignmentSpec
from harness.rules.base import TrainingRule
from harness.settings.recipe import RecipeSpec


@dataclass(frozen=True)
class Forecast:
    """Seconds of the trainings that decide a variant's grade, where all goes well and where it is close."""

    first_s: float
    borderline_s: float
    epochs: int
    trainings: int
    most_trainings: int


def forecast(spec: AssignmentSpec, variant: str, epoch_s: float) -> Forecast:
    """Judge by the seconds of one epoch on all training images at their full size.

    The cost of an epoch is taken to grow with the number of pixels, as that of convolutions does.
    """
    recipe = spec.recipe_for(variant)
    rules = [one for one in spec.rules_for(variant) if isinstance(one.rule, TrainingRule)]
    least = [one.rule.least_seeds(one.settings) for one in rules if isinstance(one.rule, TrainingRule)]
    first = max([spec.seeds.first, *least]) if rules else 0
    most = max(first, spec.seeds.borderline) if rules else 0
    once = epoch_s * full_epochs(recipe, spec.data.input_shape[-1])
    return Forecast(first * once, most * once, recipe.epochs, first, most)


def full_epochs(recipe: RecipeSpec, full_px: int) -> float:
    """Return how many epochs at full size cost as much as a training."""
    staged = sum(stage.epochs for stage in recipe.stages)
    cost = sum(stage.epochs * (stage.size_px / full_px) ** 2 for stage in recipe.stages)
    return recipe.epochs - staged + cost


def in_words(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
