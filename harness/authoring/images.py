"""A teacher's folder of images, looked through: what the table ``[data]`` has to say of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.datasets.folder import SUFFIXES
from harness.datasets.loading import files_sha256, load_data
from harness.datasets.spec import LARGEST_PX, SMALLEST_PX, DataSpec

RESIZED_PX = 64
"""Side that images are resized to where they differ in size, are no squares, or are larger."""
SET_APART = 0.2
"""Share of the images that become the test split where there is no folder of it."""

Size = tuple[int, int]


@dataclass(frozen=True)
class OwnImages:
    """A folder of images as an assignment describes it."""

    spec: DataSpec
    train_images: int
    test_images: int
    place: Path
    """The folder that holds it, as ``--data`` names it."""


def look_through(folder: Path) -> OwnImages:
    """Find the classes and the size of the images, read every image, and hash the files.

    Raises:
        UsageError: there is no such folder, or there are no two classes in it.
        DataError: an image cannot be read, or a class of the test split has none.
    """
    if not folder.is_dir():
        raise UsageError(
            f"--folder {folder}: no such folder. Name the one that holds a folder for each class."
        )
    root = folder / "train" if (folder / "train").is_dir() else folder
    files = _by_class(root)
    if len(files) < 2:
        raise UsageError(
            f"--folder {folder}: expected a folder of images for each class, named like it, and two or "
            f"more, got {len(files)}. Images end with {', '.join(SUFFIXES)}."
        )
    trained, tested = _count(files), _count(_by_class(folder / "test"))
    apart = 0 if tested else max(len(files), round(SET_APART * trained))
    found = folder.resolve()
    described = {"dataset": "folder", "path": found.name, "classes": tuple(files), "validation": apart}
    spec = DataSpec.model_validate(described | _size(files), strict=False)
    spec = spec.model_copy(update={"sha256": files_sha256(spec, found, None)})
    load_data(spec, str(found.parent), lambda *_: None)
    return OwnImages(spec, trained - apart, tested or apart, found.parent)


# Private functions


def _by_class(root: Path) -> dict[str, list[Path]]:
    """List the images of each class, by the names of their folders; empty ones are none."""
    folders = sorted(one for one in root.iterdir() if one.is_dir()) if root.is_dir() else []
    images = {
        one.name: sorted(file for file in one.iterdir() if file.suffix.lower() in SUFFIXES) for one in folders
    }
    return {name: found for name, found in images.items() if found and not name.startswith(".")}


def _count(files: dict[str, list[Path]]) -> int:
    return sum(map(len, files.values()))


def _size(files: dict[str, list[Path]]) -> dict[str, object]:
    """Return how large the images are, or are to be made, and whether they are grey."""
    looked = [_header(file) for those in files.values() for file in those]
    channels = 1 if all(grey for _, grey in looked) else 3
    sizes: Sequence[Size] = list(dict.fromkeys(size for size, _ in looked))
    width, height = sizes[0]
    fits = len(sizes) == 1 and width == height and SMALLEST_PX <= width <= min(RESIZED_PX, LARGEST_PX)
    if fits:
        return {"input_shape": (channels, height, width)}
    return {"resize": RESIZED_PX, "channels": channels}


def _header(file: Path) -> tuple[Size, bool]:
    """Return (width, height) and whether an image is grey; one that cannot be read is found when it is."""
    from PIL import Image  # takes a while

    try:
        with Image.open(file) as opened:
            return opened.size, opened.mode in ("1", "L", "LA")
    except OSError:
        return (0, 0), False
