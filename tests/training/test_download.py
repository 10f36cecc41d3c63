import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from torchvision.datasets import CIFAR10

from harness.errors import DataError, DataUnavailableError
from harness.training.download import download

Progress = list[tuple[int, int | None]]


def archive(name: str = f"{CIFAR10.base_folder}/data_batch_1") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    return stream.getvalue()


class Mirror:
    """A web server on this machine; what it answers can be changed."""

    def __init__(self) -> None:
        self.body = archive()
        self.announce: int | None = len(self.body)
        self.status = 200
        self.requests = 0
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.requests += 1
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
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(mirror.body).hexdigest())
    yield mirror
    mirror.server.shutdown()
    thread.join()
    mirror.server.server_close()


def fetch(folder: Path) -> Progress:
    seen: Progress = []
    download(folder, [Path("/here"), Path("data")], lambda done, total: seen.append((done, total)))
    return seen


def test_the_archive_is_fetched_checked_and_unpacked(mirror: Mirror, tmp_path: Path) -> None:
    seen = fetch(tmp_path / "data")
    assert seen[-1] == (len(mirror.body), len(mirror.body))
    assert (tmp_path / "data" / CIFAR10.base_folder / "data_batch_1").read_bytes() == b"abc"
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {CIFAR10.base_folder, CIFAR10.filename}


def test_a_server_that_does_not_say_the_length_is_fine(mirror: Mirror, tmp_path: Path) -> None:
    mirror.announce = None
    assert fetch(tmp_path)[-1] == (len(mirror.body), None)


def test_an_archive_that_is_already_there_is_used(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / CIFAR10.filename).write_bytes(mirror.body)
    assert fetch(tmp_path) == []
    assert mirror.requests == 0
    assert (tmp_path / CIFAR10.base_folder).is_dir()


def test_the_official_address_is_the_default(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CIFAR10_URL")
    monkeypatch.setattr(CIFAR10, "url", mirror.url)
    fetch(tmp_path)
    assert mirror.requests == 1


def test_a_wrong_archive_is_kept_and_named(mirror: Mirror, tmp_path: Path) -> None:
    expected = CIFAR10.tgz_md5
    mirror.body = b"something else"
    mirror.announce = None
    with pytest.raises(
        DataError, match=rf"tar\.gz\.part: not the official archive; expected MD5 {expected}, got \w+"
    ):
        fetch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{CIFAR10.filename}.part"]


def test_a_connection_that_ends_early_says_how_far_it_came(mirror: Mirror, tmp_path: Path) -> None:
    mirror.announce = len(mirror.body) + 7
    with pytest.raises(
        DataUnavailableError, match=rf"ended after {len(mirror.body)} of {mirror.announce} bytes"
    ):
        fetch(tmp_path)
    assert not (tmp_path / CIFAR10.filename).exists()


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


def test_an_archive_cannot_write_outside_its_folder(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.body = archive("../../escaped")
    mirror.announce = None
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(mirror.body).hexdigest())
    with pytest.raises(DataUnavailableError, match="outside the destination"):
        fetch(tmp_path / "data")
    assert not (tmp_path / "escaped").exists()
