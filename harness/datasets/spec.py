"""The data of an assignment: the table ``[data]`` of its TOML file, and what follows from it."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from harness.base.tables import Table, meant
from harness.datasets.dataset import Dataset, Miniature, Own, Public, Shape
from harness.datasets.registry import DATASETS

SMALLEST_PX, LARGEST_PX = 8, 512
"""Sides of images that networks are trained on."""

Side = Annotated[int, Field(ge=SMALLEST_PX, le=LARGEST_PX)]
Text = Annotated[str, Field(min_length=1, max_length=500)]


def _known(name: str) -> str:
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r} ({_guess(name, DATASETS, 'data sets')})")
    return name


def _sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError(
            f"expected 64 hexadecimal digits, got {text[:80]!r}; leave it out, and a grade says them"
        )
    return text


def _guess(name: str, known: Iterable[str], what: str) -> str:
    return meant(name, known, what).rstrip(".")


def _names(schema: dict[str, Any]) -> None:
    schema["enum"] = list(DATASETS)


class DataSpec(Table):
    """The images a network is trained on, and how they are made from the files."""

    model_config = ConfigDict(serialize_by_alias=True)

    dataset: Annotated[str, AfterValidator(_known), Field(json_schema_extra=_names)]
    classes: tuple[Text, ...] | None = None
    """Names of the classes, in the order of the logits; all of the data set, in its order, if not given."""
    validation: Annotated[int, Field(ge=0)] = 0
    """Training images that are set apart, the last of each class; the test split where there is no other."""
    resize: Side | None = None
    """Side of the square that every image is resized to."""
    channels: Literal[1, 3] | None = None
    """1 makes all images grey, 3 makes them RGB."""
    stored: Shape | None = Field(default=None, alias="input_shape")
    """(C, H, W) of the images of an own data set, as they are stored."""
    path: Text | None = None
    """Of an own data set; relative to where data is looked for."""
    sha256: Annotated[str, AfterValidator(_sha256)] | None = None
    """Of an own data set's files; see `harness.datasets.loading.files_sha256`."""
    test: Text | None = None
    """Path of a test split of an own data set that lies elsewhere; none of its images is ever shown."""

    @model_validator(mode="after")
    def _fits_the_data_set(self) -> "DataSpec":
        mistake = _own_mistake(self) if isinstance(self.of, Own) else _public_mistake(self)
        mistake = mistake or _classes_mistake(self)
        if mistake:
            raise ValueError(mistake)
        return self

    @property
    def of(self) -> Dataset:
        """The data set's description."""
        return DATASETS[self.dataset]

    @property
    def title(self) -> str:
        """The data set's name in a sentence."""
        return self.of.title if self.path is None else f"{self.of.title} {self.path}"

    @property
    def stored_shape(self) -> Shape:
        """(C, H, W) of one image in the files."""
        if isinstance(self.of, Public):
            return self.of.shape
        side = self.resize or 0  # whatever the files hold
        return self.stored or (self.channels or 3, side, side)

    @property
    def input_shape(self) -> Shape:
        """(C, H, W) of one image as a network gets it."""
        channels, height, width = self.stored_shape
        return self.channels or channels, self.resize or height, self.resize or width

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""
        return self.classes or (self.of.classes if isinstance(self.of, Public) else ())

    @property
    def stats_file(self) -> str:
        """The name of the file that stores the mean and standard deviation of the training images."""
        return f"{self.dataset}_stats.json"

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def chance(self) -> float:
        """Accuracy of a guess where the classes are equally frequent."""
        return 1 / self.num_classes

    @property
    def test_per_class(self) -> tuple[int, ...] | None:
        """The number of test images of each class; None where only the files say it."""
        return _counts(self, self.of.test_per_class) if isinstance(self.of, Public) else None

    @property
    def train_images(self) -> int | None:
        """The number of images to train on; None where only the files say it."""
        if not isinstance(self.of, Public):
            return None
        return sum(_counts(self, self.of.train_per_class)) - self.validation

    @property
    def miniature(self) -> Miniature | None:
        """The embedded sample of the data set; None if it has none."""
        return self.of.miniature if isinstance(self.of, Public) else None

    @property
    def known_sha256(self) -> str:
        """SHA-256 of the images and labels in memory; "" where it is not known."""
        changed = self.classes or self.validation or self.resize or self.channels
        return self.of.sha256 if isinstance(self.of, Public) and not changed else ""


# Private functions


def _counts(spec: DataSpec, per_class: tuple[int, ...]) -> tuple[int, ...]:
    assert isinstance(spec.of, Public)
    counted = dict(zip(spec.of.classes, per_class, strict=True))
    return tuple(counted[name] for name in spec.class_names)


def _classes_mistake(spec: DataSpec) -> str:
    if spec.num_classes < 2:
        return f"classes: expected two or more, got {spec.num_classes}; one is nothing to tell apart"
    if twice := sorted({name for name in spec.class_names if spec.class_names.count(name) > 1}):
        return f"classes: {', '.join(twice)} is there more than once; name every class once"
    return ""


def _public_mistake(spec: DataSpec) -> str:
    """Return what does not fit a data set of which everybody has the same files; "" where all fits."""
    dataset = spec.of
    assert isinstance(dataset, Public)
    own = [name for name in ("path", "sha256", "test") if getattr(spec, name) is not None]
    if own:
        return (
            f"{', '.join(own)}: only for images of your own; leave it out, {dataset.name} is found by itself"
        )
    if spec.stored is not None and spec.stored != dataset.shape:
        return (
            f"input_shape: images of {dataset.name} are {list(dataset.shape)}; "
            "leave it out, or change them with resize and channels"
        )
    unknown = [name for name in spec.class_names if name not in dataset.classes]
    if unknown:
        guess = _guess(unknown[0], dataset.classes, "classes")
        return f"classes: {dataset.name} has no {unknown[0]!r} ({guess})"
    train = sum(_counts(spec, dataset.train_per_class))
    if spec.validation >= train:
        return f"validation: expected fewer than the {train:,} training images, got {spec.validation:,}"
    return ""


def _own_mistake(spec: DataSpec) -> str:
    """Return what is missing in the description of a teacher's own images; "" where nothing is."""
    if spec.path is None:
        return f"path: missing; name the {spec.dataset}, relative to where data is looked for"
    if spec.classes is None:
        return 'classes: missing; name them in order, as in classes = ["cat", "dog"]'
    if spec.resize is None and spec.stored is None:
        return "resize: missing; write resize = 32 for images of any size, or input_shape = [3, 32, 32]"
    channels, height, width = spec.input_shape
    if channels not in (1, 3) or height != width or not SMALLEST_PX <= height <= LARGEST_PX:
        return (
            f"input_shape: expected 1 or 3 channels and a square of {SMALLEST_PX} to {LARGEST_PX} px, "
            f"got {[channels, height, width]}; resize = N makes squares of any images"
        )
    return ""
