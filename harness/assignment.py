"""The assignment: data, variants, rules with their numbers, points, recipe and limits, from TOML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import Field, model_validator

from harness.errors import AssignmentError
from harness.limits import Positive, Rules, Share, TransformName, VariantSpec
from harness.tables import Table, read_toml, validate

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_ASSIGNMENT = REPOSITORY / "checks" / "assignments" / "cifar10-compact-cnn.toml"

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Momentum = Annotated[float, Field(gt=0, lt=1)]
Scalar = Union[bool, int, float, str]


class DataSpec(Table):
    """The data set and the shape of the task."""

    dataset: Literal["cifar10"]
    input_shape: tuple[Literal[3], Literal[32], Literal[32]]
    """(C, H, W) of one image; so far there is one data set, and this is its shape."""
    classes: Literal[10]


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


class TransformSpec(Table):
    """One Albumentations transform; `arguments` are passed to it as they are."""

    name: TransformName
    p: Share
    arguments: dict[Identifier, Union[Scalar, tuple[Scalar, ...]]] = Field(default_factory=dict)


class Stage(Table):
    """A stretch of epochs trained on images resized to `size_px` (square)."""

    epochs: Positive
    size_px: Annotated[int, Field(ge=8, le=512)]


class RecipeSpec(Table):
    """Everything that decides a training, besides the graph, the data and the seed."""

    epochs: Positive
    batch_size: Annotated[int, Field(ge=2)]
    lr: Annotated[float, Field(gt=0)]
    """Peak learning rate of the one-cycle schedule."""
    div_factor: Annotated[float, Field(ge=1)]
    """The schedule starts at lr / div_factor."""
    final_div_factor: Annotated[float, Field(ge=1)]
    """The schedule ends at lr / div_factor / final_div_factor."""
    warmup: Annotated[float, Field(gt=0, lt=1)]
    """Share of all steps spent rising to the peak."""
    momentum: tuple[Momentum, Momentum]
    """Nesterov momentum at the peak of the learning rate, and at both ends of the schedule."""
    weight_decay: Annotated[float, Field(ge=0)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    threads: Positive
    """CPU threads of torch; part of the fingerprint, since sums depend on it."""
    stages: tuple[Stage, ...] = ()
    """Progressive resizing for the first epochs; the rest run at full size."""
    augmentation: tuple[TransformSpec, ...]

    @model_validator(mode="after")
    def _stages_fit(self) -> "RecipeSpec":
        staged = sum(stage.epochs for stage in self.stages)
        if staged >= self.epochs:
            raise ValueError(
                f"stages take {staged} of {self.epochs} epochs; the last epoch must run at full size"
            )
        return self

    def changed(self, changes: Mapping[str, Any]) -> "RecipeSpec":
        """Change values of the recipe; progressive resizing keeps its share of the epochs.

        Raises:
            AssignmentError: a value is out of range; all are named.
        """
        stages = _scaled(self, changes.get("epochs", self.epochs))
        return validate(RecipeSpec, {**self.model_dump(), "stages": stages, **changes}, "recipe")


class RecipeOverride(Table):
    """What a manifest may change of the recipe, within the assignment's `[overrides]`."""

    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    augmentation: tuple[TransformSpec, ...] | None = None


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


class Limits(Table):
    """What the child processes may use. The defaults of the shipped assignment pass every honest model."""

    intake_s: Positive
    intake_memory_mib: Positive
    intake_output_mib: Positive
    training_s: Positive


class AssignmentSpec(Table):
    """One assignment: what is asked, what it is worth, and how it is trained."""

    schema_version: Literal[1]
    id: Slug
    title: str
    seed: int
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

    def recipe_with(self, override: RecipeOverride, where: str) -> RecipeSpec:
        """Apply a manifest's recipe values.

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
        return self.recipe.changed(changes)


def load_assignment(path: Path) -> AssignmentSpec:
    """Read an assignment file.

    Raises:
        AssignmentError: the file cannot be read, is not TOML, or is not a valid assignment.
    """
    return parse_assignment(read_toml(path), where=path.name)


def parse_assignment(table: Mapping[str, Any], where: str = "assignment") -> AssignmentSpec:
    """Check an assignment table; see `load_assignment`."""
    return validate(AssignmentSpec, table, where)


# Private functions


def _scaled(recipe: RecipeSpec, epochs: int) -> tuple[dict[str, int], ...]:
    """Keep each stage's share of the training when the number of epochs changes."""
    scaled = ((stage.epochs * epochs // recipe.epochs, stage.size_px) for stage in recipe.stages)
    return tuple({"epochs": count, "size_px": size} for count, size in scaled if count > 0)
