"""Find the data of an assignment wherever it is, check that it is the official one, and load it."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base.errors import DataError, DataUnavailableError
from harness.base.files import md5_of
from harness.datasets.dataset import PREVIEW, Dataset, File, Miniature, Own, Public, Requested
from harness.datasets.download import Progress, download
from harness.datasets.spec import DataSpec

# What reads images needs NumPy; what looks whether they are there does not.
if TYPE_CHECKING:
    from harness.datasets.images import Data, Splits

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


def data_path(spec: DataSpec, folder: str | None = None) -> Path | None:
    """Find an assignment's data, looking in `folder` first; None where it is not here. Nothing is read."""
    if isinstance(spec.of, Public):
        return local_folder(spec.of, folder)
    path = spec.path or ""
    searched = [*(place / path for place in places(spec.of, folder)), Path(path)]
    return next((found for found in searched if found.exists()), None)


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


def load_data(spec: DataSpec, folder: str | None, progress: Progress) -> "Data":
    """Load what a specification asks for; `folder` is looked in first.

    `progress` is called with (bytes done, bytes in all or None) while downloading.

    Raises:
        DataError: a file is missing, is not the official one or the one that the assignment pins, cannot be
            read, or does not hold what it should.
        DataUnavailableError: the data is nowhere and cannot be downloaded.
    """
    from harness.datasets.images import Data
    from harness.datasets.splits import prepared

    root, read = (
        _read_public(spec, folder, progress) if isinstance(spec.of, Public) else _read_own(spec, folder)
    )
    train, test = prepared(read, spec)
    return Data(spec.dataset, str(root), train, test, spec.class_names, secret=spec.test is not None)


def check_before(spec: DataSpec, folder: str | None) -> None:
    """Check, before anything is run, what a grade would find out late.

    Raises:
        DataError: as `load_data`.
    """
    if folder == PREVIEW:
        require_mini(spec)
    elif isinstance(spec.of, Own):
        checked_folder(spec, folder)


def checked_folder(spec: DataSpec, folder: str | None) -> Path | None:
    """Find the data on this machine and check its files; None if they are nowhere. Nothing is downloaded.

    Raises:
        DataError: as `load_data`.
    """
    dataset = spec.of
    if isinstance(dataset, Public):
        if (there := local_folder(dataset, folder)) is not None:
            checked_files(dataset, there)
        return there
    try:
        path, test = _located_both(spec, folder)
    except DataUnavailableError:
        return None
    # Files that the assignment pins were read when it was written.
    if spec.sha256 != files_sha256(spec, path, test):
        _read_own(spec, folder)
    return path


def files_sha256(spec: DataSpec, path: Path, test: Path | None) -> str:
    """Return the SHA-256 (hex) over the files of own images: sorted relative names, and each file's SHA-256.

    Those of a test split that lies elsewhere come last.
    """
    assert isinstance(spec.of, Own)
    sha = hashlib.sha256()
    for root in (path,) if test is None else (path, test):
        home = root if root.is_dir() else root.parent
        for file in sorted(spec.of.files(root, spec.class_names)):
            sha.update(f"{file.relative_to(home).as_posix()}\0".encode())
            with file.open("rb") as opened:
                sha.update(hashlib.file_digest(opened, "sha256").digest())
    return sha.hexdigest()


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


def _read_public(spec: DataSpec, folder: str | None, progress: Progress) -> tuple[Path, "Splits"]:
    dataset = spec.of
    assert isinstance(dataset, Public)
    if (there := local_folder(dataset, folder)) is None:
        download(dataset, DOWNLOADS, places(dataset, folder), progress)
        there = DOWNLOADS / dataset.folder
    # Before anything is unpickled, and with a message that names the file.
    return there, dataset.read(checked_files(dataset, there))


def _read_own(spec: DataSpec, folder: str | None) -> tuple[Path, "Splits"]:
    """Read own images once the files are those that the assignment pins.

    A file that cannot be used is named before another SHA-256 is: its value is of files that can be.
    """
    dataset = spec.of
    assert isinstance(dataset, Own)
    path, test = _located_both(spec, folder)
    requested = Requested(spec.class_names, spec.input_shape, spec.resize)
    read = dataset.read(path, requested)
    if test is not None:
        read = replace(read, test=dataset.read_test(test, requested))
    _check_sha256(spec, path, files_sha256(spec, path, test))
    return path, read


def _located_both(spec: DataSpec, folder: str | None) -> tuple[Path, Path | None]:
    """Find the images, and the test split that lies elsewhere if there is one."""
    assert spec.path is not None
    path = _located(spec, spec.path, folder)
    return path, None if spec.test is None else _located(spec, spec.test, folder)


def _located(spec: DataSpec, path: str, folder: str | None) -> Path:
    searched = [place / path for place in places(spec.of, folder)] + [Path(path)]
    for found in searched:
        if found.exists():
            return found
    raise DataUnavailableError(
        f"{spec.title}: not found; looked for {', '.join(map(str, searched))}. "
        "Put it there, or name the folder that holds it with --data or HARNESS_DATA."
    )


def _check_sha256(spec: DataSpec, path: Path, actual: str) -> None:
    if spec.sha256 is None:
        raise DataError(
            f'{path}: the assignment does not pin these files. Write sha256 = "{actual}" into its [data].'
        )
    if spec.sha256 != actual:
        raise DataError(
            f"{path}: not the files that the assignment pins; expected SHA-256 {spec.sha256}, got {actual}. "
            "Put those files back, or write the new value into [data] of the assignment."
        )
