"""Which tier of the recipe a network belongs to, and what its author may ask for besides."""

from collections.abc import Mapping
from typing import Any

from harness.base.errors import TrainingError
from harness.graph.cost import million_multiply_adds
from harness.loader.load import Traced
from harness.pipeline.duration import in_words, training_s
from harness.pipeline.run import Run


def chosen(run: Run, name: str) -> Mapping[str, Any]:
    """Return why a variant gets its epochs, for the record; nothing where the recipe has no tiers.

    The keys: `million_multiply_adds` of an image, `up_to_mmacs` of the tier (None: the last), and `why`.
    """
    traced, asked = run.traced.get(name), run.assignment.recipe_for(name)
    if not isinstance(traced, Traced) or not asked.tiers:
        return {}
    mmacs = million_multiply_adds(traced.architecture)
    tier, own, used = asked.tier(mmacs), asked.at_cost(mmacs).epochs, run.recipe(name).epochs
    assert tier is not None
    why = f"{_in_words(mmacs)} million multiply-adds an image: {own} epochs"
    if used != own:
        why += f", of which submission.toml makes {used}"
    return {"million_multiply_adds": round(mmacs, 3), "up_to_mmacs": tier.up_to_mmacs, "why": why}


def more_epochs(run: Run, name: str) -> str:
    """Say how many epochs a submission may ask for, where it has asked for none; "" where it may not."""
    bounds, asked = run.assignment.overrides.epochs, run.submission.variants[name].recipe.epochs
    epochs = run.recipe(name).epochs
    if bounds is None or asked is not None or epochs >= bounds.max:
        return ""
    return (
        f"Or train for longer than {epochs} epochs: submission.toml may ask for up to {bounds.max:g}, "
        f"by epochs under [variants.{name}.recipe]."
    )


def foreseen(run: Run, name: str) -> str:
    """Say how long a training of a variant would take on this machine; "" where that is not known."""
    traced = run.traced.get(name)
    if not isinstance(traced, Traced):
        return ""
    recipe = run.recipe(name)
    try:
        seconds = training_s(traced.architecture, recipe, run.assignment, run.settings.device)
    except TrainingError as error:
        return f"{name}: how long a training takes here could not be measured: {error}"
    if seconds is None:
        return ""
    why = chosen(run, name).get("why") or f"{recipe.epochs} epochs"
    said = f"{name}: a training would take about {in_words(seconds)} here ({why})"
    if seconds > (limit_s := run.assignment.limits.training_s):
        said += f", and limits.training_s = {limit_s} ends it after {in_words(limit_s)}"
    return said


# Private functions


def _in_words(mmacs: float) -> str:
    return f"{mmacs:.2g}" if mmacs < 10 else f"{mmacs:.0f}"
