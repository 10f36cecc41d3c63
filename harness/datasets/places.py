"""Places where data is looked for, and the check that what is found there is the official one."""

import os
from collections.abc import Iterable
from pathlib import Path

from harness.base.errors import DataError
from harness.base.files import md5_of
from harness.datasets.dataset import Dataset, File, Miniature, Public
from harness.datasets.spec import DataSpec

DOWNLOADS = Path("data")
"""Where a download goes, below the working directory."""


def places(dataset: Dataset, folder: str | None) -> list[Path]:
    """List where a data set is looked for: `folder`, $NAME_ROOT, $HARNESS_DATA, ./data."""
    asked = [folder, os.environ.get(dataset.root_variable), os.environ.get("HARNESS_DATA")]
    return [Path(place) for place in asked if place] + [DOWNLOADS]


def local_folder(dataset: Public, folder: str | None) -> Path | None:
    """Find the folder of the official files; None if they are nowhere on this machine.

    In each place it is the folder that torchvision makes, or the place itself.
    """
    for place in places(dataset, folder):
        if (place / dataset.folder).is_dir():
            return place / dataset.folder
        if any((place / form).is_file() for form in dataset.files[0].forms):
            return place
    return None


def checked_files(dataset: Public, folder: Path) -> list[Path]:
    """Find each of the official files in `folder`, in any of its forms, and check its MD5.

    Raises:
        DataError: a file is missing, cannot be read, or has another MD5.
    """
    return [_checked(file, folder) for file in dataset.files]


def how_to_get(spec: DataSpec) -> str:
    """Return where to put the data that could not be found."""
    if isinstance(spec.of, Public):
        what, variable = f"the folder {spec.of.folder}", spec.of.root_variable
    else:
        what, variable = str(spec.path), "HARNESS_DATA"
    return (
        f"Put {what} into ./data, or name the folder that holds it with --data or "
        f"{variable}, and grade again."
    )


def require_mini(spec: DataSpec) -> Miniature:
    """Find the embedded sample of a data set.

    Raises:
        DataError: it has none.
    """
    if (mini := spec.miniature) is None:
        raise DataError(
            f"--data mini: no sample of {spec.title} is embedded in the harness. "
            "Leave --data out, or name the folder that holds the data."
        )
    return mini


# Private functions


def _checked(file: File, folder: Path) -> Path:
    """Return the first form of a file that is in the folder, once its checksum is right."""
    name = next((form for form in file.forms if (folder / form).exists()), next(iter(file.forms)))
    _check_md5(folder / name, file.forms[name], file.forms)
    return folder / name


def _check_md5(path: Path, expected: str, forms: Iterable[str]) -> None:
    try:
        actual = md5_of(path)
    except FileNotFoundError:
        raise DataError(
            f"{path}: missing{_or(forms)}; expected the whole folder of the official files. "
            f"Put the file back, or move {path.parent} away to have it downloaded again."
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Make the file readable.") from None
    if actual != expected:
        raise DataError(
            f"{path}: not the official file; expected MD5 {expected}, got {actual}. Nothing was deleted. "
            f"Replace the file, or move {path.parent} away to have it downloaded again."
        )


def _or(forms: Iterable[str]) -> str:
    others = list(forms)[1:]
    return f", and so is {others[0]}" if others else ""
