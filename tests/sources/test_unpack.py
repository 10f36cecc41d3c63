"""Archives by strangers: what is unpacked of them, and what is refused."""

import gzip
import io
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.sources import unpack as unpacking
from harness.sources.files import MAX_BYTES, MAX_FILES
from harness.sources.submission import open_submission
from harness.sources.unpack import unpack

Entries = Mapping[str, bytes]
Pack = Callable[[Path, Entries], Path]


def zipped(path: Path, entries: Entries) -> Path:
    with zipfile.ZipFile(path / "work.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path / "work.zip"


def tarred(path: Path, entries: Entries, name: str = "work.tar.gz") -> Path:
    with tarfile.open(path / name, "w" if name.endswith(".tar") else "w:gz") as archive:
        for entry, content in entries.items():
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path / name


def tarred_plainly(path: Path, entries: Entries) -> Path:
    return tarred(path, entries, "work.tar")


def tgz(path: Path, entries: Entries) -> Path:
    return tarred(path, entries, "work.tgz")


def tarred_one(path: Path, change: Callable[[tarfile.TarInfo], None]) -> Path:
    with tarfile.open(path / "work.tar", "w") as archive:
        info = tarfile.TarInfo("model.py")
        change(info)
        archive.addfile(info)
    return path / "work.tar"


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[Path], str]:
    """The message of an archive that is refused; nothing of it is outside its folder."""

    def message(archive: Path) -> str:
        to = tmp_path / "deep" / "deeper" / "out"
        to.mkdir(parents=True)
        with pytest.raises(UsageError) as error:
            unpack(archive, to)
        assert {p for p in tmp_path.rglob("*") if p.is_file()} <= {archive, *to.rglob("*")}
        return str(error.value)

    return message


@pytest.mark.parametrize("pack", [zipped, tarred, tarred_plainly, tgz])
def test_sources_are_unpacked_and_the_folder_around_them_is_left_out(pack: Pack, tmp_path: Path) -> None:
    archive = pack(
        tmp_path,
        {
            "S9-main/model.py": b"x = 1", "S9-main/lib/blocks.py": b"y = 2", "S9-main/weights.pth": b"0",
            "S9-main/.git/config.txt": b"", "__MACOSX/S9-main/._model.py": b"", "S9-main/Icon\r": b"",
        },
    )  # fmt: skip
    (tmp_path / "out").mkdir()
    root = unpack(archive, tmp_path / "out")
    assert root.name == "S9-main"
    assert sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()) == [
        "lib/blocks.py",
        "model.py",
    ]
    assert (root / "model.py").read_bytes() == b"x = 1"
    assert stat.S_IMODE((root / "model.py").stat().st_mode) & 0o111 == 0


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_is_a_submission_and_what_was_unpacked_goes_with_it(
    pack: Pack, tmp_path, assignment
) -> None:
    submission = open_submission(pack(tmp_path, {"S9/model.py": b"x = 1"}), assignment)
    assert submission.source.startswith("work.")
    root = submission.root
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "model.py").write_bytes(b"x = 1")
    assert submission.sha256 == open_submission(tmp_path / "plain", assignment).sha256
    assert (root / "model.py").is_file()
    del submission
    assert not root.exists()


def test_an_archive_without_a_source_file_is_refused(tmp_path, assignment) -> None:
    with pytest.raises(
        UsageError, match=r"work\.zip: expected submission\.toml, a \.py file or a notebook, got none"
    ):
        open_submission(zipped(tmp_path, {"report.pdf": b""}), assignment)


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["/tmp/slipped.py", "../slipped.py", "a/../../slipped.py", "..\\slipped.py", "C:/x.py"]
)
def test_a_name_that_leaves_the_submission_is_refused(pack: Pack, name, tmp_path, refused) -> None:
    assert "an entry lies outside the submission" in refused(pack(tmp_path, {"model.py": b"", name: b""}))


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_backslashes_are_folders(pack: Pack, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    root = unpack(pack(tmp_path, {"S9\\model.py": b"", "S9\\lib\\a.py": b""}), tmp_path / "out")
    assert sorted(str(p.relative_to(root)) for p in root.rglob("*.py")) == ["lib/a.py", "model.py"]


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", ["mo\ndel.py", "\x1b[31mmodel.py", "mo\u202edel.py"])
def test_a_name_with_control_characters_is_refused_and_shown_harmlessly(
    pack: Pack, name, tmp_path, refused
) -> None:
    message = refused(pack(tmp_path, {name: b""}))
    assert "an entry's name has control characters" in message
    assert message.isprintable()


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", ["x" * 253 + ".py", "/".join(["x" * 200] * 6) + "/a.py"])
def test_a_name_longer_than_any_file_has_is_refused(pack: Pack, name, tmp_path, refused) -> None:
    message = refused(pack(tmp_path, {name: b"x"}))
    assert "... is too long; expected at most 255 bytes for a name and 1,024 in all, got more" in message
    assert len(message) < 500


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(pack: Pack, tmp_path, refused) -> None:
    assert "is in it twice" in refused(
        pack(tmp_path, {"a/model.py": b"x", "a//model.py": b"y", "a/./model.py": b"z"})
    )


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_file_that_is_also_a_folder_is_refused(pack: Pack, tmp_path, refused) -> None:
    assert "cannot be unpacked" in refused(pack(tmp_path, {"model.py": b"x", "model.py/a.py": b"y"}))


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_source_that_grows_too_much_is_refused(pack: Pack, tmp_path, refused) -> None:
    assert "grows too much as it is unpacked" in refused(pack(tmp_path, {"model.py": bytes(80 * 2**20)}))


def test_a_tar_bomb_beside_the_sources_is_refused(tmp_path, refused) -> None:
    archive = tarred(tmp_path, {"model.py": b"", "data.bin": bytes(100 * 2**20)})
    assert "grows too much as it is unpacked" in refused(archive)


def test_more_bytes_than_a_submission_has_are_refused(tmp_path, refused) -> None:
    assert "too much to be one submission" in refused(
        tarred_plainly(tmp_path, {"a.py": bytes(MAX_BYTES + 1)})
    )


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_more_files_than_a_submission_has_are_refused(pack: Pack, tmp_path, refused) -> None:
    assert "too much to be one submission" in refused(
        pack(tmp_path, {f"{n}.py": b"" for n in range(MAX_FILES + 1)})
    )


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_more_entries_than_an_archive_may_have_are_refused(
    pack: Pack, tmp_path, refused, monkeypatch
) -> None:
    monkeypatch.setattr(unpacking, "MAX_ENTRIES", 10)
    assert "too many entries; expected at most 10" in refused(
        pack(tmp_path, {f"{n}.bin": b"" for n in range(11)})
    )


def test_a_directory_of_entries_larger_than_memory_is_not_read(tmp_path, refused) -> None:
    archive = zipped(tmp_path, {f"{n:05}" + "x" * 60_000: b"" for n in range(300)})
    assert "a header is too large; expected at most 16 MiB" in refused(archive)


def test_a_link_in_a_zip_file_is_refused(tmp_path, refused) -> None:
    with zipfile.ZipFile(tmp_path / "work.zip", "w") as archive:
        info = zipfile.ZipInfo("model.py")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "'model.py' is a link or a device; expected plain files" in refused(tmp_path / "work.zip")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_a_link_or_a_device_in_a_tar_archive_is_refused(kind, tmp_path, refused) -> None:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, "/etc/passwd"

    assert "'model.py' is a link or a device" in refused(tarred_one(tmp_path, change))


def test_a_link_that_is_no_source_is_left_out(tmp_path) -> None:
    with tarfile.open(tmp_path / "work.tar", "w") as archive:
        for name, kind in (("venv/bin/python", tarfile.SYMTYPE), ("model.py", tarfile.REGTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/usr/bin/python3"
            archive.addfile(info)
    (tmp_path / "out").mkdir()
    assert [p.name for p in unpack(tmp_path / "work.tar", tmp_path / "out").rglob("*")] == ["model.py"]


def test_an_encrypted_entry_is_refused(tmp_path, refused) -> None:
    archive = zipped(tmp_path, {"model.py": b"x = 1"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # general purpose bit 0, in the central directory
    archive.write_bytes(content)
    assert "'model.py' is encrypted; expected plain files" in refused(archive)


def test_an_archive_that_points_backwards_ends(tmp_path, refused) -> None:
    archive = tarred_plainly(tmp_path, {"data.bin": b"", "model.py": b""})
    header = bytearray(archive.read_bytes()[:512])
    header[124:136] = (-1024 & (2**96 - 1)).to_bytes(12, "big")  # a size below zero, in base 256
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive.write_bytes(bytes(header) + archive.read_bytes()[512:])
    assert "an entry points backwards" in refused(archive) or "cannot be unpacked" in refused(archive)


@pytest.mark.parametrize("name", ["work.zip", "work.tar", "work.tgz"])
@pytest.mark.parametrize(
    "content", [b"", b"not an archive", b"PK\x05\x06" + bytes(18), gzip.compress(b"x" * 2000, mtime=0)[:-4]]
)
def test_what_is_no_archive_is_refused_or_empty(name, content, tmp_path, assignment) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot be unpacked|got none"):
        open_submission(tmp_path / name, assignment)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_that_was_cut_off_is_refused(pack: Pack, tmp_path, refused) -> None:
    archive = pack(tmp_path, {"model.py": bytes(range(256)) * 64})
    archive.write_bytes(archive.read_bytes()[:-60])
    assert "cannot be unpacked; expected an archive that is whole" in refused(archive)


def test_a_damaged_entry_is_refused(tmp_path, refused) -> None:
    archive = zipped(tmp_path, {"model.py": bytes(range(256)) * 64})
    content = bytearray(archive.read_bytes())
    content[60:80] = bytes(20)
    archive.write_bytes(content)
    assert "cannot be unpacked; expected an archive that is whole" in refused(archive)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_as_another_system_writes_it_is_taken_in(pack: Pack, tmp_path) -> None:
    names = (unicodedata.normalize("NFD", "modèle.py"), "my\u00a0net.PY", "نیم\u200cفاصله/config.json")
    root = unpack(pack(tmp_path, dict.fromkeys(names, b"x")), tmp_path / "out")
    taken = {str(file.relative_to(root)) for file in root.rglob("*.*")}
    assert taken == {"modèle.py", "my net.py", "نیم\u200cفاصله/config.json"}
