"""Remarks on an assignment, before anything is tried: valid, and perhaps not meant."""

from collections.abc import Iterator

from harness.assignment.points import most, stated_by, worth
from harness.assignment.spec import AssignmentSpec
from harness.base.machine import Check
from harness.settings.recipe import RecipeSpec

_MEANT = "Is it what you meant?"


def remarks(spec: AssignmentSpec) -> Iterator[Check]:
    """Yield what the assignment is worth, and what is odd about it."""
    for variant in spec.variants:
        yield _points(spec, variant)
        yield from _stages(spec, variant)
        yield from _overrides(spec, variant)
    yield _policy(spec)


def full_epochs(recipe: RecipeSpec, full_px: int) -> float:
    """Return how many epochs at full size cost as much as a training."""
    staged = sum(stage.epochs for stage in recipe.stages)
    cost = sum(stage.epochs * (stage.size_px / full_px) ** 2 for stage in recipe.stages)
    return recipe.epochs - staged + cost


# Private functions


def _points(spec: AssignmentSpec, variant: str) -> Check:
    rules, points = spec.rules_for(variant), worth(spec, variant)
    said = f"{variant}: {len(rules)} rules, {points} points"
    if not points:
        return Check("points", "CAUTION", said, "Nothing is worth a point: give rules points = ….")
    if not any(one.is_measured for one in rules):
        return Check(
            "points", "CAUTION", f"{said}, and none is about a training", "Nothing is trained. " + _MEANT
        )
    return Check("points", "PASS", said)


def _policy(spec: AssignmentSpec) -> Check:
    """Return the check that states the most points there are, and what counts."""
    each = {variant: worth(spec, variant) for variant in spec.variants}
    said = " ".join((f"At most {most(spec)} points.", *stated_by(spec)))
    if spec.policy.variants != "all" and len(set(each.values())) > 1:
        points = ", ".join(f"{variant} {one}" for variant, one in each.items())
        fix = f"Give all variants the same points ({points}): who hands in another one cannot reach the most."
        return Check("policy", "CAUTION", said, fix)
    return Check("policy", "PASS", said)


def _stages(spec: AssignmentSpec, variant: str) -> Iterator[Check]:
    side = spec.data.input_shape[-1]
    for recipe in spec.recipe_for(variant).by_tier:
        larger = [stage.size_px for stage in recipe.stages if stage.size_px > side]
        if not larger:
            continue
        found = f"{variant}: a stage of {larger[0]} px, and images of {side} px"
        fix = f"{_MEANT} Such stages cost as much as {full_epochs(recipe, side):.0f} epochs at full size."
        yield Check("stages", "CAUTION", found, fix)


def _overrides(spec: AssignmentSpec, variant: str) -> Iterator[Check]:
    """Find numbers of the recipe that a submission could not ask for itself."""
    recipes = spec.recipe_for(variant).by_tier
    for name, bounds in spec.overrides:
        for value in sorted({getattr(recipe, name) for recipe in recipes}):
            if bounds is None or bounds.min <= value <= bounds.max:
                continue
            found = f"{variant}: {name} is {value:g}, outside of {bounds.min:g} to {bounds.max:g}"
            yield Check("overrides", "CAUTION", found, _MEANT)
