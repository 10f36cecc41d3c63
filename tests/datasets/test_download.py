import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from harness.base.errors import DataError, DataUnavailableError
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.dataset import Download, Public
from harness.datasets.download import download
from harness.datasets.mnist import MNIST

NAME = CIFAR10.downloads[0].name

Progress = list[tuple[int, int | None]]


def archive(name: str = f"{CIFAR10.folder}/data_batch_1") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    return gzip.compress(stream.getvalue(), mtime=0)  # the same bytes at any time of the day


class Mirror:
    """A web server on this machine; what it answers can be changed."""

    def __init__(self) -> None:
        self.body = archive()
        self.announce: int | None = len(self.body)
        self.status = 200
        self.requests = 0
        self.paths: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.requests += 1
                mirror.paths.append(self.path)
                self.send_response(mirror.status)
                if mirror.announce is not None:
                    self.send_header("Content-Length", str(mirror.announce))
                self.end_headers()
                self.wfile.write(mirror.body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/cifar-10-python.tar.gz"


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    mirror = Mirror()
    thread = threading.Thread(target=mirror.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CIFAR10_URL", mirror.url)
    yield mirror
    mirror.server.shutdown()
    thread.join()
    mirror.server.server_close()


def official(body: bytes, url: str = CIFAR10.downloads[0].url) -> Public:
    """CIFAR-10, if this were its archive."""
    return replace(CIFAR10, downloads=(Download(url, hashlib.md5(body).hexdigest()),))


def fetch(folder: Path, dataset: Public | None = None) -> Progress:
    seen: Progress = []
    download(
        dataset or official(archive()),
        folder,
        [Path("/here"), Path("data")],
        lambda done, total: seen.append((done, total)),
    )
    return seen


def test_the_archive_is_fetched_checked_and_unpacked(mirror: Mirror, tmp_path: Path) -> None:
    seen = fetch(tmp_path / "data")
    assert seen[-1] == (len(mirror.body), len(mirror.body))
    assert (tmp_path / "data" / CIFAR10.folder / "data_batch_1").read_bytes() == b"abc"
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {CIFAR10.folder, NAME}


def test_a_server_that_does_not_say_the_length_is_fine(mirror: Mirror, tmp_path: Path) -> None:
    mirror.announce = None
    assert fetch(tmp_path)[-1] == (len(mirror.body), None)


def test_an_archive_that_is_already_there_is_used(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(mirror.body)
    assert fetch(tmp_path) == []
    assert mirror.requests == 0
    assert (tmp_path / CIFAR10.folder).is_dir()


def test_the_official_address_is_the_default(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CIFAR10_URL")
    fetch(tmp_path, official(mirror.body, mirror.url))
    assert mirror.requests == 1


def test_a_wrong_archive_is_kept_and_named(mirror: Mirror, tmp_path: Path) -> None:
    expected = hashlib.md5(mirror.body).hexdigest()
    mirror.body = b"something else"
    mirror.announce = None
    with pytest.raises(
        DataError, match=rf"tar\.gz\.part: not the official archive; expected MD5 {expected}, got \w+"
    ):
        fetch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.part"]


def test_a_connection_that_ends_early_says_how_far_it_came(mirror: Mirror, tmp_path: Path) -> None:
    mirror.announce = len(mirror.body) + 7
    with pytest.raises(
        DataUnavailableError, match=rf"ended after {len(mirror.body)} of {mirror.announce} bytes"
    ):
        fetch(tmp_path)
    assert not (tmp_path / NAME).exists()


def test_a_missing_file_on_the_mirror_names_the_places(mirror: Mirror, tmp_path: Path) -> None:
    mirror.status = 404
    with pytest.raises(
        DataUnavailableError, match=r"CIFAR-10: not found; looked for .* in /here, data, and http.*404"
    ):
        fetch(tmp_path)


def test_no_connection_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIFAR10_URL", "http://127.0.0.1:9/x")
    with pytest.raises(DataUnavailableError, match=r"could not be downloaded \(<urlopen error .*refused"):
        fetch(tmp_path)


def test_other_kinds_of_address_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIFAR10_URL", "file:///etc/passwd")
    with pytest.raises(DataUnavailableError, match="an address that starts with https:// or http://"):
        fetch(tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, mirror: Mirror) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(DataUnavailableError, match="File exists"):
        fetch(tmp_path / "data")


def test_an_archive_cannot_write_outside_its_folder(mirror: Mirror, tmp_path: Path) -> None:
    mirror.body = archive("../../escaped")
    mirror.announce = None
    with pytest.raises(DataUnavailableError, match="outside the destination"):
        fetch(tmp_path / "data", official(mirror.body))
    assert not (tmp_path / "escaped").exists()


def test_files_that_are_no_archive_come_from_the_mirrors_folder_and_stay_as_they_are(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_URL", f"{mirror.url.rpartition('/')[0]}/digits/")
    md5 = hashlib.md5(mirror.body).hexdigest()
    dataset = replace(MNIST, downloads=tuple(Download(one.url, md5) for one in MNIST.downloads))
    fetch(tmp_path, dataset)
    assert mirror.paths == [f"/digits/{one.name}" for one in MNIST.downloads]
    there = {path.name for path in (tmp_path / "MNIST" / "raw").iterdir()}
    assert there == {one.name for one in MNIST.downloads}
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]


def test_half_of_a_download_is_not_taken_for_the_data_and_is_used_the_next_time(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_URL", mirror.url)
    md5 = hashlib.md5(mirror.body).hexdigest()
    first, *others = MNIST.downloads
    whole = replace(MNIST, downloads=tuple(Download(one.url, md5) for one in MNIST.downloads))
    half = replace(MNIST, downloads=(Download(first.url, md5), *others))
    with pytest.raises(DataError, match="not the official file"):
        fetch(tmp_path, half)
    assert not (tmp_path / "MNIST").exists()
    mirror.paths.clear()
    fetch(tmp_path, whole)
    assert len(mirror.paths) == 3


def test_a_wrong_file_is_kept_and_named(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_URL", mirror.url)
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte\.gz\.part: not the official file; .*MNIST_URL"
    ):
        fetch(tmp_path, MNIST)
