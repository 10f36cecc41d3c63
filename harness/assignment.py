"""The assignment and the submission's manifest: TOML in, frozen validated data out.

Reading a file (`load_assignment`, `load_manifest`) and checking a table (`parse_assignment`,
`parse_manifest`) are separate. A table with mistakes raises once, with every mistake and, for an
unknown key, the key that was probably meant.
"""

import difflib
import hashlib
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import AssignmentError

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_ASSIGNMENT = REPOSITORY / "checks" / "assignments" / "cifar10-compact-cnn.toml"

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Momentum = Annotated[float, Field(gt=0, lt=1)]
Scalar = Union[bool, int, float, str]
_Spec = TypeVar("_Spec", bound=BaseModel)

TransformName = Literal[
    "Affine", "ColorJitter", "CoarseDropout", "HorizontalFlip", "PadIfNeeded", "RandomCrop",
    "RandomBrightnessContrast", "Rotate", "ShiftScaleRotate", "ToGray", "VerticalFlip",
]  # fmt: skip


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSpec(_Table):
    """The data set and the shape of the task."""

    dataset: Literal["cifar10"]
    input_shape: tuple[Positive, Positive, Positive]
    """(C, H, W) of one image."""
    classes: Annotated[int, Field(ge=2)]


class Points(_Table):
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


class MaxParameters(_Table):
    """Strictly fewer numbers than `below` may feed the network."""

    below: Positive


class MinReceptiveField(_Table):
    """The receptive field must be larger than `above_px`, measured at `place`."""

    above_px: Annotated[int, Field(ge=0)]
    place: Literal["before_pool", "with_pool"] = "before_pool"


class UntrainedAtChance(_Table):
    """Accuracy before training may not exceed `max_accuracy` (chance is 1 / classes)."""

    max_accuracy: Share


class Augmentation(_Table):
    """Each entry of `required` names transforms of which one must be in the pipeline."""

    required: tuple[Annotated[tuple[TransformName, ...], Field(min_length=1)], ...]


class MinAccuracy(_Table):
    """Accuracy of the last epoch on the test set must be at least `at_least`."""

    at_least: Share


class Rules(_Table):
    """The numbers of the rules that are the same for every variant."""

    max_parameters: MaxParameters
    min_receptive_field: MinReceptiveField
    untrained_at_chance: UntrainedAtChance
    augmentation: Augmentation
    min_accuracy: MinAccuracy


class Downsampling(_Table):
    """How many convolutions of which kernel and stride may raise the jump, and to what."""

    strided_convolutions: Annotated[int, Field(ge=0)]
    kernel: Positive = 3
    stride: Annotated[int, Field(ge=2)] = 2
    jump: Positive


class Depthwise(_Table):
    """How many depthwise-separable convolutions there must be outside block 1, and where that ends."""

    at_least: Annotated[int, Field(ge=0)] = 1
    block_1_ends: Literal["with_first_strided", "before_first_dilated"]


class Dilation(_Table):
    """How many different dilations > 1 there must be, and where or in which order."""

    distinct_at_least: Annotated[int, Field(ge=0)]
    after_last_strided: bool = False
    never_decreasing: bool = False


class VariantSpec(_Table):
    """The rules that differ from variant to variant."""

    title: str
    downsampling: Downsampling
    depthwise_separable: Depthwise
    dilation: Dilation


class TransformSpec(_Table):
    """One Albumentations transform; `arguments` are passed to it as they are."""

    name: TransformName
    p: Share
    arguments: dict[Identifier, Union[Scalar, tuple[Scalar, ...]]] = {}


class Stage(_Table):
    """A stretch of epochs trained on images resized to `size_px` (square)."""

    epochs: Positive
    size_px: Annotated[int, Field(ge=8, le=512)]


class RecipeSpec(_Table):
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


class RecipeOverride(_Table):
    """What a manifest may change of the recipe, within the assignment's `[overrides]`."""

    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    augmentation: tuple[TransformSpec, ...] | None = None


class Bounds(_Table):
    """Inclusive limits of one recipe value in a manifest."""

    min: float
    max: float


class Overrides(_Table):
    """The limits within which a manifest may set each number of the recipe."""

    epochs: Bounds
    batch_size: Bounds
    lr: Bounds
    weight_decay: Bounds
    label_smoothing: Bounds


class Limits(_Table):
    """What the child processes may use. The defaults of the shipped assignment pass every honest model."""

    intake_s: Positive
    intake_memory_mib: Positive
    intake_output_mib: Positive
    training_s: Positive


class AssignmentSpec(_Table):
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
        return self.recipe_changed(changes)

    def recipe_changed(self, changes: Mapping[str, Any]) -> RecipeSpec:
        """Change values of the recipe; progressive resizing keeps its share of the epochs."""
        stages = _scaled(self.recipe, changes.get("epochs", self.recipe.epochs))
        return RecipeSpec.model_validate({**self.recipe.model_dump(), "stages": stages, **changes})


class Submitted(_Table):
    """Where a variant of a submission lives and how it is built."""

    file: str
    class_name: Annotated[Identifier, Field(alias="class")]
    output: str | None = None
    arguments: dict[Identifier, Scalar] = {}
    recipe: RecipeOverride = RecipeOverride()

    @model_validator(mode="after")
    def _paths_stay_inside(self) -> "Submitted":
        for key, value in (("file", self.file), ("output", self.output or ".")):
            path = Path(value)
            if path.is_absolute() or ".." in path.parts or "\0" in value:
                raise ValueError(f"{key} must be a relative path without '..', got {value!r}")
        return self


class Manifest(_Table):
    """A submission's ``submission.toml``: its variants, by the assignment's names."""

    variants: Annotated[dict[Slug, Submitted], Field(min_length=1)]


def load_assignment(path: Path) -> AssignmentSpec:
    """Read an assignment file.

    Raises:
        AssignmentError: the file cannot be read, is not TOML, or is not a valid assignment.
    """
    return parse_assignment(_read_toml(path), where=path.name)


def parse_assignment(table: Mapping[str, Any], where: str = "assignment") -> AssignmentSpec:
    """Check an assignment table; see `load_assignment`."""
    return _validate(AssignmentSpec, table, where)


def load_manifest(path: Path) -> Manifest:
    """Read a ``submission.toml``.

    Raises:
        AssignmentError: the file cannot be read, is not TOML, or is not a valid manifest.
    """
    return parse_manifest(_read_toml(path), where=path.name)


def parse_manifest(table: Mapping[str, Any], where: str = "submission.toml") -> Manifest:
    """Check a manifest table; see `load_manifest`."""
    return _validate(Manifest, table, where)


def content_hash(spec: BaseModel) -> str:
    """SHA-256 (hex) of a specification's content; comments and the order of keys do not matter."""
    data = json.dumps(spec.model_dump(mode="json", by_alias=True), sort_keys=True, allow_nan=False)
    return hashlib.sha256(data.encode()).hexdigest()


# Private functions


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AssignmentError(f"{path}: no such file. Give the path of a TOML file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise AssignmentError(f"{path}: cannot be read ({error}).") from None
    except tomllib.TOMLDecodeError as error:
        raise AssignmentError(f"{path}: not valid TOML: {error}.") from None


def _validate(model: type[_Spec], table: Mapping[str, Any], where: str) -> _Spec:
    try:
        # Through JSON, where strict typing still lets an array become a tuple.
        return model.model_validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        lines = [_explain(model, one, where) for one in error.errors(include_url=False)]
        raise AssignmentError("\n".join(lines)) from None


def _explain(model: type[BaseModel], error: Any, where: str) -> str:
    loc = [str(part) for part in error["loc"]]
    place = f"{where}: {'.'.join(loc)}" if loc else where
    if error["type"] == "extra_forbidden":
        known = _keys_at(model, loc[:-1])
        guess = difflib.get_close_matches(loc[-1], known, n=1)
        hint = f"Did you mean {guess[0]!r}?" if guess else f"Known keys: {', '.join(sorted(known))}."
        return f"{place}: unknown key. {hint}"
    if error["type"] == "missing":
        return f"{place}: missing; a value is required."
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}."
    return f"{place}: {error['msg']}, got {error['input']!r}."


def _keys_at(model: type[BaseModel], loc: list[str]) -> list[str]:
    """List the keys a table may have at a place, found by walking the models along `loc`."""
    here: Any = model
    for part in loc:
        if isinstance(here, type) and issubclass(here, BaseModel):
            by_alias = {f.alias or name: f.annotation for name, f in here.model_fields.items()}
            here = _strip_optional(by_alias.get(part))
        else:
            here = _strip_optional(typing.get_args(here)[-1] if _is_dict(here) else typing.get_args(here)[0])
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [f.alias or name for name, f in here.model_fields.items()]
    return []


def _is_dict(annotation: Any) -> bool:
    return typing.get_origin(annotation) is dict


def _strip_optional(annotation: Any) -> Any:
    """Reduce ``Annotated[X, ...]`` and ``X | None`` to X."""
    if typing.get_origin(annotation) is Annotated:
        return _strip_optional(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (Union, types.UnionType):
        rest = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
        return _strip_optional(rest[0])
    return annotation


def _scaled(recipe: RecipeSpec, epochs: int) -> tuple[dict[str, int], ...]:
    """Keep each stage's share of the training when the number of epochs changes."""
    scaled = ((stage.epochs * epochs // recipe.epochs, stage.size_px) for stage in recipe.stages)
    return tuple({"epochs": count, "size_px": size} for count, size in scaled if count > 0)
