"""The assignment: data, variants, rules with their numbers, points, recipe and limits, from TOML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harness.datasets.spec import DataSpec
from harness.errors import AssignmentError
from harness.limits import Positive, Rules, VariantRules
from harness.recipe import RecipeChanges, RecipeOverride, RecipeSpec
from harness.tables import Table, read_toml, validate

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_ASSIGNMENT = REPOSITORY / "checks" / "assignments" / "cifar10-compact-cnn.toml"

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


class Points(Table):
    """Points of each rule; they sum to 100. The field names are the rules' names."""

    max_parameters: Annotated[int, Field(ge=0)]
    no_max_pool: Annotated[int, Field(ge=0)]
    downsampling: Annotated[int, Field(ge=0)]
    depthwise_separable: Annotated[int, Field(ge=0)]
    dilation: Annotated[int, Field(ge=0)]
    min_receptive_field: Annotated[int, Field(ge=0)]
    gap_linear_head: Annotated[int, Field(ge=0)]
    same_graph_in_eval: Annotated[int, Field(ge=0)]
    untrained_at_chance: Annotated[int, Field(ge=0)]
    augmentation: Annotated[int, Field(ge=0)]
    min_accuracy: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _sum_is_100(self) -> "Points":
        total = sum(self.model_dump().values())
        if total != 100:
            raise ValueError(f"the points of all rules must sum to 100, got {total}")
        return self


class VariantSpec(VariantRules):
    """One variant: the rules that differ from the other variants', and what differs in its recipe."""

    title: str
    recipe: RecipeChanges = RecipeChanges()


class Bounds(Table):
    """Inclusive limits of one recipe value in a manifest."""

    min: float
    max: float


class Overrides(Table):
    """The limits within which a manifest may set each number of the recipe."""

    epochs: Bounds
    batch_size: Bounds
    lr: Bounds
    weight_decay: Bounds
    label_smoothing: Bounds


class Seeds(Table):
    """How many trainings decide about the accuracy, each with a seed of its own: seed, seed + 1, ..."""

    first: Positive = 1
    """Trainings of every variant."""
    borderline: Positive = 1
    """Trainings in all where the threshold lies inside the 95 % interval of the first ones."""

    @model_validator(mode="after")
    def _more_near_the_line(self) -> "Seeds":
        if self.borderline < self.first:
            raise ValueError(
                f"borderline counts all trainings, so it is at least first; "
                f"expected {self.first} or more, got {self.borderline}"
            )
        return self


class Limits(Table):
    """What the child processes may use. The defaults of the shipped assignment pass every honest model."""

    intake_s: Positive
    """Wall-clock seconds."""
    intake_cpu_s: Positive
    intake_memory_mib: Positive
    intake_output_mib: Positive
    training_s: Positive
    training_memory_mib: Positive
    """Of the values of one batch together."""


class AssignmentSpec(Table):
    """One assignment: what is asked, what it is worth, and how it is trained."""

    schema_version: Literal[1]
    id: Slug
    title: str
    seed: int
    seeds: Seeds = Seeds()
    default_variant: Slug
    data: DataSpec
    points: Points
    rules: Rules
    recipe: RecipeSpec
    overrides: Overrides
    limits: Limits
    variants: Annotated[dict[Slug, VariantSpec], Field(min_length=1)]

    @model_validator(mode="after")
    def _default_variant_exists(self) -> "AssignmentSpec":
        if self.default_variant not in self.variants:
            raise ValueError(
                f"default_variant is {self.default_variant!r}; expected one of {sorted(self.variants)}"
            )
        return self

    @model_validator(mode="after")
    def _every_recipe_holds(self) -> "AssignmentSpec":
        try:
            for name in self.variants:
                self.recipe_for(name)
        except AssignmentError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return self

    def recipe_for(self, variant: str) -> RecipeSpec:
        """Give the recipe of a variant: `[recipe]`, with what `[variants.NAME.recipe]` changes."""
        changes = self.variants[variant].recipe.model_dump(exclude_none=True)
        return self.recipe.changed(changes, f"variants.{variant}.recipe")

    def recipe_with(self, variant: str, override: RecipeOverride, where: str) -> RecipeSpec:
        """Apply a manifest's values to a variant's recipe.

        Raises:
            AssignmentError: a value lies outside the assignment's `[overrides]`; all are named.
        """
        changes = override.model_dump(exclude_none=True)
        mistakes = [
            f"{where}: recipe.{name}: outside the assignment's limits; "
            f"expected {bounds.min:g} to {bounds.max:g}, got {changes[name]:g}."
            for name, bounds in self.overrides
            if name in changes and not bounds.min <= changes[name] <= bounds.max
        ]
        if mistakes:
            raise AssignmentError("\n".join(mistakes))
        return self.recipe_for(variant).changed(changes)


def load_assignment(path: Path) -> AssignmentSpec:
    """Read an assignment file.

    Raises:
        AssignmentError: the file cannot be read, is not TOML, or is not a valid assignment.
    """
    return parse_assignment(read_toml(path), where=path.name)


def parse_assignment(table: Mapping[str, Any], where: str = "assignment") -> AssignmentSpec:
    """Check an assignment table; see `load_assignment`."""
    return validate(AssignmentSpec, table, where)
