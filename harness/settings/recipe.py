"""The recipe of a training: everything that decides it, besides the graph, the data and the seed."""

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from harness.base.errors import AssignmentError
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


class RecipeOverride(Table):
    """The changes that a manifest may make to the recipe, within the assignment's `[overrides]`."""

    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    augmentation: tuple[TransformSpec, ...] | None = None


class RecipeChanges(RecipeOverride):
    """The changes that a variant of the assignment, or a tier of the recipe, may make to the recipe."""

    muon: float | None = None
    precision: AskedPrecision | None = None
    stages: tuple[Stage, ...] | None = None

    @property
    def named(self) -> dict[str, Any]:
        """The values that are given, by their names."""
        return self.model_dump(mode="json", include=set(RecipeChanges.model_fields), exclude_none=True)


class Tier(RecipeChanges):
    """The changes to `[recipe]` for networks of some cost."""

    up_to_mmacs: Annotated[float, Field(gt=0)] | None = None
    """Million multiply-adds that an image may take; the last tier has no bound."""


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
    anneal: Literal["cosine", "linear"] = "cosine"
    """Shape of the schedule's rise and fall; `linear` leaves the last epochs a higher learning rate."""
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
    tiers: tuple[Tier, ...] = ()
    """What differs with the multiply-adds of an image, the cheapest networks first: one that computes more
    learns more in an epoch, and gets fewer of them."""

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what recipes did not have at first, where it changes nothing: they keep their hashes."""
        table: dict[str, Any] = written(self)
        for key, default in (("tiers", ()), ("anneal", "cosine")):
            if getattr(self, key) == default:
                table.pop(key, None)
        return table

    @model_validator(mode="after")
    def _stages_fit(self) -> "RecipeSpec":
        staged = sum(stage.epochs for stage in self.stages)
        if staged >= self.epochs:
            raise ValueError(
                f"stages take {staged} of {self.epochs} epochs; the last epoch must run at full size"
            )
        return self

    @model_validator(mode="after")
    def _tiers_are_in_order(self) -> "RecipeSpec":
        bounds = [tier.up_to_mmacs for tier in self.tiers]
        if bounds and bounds[-1] is not None:
            raise ValueError(
                f"the last of tiers is for all other networks; expected no up_to_mmacs, got {bounds[-1]:g}"
            )
        below = 0.0
        for number, bound in enumerate(bounds[:-1], 1):
            if bound is None:
                raise ValueError(f"tier {number} of {len(bounds)} says no up_to_mmacs; only the last one may")
            if bound <= below:
                raise ValueError(f"tiers rise by up_to_mmacs; expected more than {below:g}, got {bound:g}")
            below = bound
        try:
            _ = self.by_tier
        except AssignmentError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return self

    def tier(self, mmacs: float) -> Tier | None:
        """Return the tier of a network of `mmacs` million multiply-adds an image; None without tiers."""
        return next((t for t in self.tiers if t.up_to_mmacs is None or mmacs <= t.up_to_mmacs), None)

    def at_cost(self, mmacs: float) -> "RecipeSpec":
        """Return the recipe, without tiers, of a network of `mmacs` million multiply-adds an image."""
        tier = self.tier(mmacs)
        alone = self.model_copy(update={"tiers": ()})
        return alone if tier is None else alone.changed(tier.named, _bound(tier))

    @property
    def by_tier(self) -> "tuple[RecipeSpec, ...]":
        """The recipes that networks may get, the cheapest networks' first; without tiers, this one."""
        bounds = [tier.up_to_mmacs or math.inf for tier in self.tiers]
        return tuple(map(self.at_cost, bounds)) or (self,)

    def changed(self, changes: Mapping[str, Any], where: str = "recipe") -> "RecipeSpec":
        """Change values of the recipe and of all its tiers.

        Stages that are not among the changes keep their share of the epochs.

        Raises:
            AssignmentError: a value is out of range; all are named.
        """
        stages = _scaled(self, changes.get("epochs", self.epochs))
        before = self.model_dump(exclude={"tiers"})
        after = validate(RecipeSpec, {**before, "stages": stages, **changes}, where)
        tiers = tuple(_tier_changed(self, tier, changes, where) for tier in self.tiers)
        return after.model_copy(update={"tiers": tiers})

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


# Private functions


def _tier_changed(recipe: RecipeSpec, tier: Tier, changes: Mapping[str, Any], where: str) -> Tier:
    """Change a tier, so that its recipe is what the changes make of the one before."""
    alone = recipe.model_copy(update={"tiers": ()}).changed(tier.named)
    after = alone.changed(changes, f"{where}: {_bound(tier)}").model_dump(mode="json")
    named = (*tier.named, *changes, *(["stages"] if "epochs" in (*tier.named, *changes) else []))
    return validate(Tier, {"up_to_mmacs": tier.up_to_mmacs} | {name: after[name] for name in named}, where)


def _bound(tier: Tier) -> str:
    return "the last tier" if tier.up_to_mmacs is None else f"the tier up to {tier.up_to_mmacs:g}"


def _scaled(recipe: RecipeSpec, epochs: int) -> tuple[dict[str, int], ...]:
    """Return the stages with the same shares of the training when the number of epochs changes."""
    scaled = ((stage.epochs * epochs // recipe.epochs, stage.size_px) for stage in recipe.stages)
    return tuple({"epochs": count, "size_px": size} for count, size in scaled if count > 0)
