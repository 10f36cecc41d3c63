"""Fetch official files: to ``.part`` files, checked, then moved or unpacked into place in one move."""

import http.client
import os
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.base.errors import DataError, DataUnavailableError
from harness.base.files import md5_of
from harness.datasets.dataset import Download, Public

TIMEOUT_S = 10
"""For the connection and for every wait on it, so that being offline is noticed soon."""

Progress = Callable[[int, int | None], None]
"""Called with (bytes done, bytes in all or None)."""

_CHUNK = 256 * 1024
_PACKED = ".tar.gz"


def download(dataset: Public, root: Path, looked_in: Sequence[Path], progress: Progress) -> None:
    """Download a data set into its folder below `root`, from $NAME_URL or the official address.

    $NAME_URL is the address of the file, or, where there are several, of the folder that holds them.
    `looked_in` are the places already searched, for the message. A file that is already there is used.

    Raises:
        DataError: a file is not the official one; it is kept.
        DataUnavailableError: no connection, no such file, or no room.
    """
    url = ""
    # What belongs into one folder gets there in one move: half of a download must not look like a data set.
    waiting = root / f"{dataset.folder.replace('/', '-')}.part"
    try:
        for one in dataset.downloads:
            url = _address(dataset, one)
            archive = one.name.endswith(_PACKED)
            path = _fetched(dataset, one, url, root if archive else waiting, progress)
            if archive:
                _unpack(path, root, dataset.folder)
        if waiting.is_dir():
            (root / dataset.folder).parent.mkdir(parents=True, exist_ok=True)
            waiting.replace(root / dataset.folder)
    except (OSError, ValueError, http.client.HTTPException, tarfile.TarError) as error:
        searched = ", ".join(str(place) for place in looked_in)
        raise DataUnavailableError(
            f"{dataset.title}: not found; looked for {dataset.folder} in {searched}, "
            f"and {url} could not be downloaded ({error}). Put the files in ./data or set "
            f"{dataset.root_variable} to the folder that holds {dataset.folder}."
        ) from None


# Private functions


def _address(dataset: Public, one: Download) -> str:
    other = os.environ.get(dataset.url_variable)
    if not other:
        return one.url
    return other if len(dataset.downloads) == 1 else f"{other.rstrip('/')}/{one.name}"


def _fetched(dataset: Public, one: Download, url: str, folder: Path, progress: Progress) -> Path:
    """Return the path of one official file in `folder`; download it if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / one.name
    if not path.exists():
        part = path.with_name(path.name + ".part")
        _fetch(url, part, progress)
        _check(part, one.md5, dataset)
        part.replace(path)
    _check(path, one.md5, dataset)
    return path


def _fetch(url: str, part: Path, progress: Progress) -> None:
    if not url.lower().startswith(("https://", "http://")):
        raise ValueError("expected an address that starts with https:// or http://")
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer, part.open("wb") as file:  # noqa: S310 - scheme is checked
        length = answer.headers.get("Content-Length")
        total = int(length) if length else None
        done = 0
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            progress(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _check(path: Path, md5: str, dataset: Public) -> None:
    actual = md5_of(path)
    if actual != md5:
        what = "archive" if _PACKED in path.name else "file"
        raise DataError(
            f"{path}: not the official {what}; expected MD5 {md5}, got {actual}. Nothing was "
            f"deleted. Move the file away and try again, or set {dataset.url_variable} to a mirror."
        )


def _unpack(archive: Path, root: Path, folder: str) -> None:
    # Into a folder of its own first: a killed run must not leave half of the files in place.
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=root) as scratch:
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        (Path(scratch) / folder).replace(root / folder)
