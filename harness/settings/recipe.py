"""The recipe of a training: everything that decides it, besides the graph, the data and the seed."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import Field, model_validator

from harness.base.tables import Identifier, Positive, Share, Table, validate

Momentum = Annotated[float, Field(gt=0, lt=1)]
Precision = Literal["float32", "bfloat16"]
AskedPrecision = Literal["auto", "float32", "bfloat16"]
Scalar = Union[bool, int, float, str]
TransformName = Literal[
    "Affine", "ColorJitter", "CoarseDropout", "HorizontalFlip", "PadIfNeeded", "RandomCrop",
    "RandomBrightnessContrast", "Rotate", "ShiftScaleRotate", "ToGray", "VerticalFlip",
]  # fmt: skip


class TransformSpec(Table):
    """One Albumentations transform; `arguments` are passed to it as they are."""

    name: TransformName
    """As Albumentations calls it."""
    p: Share
    """Share of the images that it is applied to."""
    arguments: dict[Identifier, Union[Scalar, tuple[Scalar, ...]]] = Field(default_factory=dict)
    """As Albumentations calls them."""


class Stage(Table):
    """A stretch of epochs trained on images resized to `size_px` (square)."""

    epochs: Positive
    """How many, counted from the end of the stage before."""
    size_px: Annotated[int, Field(ge=8, le=512)]


class RecipeSpec(Table):
    """Everything that decides a training, besides the graph, the data and the seed."""

    epochs: Positive
    """How often every training image is seen."""
    batch_size: Annotated[int, Field(ge=2)]
    """Images per step."""
    lr: Annotated[float, Field(gt=0)]
    """Peak learning rate of the one-cycle schedule."""
    div_factor: Annotated[float, Field(ge=1)] = 10.0
    """The schedule starts at lr / div_factor."""
    final_div_factor: Annotated[float, Field(ge=1)] = 1000.0
    """The schedule ends at lr / div_factor / final_div_factor."""
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of all steps spent rising to the peak."""
    momentum: tuple[Momentum, Momentum] = (0.85, 0.95)
    """Nesterov momentum at the peak of the learning rate, and at both ends of the schedule."""
    muon: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Length of an orthogonalised step, as a share of the learning rate, on the weights of convolutions that
    mix channels; 0 trains them by SGD, as all others are."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """On weights only, not on normalisation or biases."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target that is spread over all classes."""
    precision: AskedPrecision = "float32"
    """Of convolutions and products in training; the weights and the graded measurement are float32. `auto` is
    bfloat16 where the processor computes it natively and the network has enough arithmetic to gain by it."""
    threads: Positive = 2
    """CPU threads of torch; part of the fingerprint, since sums depend on it."""
    stages: tuple[Stage, ...] = ()
    """Progressive resizing for the first epochs; the rest run at full size."""
    augmentation: tuple[TransformSpec, ...] = ()
    """Transforms of Albumentations, in their order."""

    @model_validator(mode="after")
    def _stages_fit(self) -> "RecipeSpec":
        staged = sum(stage.epochs for stage in self.stages)
        if staged >= self.epochs:
            raise ValueError(
                f"stages take {staged} of {self.epochs} epochs; the last epoch must run at full size"
            )
        return self

    def changed(self, changes: Mapping[str, Any], where: str = "recipe") -> "RecipeSpec":
        """Change values of the recipe; stages that are not among them keep their share of the epochs.

        Raises:
            AssignmentError: a value is out of range; all are named.
        """
        stages = _scaled(self, changes.get("epochs", self.epochs))
        return validate(RecipeSpec, {**self.model_dump(), "stages": stages, **changes}, where)

    def differences(self, trained: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the keys in which the recipe that a training ran with, as plain data, is not this one.

        A training says in which precision it ran: any is that of `auto`.
        """
        own = self.model_dump(mode="json")
        if self.precision == "auto" and trained.get("precision") in get_args(Precision):
            own["precision"] = trained["precision"]
        return tuple(key for key in sorted(own.keys() | trained.keys()) if own.get(key) != trained.get(key))

    def at_full_size(self, refused: Collection[int], full_px: int) -> "RecipeSpec":
        """Train no stage of a refused size, and in their place as many epochs of `full_px` as cost no more.

        The cost of an epoch is taken to grow with the number of pixels, as that of convolutions does.
        """
        left = tuple(stage for stage in self.stages if stage.size_px not in refused)
        gone = [stage for stage in self.stages if stage.size_px in refused]
        instead = sum(stage.epochs * stage.size_px**2 for stage in gone) // full_px**2
        epochs = self.epochs - sum(stage.epochs for stage in gone) + instead
        return self.model_copy(update={"epochs": epochs, "stages": left})


class RecipeOverride(Table):
    """The changes that a manifest may make to the recipe, within the assignment's `[overrides]`."""

    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    augmentation: tuple[TransformSpec, ...] | None = None


class RecipeChanges(RecipeOverride):
    """The changes that a variant of the assignment may make to the recipe."""

    muon: float | None = None
    precision: AskedPrecision | None = None
    stages: tuple[Stage, ...] | None = None


# Private functions


def _scaled(recipe: RecipeSpec, epochs: int) -> tuple[dict[str, int], ...]:
    """Return the stages with the same shares of the training when the number of epochs changes."""
    scaled = ((stage.epochs * epochs // recipe.epochs, stage.size_px) for stage in recipe.stages)
    return tuple({"epochs": count, "size_px": size} for count, size in scaled if count > 0)
