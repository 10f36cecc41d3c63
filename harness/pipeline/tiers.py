"""The tier of the recipe that a network belongs to, its time, and what its author may ask for."""

from collections.abc import Mapping
from typing import Any

from harness.base.errors import TrainingError
from harness.graph.cost import million_multiply_adds
from harness.graph.ir import Architecture
from harness.pipeline.duration import in_words, training_s
from harness.pipeline.task import Task


def chosen(task: Task, name: str, architecture: Architecture) -> Mapping[str, Any]:
    """Return why a variant gets its epochs, for the record; nothing where the recipe has no tiers.

    The keys: `million_multiply_adds` of an image, `up_to_mmacs` of the tier (None: the last), and `why`.
    """
    asked = task.assignment.recipe_for(name)
    mmacs = million_multiply_adds(architecture)
    own, used = asked.at_cost(mmacs).epochs, task.recipe_of(name, architecture).epochs
    tier = asked.tier(mmacs)
    if tier is None:
        return {}
    why = f"{_in_words(mmacs)} million multiply-adds an image: {own} epochs"
    if used != own:
        why += f", of which submission.toml makes {used}"
    return {"million_multiply_adds": round(mmacs, 3), "up_to_mmacs": tier.up_to_mmacs, "why": why}


def more_epochs(task: Task, name: str, epochs: int) -> str:
    """Return how many epochs a submission may ask for, where it has asked for none; "" where it may not."""
    bounds, asked = task.assignment.overrides.epochs, task.submission.variants[name].recipe.epochs
    if bounds is None or asked is not None or epochs >= bounds.max:
        return ""
    return (
        f"Or train for longer than {epochs} epochs: submission.toml may ask for up to {bounds.max:g}, "
        f"by epochs under [variants.{name}.recipe]."
    )


def foreseen(task: Task, name: str, architecture: Architecture) -> str:
    """Return how long a training of a variant would take on this machine; "" where that is not known."""
    recipe, limit_s = task.recipe_of(name, architecture), task.assignment.limits.training_s
    try:
        seconds = training_s(architecture, recipe, task.assignment, task.settings.device)
    except TrainingError as error:
        return f"{name}: how long a training takes here could not be measured: {error}"
    if seconds is None:
        return ""
    why = chosen(task, name, architecture).get("why") or f"{recipe.epochs} epochs"
    said = f"{name}: a training would take about {in_words(seconds)} here ({why})"
    if seconds > limit_s:
        said += f", and limits.training_s = {limit_s} ends it after {in_words(limit_s)}"
    return said


# Private functions


def _in_words(mmacs: float) -> str:
    return f"{mmacs:.2g}" if mmacs < 10 else f"{mmacs:.0f}"
