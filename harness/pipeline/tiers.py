"""Which tier of the recipe a network belongs to, and what its author may ask for besides."""

from collections.abc import Mapping
from typing import Any

from harness.graph.cost import million_multiply_adds
from harness.loader.load import Traced
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


# Private functions


def _in_words(mmacs: float) -> str:
    return f"{mmacs:.2g}" if mmacs < 10 else f"{mmacs:.0f}"
