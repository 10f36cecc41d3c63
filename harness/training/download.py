"""Fetch the official CIFAR-10 archive: to a ``.part`` file, checked, then unpacked in one move."""

import http.client
import os
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from torchvision.datasets import CIFAR10

from harness.errors import DataError, DataUnavailableError
from harness.files import md5_of

TIMEOUT_S = 10
"""For the connection and for every wait on it, so that being offline is noticed soon."""

_CHUNK = 256 * 1024


def download(folder: Path, looked_in: Sequence[Path], progress: Callable[[int, int | None], None]) -> None:
    """Download the batches into `folder`, from $CIFAR10_URL or the official address.

    `looked_in` are the places already searched, for the message. `progress` is called with (bytes
    done, bytes in all or None). An archive that is already there is used.

    Raises:
        DataError: the archive is not the official one; it is kept.
        DataUnavailableError: no connection, no such file, or no room.
    """
    url = os.environ.get("CIFAR10_URL") or CIFAR10.url
    archive = folder / CIFAR10.filename
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not archive.exists():
            part = archive.with_name(archive.name + ".part")
            _fetch(url, part, progress)
            _check(part)
            part.replace(archive)
        _check(archive)
        _unpack(archive, folder)
    except (OSError, ValueError, http.client.HTTPException, tarfile.TarError) as error:
        places = ", ".join(str(place) for place in looked_in)
        raise DataUnavailableError(
            f"CIFAR-10: not found; looked for {CIFAR10.base_folder} in {places}, "
            f"and {url} could not be downloaded ({error}). "
            f"Put the batches in ./data or set CIFAR10_ROOT to the folder that holds {CIFAR10.base_folder}."
        ) from None


# Private functions


def _fetch(url: str, part: Path, progress: Callable[[int, int | None], None]) -> None:
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


def _check(archive: Path) -> None:
    actual = md5_of(archive)
    if actual != CIFAR10.tgz_md5:
        raise DataError(
            f"{archive}: not the official archive; expected MD5 {CIFAR10.tgz_md5}, got {actual}. Nothing was "
            "deleted. Move the file away and try again, or set CIFAR10_URL to a mirror."
        )


def _unpack(archive: Path, folder: Path) -> None:
    # Into a folder of its own first: a killed run must not leave half of the batches in place.
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch:
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        (Path(scratch) / CIFAR10.base_folder).replace(folder / CIFAR10.base_folder)
