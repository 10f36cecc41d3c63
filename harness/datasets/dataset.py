"""Descriptions of data sets: one file of this folder describes one, and the registry lists them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

# What reads images needs NumPy; what only names a data set does not.
if TYPE_CHECKING:
    from harness.datasets.images import Split, Splits

Shape = tuple[int, int, int]
"""(C, H, W) of one image."""

PREVIEW = "mini"
"""What data is called that is never graded, whatever set it is a sample of."""


@dataclass(frozen=True)
class File:
    """An official file in any of the forms it may lie in: names, with the MD5 (hex) of each."""

    forms: Mapping[str, str]


@dataclass(frozen=True)
class Download:
    """A file to fetch, and its MD5 (hex); a ``.tar.gz`` is unpacked."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The file's name, the last part of its address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Miniature:
    """An embedded sample: two lossless mosaics, ``columns`` images wide, in class order."""

    folder: str
    train_per_class: int
    test_per_class: int
    columns: int
    sha256: Mapping[str, str]
    """Of each file, hex."""


@dataclass(frozen=True)
class Dataset:
    """A data set by its name in an assignment."""

    name: str
    title: str
    """As it is written in sentences."""
    about: str
    """What is in it, for the page of data sets."""

    @property
    def root_variable(self) -> str:
        """The environment variable that names the folder which holds the data set's folder."""
        return f"{self.name.upper()}_ROOT"

    @property
    def url_variable(self) -> str:
        """The environment variable that names another address to download from."""
        return f"{self.name.upper()}_URL"


@dataclass(frozen=True)
class Public(Dataset):
    """A data set that everybody has the same files of."""

    shape: Shape
    classes: tuple[str, ...]
    folder: str
    """Below the place it is looked for in, as torchvision lays it out."""
    files: tuple[File, ...]
    downloads: tuple[Download, ...]
    read: Callable[[Sequence[Path]], "Splits"]
    """Reads the checked `files`, given in their order."""
    train_per_class: tuple[int, ...]
    test_per_class: tuple[int, ...]
    """How many images each class has; equal numbers make a balanced split."""
    licence: str
    sha256: str = ""
    """Of images and labels in memory, as `harness.datasets.images.Data.sha256`; "" where not known."""
    miniature: Miniature | None = None


@dataclass(frozen=True)
class Own(Dataset):
    """A teacher's own images, in one of the layouts that are read."""

    layout: str
    """Where images and labels lie, for the page of data sets and for messages."""
    files: Callable[[Path, tuple[str, ...]], Sequence[Path]] = field(repr=False)
    """Lists the files that are read of a path, for these classes."""
    read: Callable[[Path, "Requested"], "Splits"] = field(repr=False)
    """Reads a path."""
    read_test: Callable[[Path, "Requested"], "Split"] = field(repr=False)
    """Reads a test split that lies elsewhere."""


@dataclass(frozen=True)
class Requested:
    """The requested form of own images: the classes by number, (C, H, W), the side they are resized to."""

    classes: tuple[str, ...]
    shape: Shape
    resize: int | None
