"""What the rules are given by an assignment: numbers and choices, from its TOML file.

What each rule makes of them: docs/rules.md.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from harness.tables import Table

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Classifier = Literal["linear_after_pool", "convolution_after_pool", "convolution_before_pool"]
COUNT = "expected a whole number or { at_least = 1 }"

TransformName = Literal[
    "Affine", "ColorJitter", "CoarseDropout", "HorizontalFlip", "PadIfNeeded", "RandomCrop",
    "RandomBrightnessContrast", "Rotate", "ShiftScaleRotate", "ToGray", "VerticalFlip",
]  # fmt: skip


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("expected at least one, got an empty list")
    return values


class MaxParameters(Table):
    """Strictly fewer numbers than `below` may feed the network."""

    below: Positive


class MinReceptiveField(Table):
    """The receptive field must be larger than `above_px`, measured at `place`."""

    above_px: Annotated[int, Field(ge=0)]
    place: Literal["before_pool", "with_pool"] = "before_pool"


class GapLinearHead(Table):
    """Where the one classifier may stand: any of those listed. Linear and convolution go to the classes.

    ``linear_after_pool``: a Linear; ``convolution_after_pool``: a 1x1 convolution;
    ``convolution_before_pool``: the last convolution makes one map per class, and only those are averaged.
    """

    classifier: Annotated[tuple[Classifier, ...], AfterValidator(_not_empty)] = ("linear_after_pool",)


class UntrainedAtChance(Table):
    """Accuracy before training may not exceed `max_accuracy` (chance is 1 / classes)."""

    max_accuracy: Share


class Augmentation(Table):
    """Each entry of `required` names transforms of which one must be in the pipeline."""

    required: tuple[Annotated[tuple[TransformName, ...], Field(min_length=1)], ...]
    min_p: Annotated[float, Field(gt=0, le=1)]
    """A required transform counts when it is applied with at least this probability."""


class MinAccuracy(Table):
    """Accuracy of the last epoch on the test set must be at least `at_least`."""

    at_least: Share


class Rules(Table):
    """The numbers of the rules that are the same for every variant."""

    max_parameters: MaxParameters
    min_receptive_field: MinReceptiveField
    gap_linear_head: GapLinearHead = GapLinearHead()
    untrained_at_chance: UntrainedAtChance
    augmentation: Augmentation
    min_accuracy: MinAccuracy


class Count(Table):
    """A number, written ``3``, or the smallest of those allowed, written ``{ at_least = 1 }``."""

    exactly: Annotated[int, Field(ge=0)] | None = None
    at_least: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        if type(value) is int:
            return {"exactly": value}
        if not isinstance(value, dict):
            raise ValueError(f"{COUNT}, got {value!r}")  # noqa: TRY004 - only this becomes a message
        return value

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> "Count":
        if (self.exactly is None) == (self.at_least is None):
            raise ValueError(f"{COUNT}, got neither or both of exactly and at_least")
        return self

    @property
    def smallest(self) -> int:
        """The smallest number allowed."""
        return self.exactly if self.exactly is not None else (self.at_least or 0)

    def allows(self, number: int) -> bool:
        """Tell whether a number is allowed."""
        return number == self.smallest if self.exactly is not None else number >= self.smallest


class Downsampling(Table):
    """How many convolutions of which kernels and stride may raise the jump, and to what.

    Nothing else may change it. With ``{ at_least = 1 }`` strided convolutions and a jump of
    ``{ at_least = 2 }`` the last thing that raises the jump is a strided convolution, wherever it stands.
    """

    strided_convolutions: Count
    kernel: Annotated[tuple[Positive, ...], AfterValidator(_not_empty)] = (3,)
    """Sides of the square kernels that may have a stride; one number stands for a list of one."""
    stride: Annotated[int, Field(ge=2)] = 2
    jump: Count
    """Jump of the last map."""

    @field_validator("kernel", mode="before")
    @classmethod
    def _one_kernel(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else (value,)

    @field_validator("jump")
    @classmethod
    def _jump_is_possible(cls, value: Count) -> Count:
        if value.smallest < 1:
            raise ValueError(f"a jump is at least 1, got {value.smallest}")
        return value


class Depthwise(Table):
    """How many depthwise-separable convolutions there must be, and where block 1, free of them, ends."""

    at_least: Annotated[int, Field(ge=0)] = 1
    block_1_ends: Literal["with_first_strided", "before_first_dilated"] | None = None
    """Not given: they may stand anywhere."""


class Dilation(Table):
    """How many different dilations > 1 there must be, and where or in which order."""

    distinct_at_least: Annotated[int, Field(ge=0)]
    after_last_strided: bool = False
    never_decreasing: bool = False


class VariantRules(Table):
    """The numbers of the rules that differ from variant to variant."""

    downsampling: Downsampling
    depthwise_separable: Depthwise
    dilation: Dilation
