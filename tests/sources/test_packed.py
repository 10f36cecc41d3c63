"""Folders that hold archives, and submissions that hold nothing to judge."""

import io
import random
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.assignment.spec import AssignmentSpec
from harness.base.errors import UsageError
from harness.sources import files as sources
from harness.sources import packed
from harness.sources.files import MAX_BYTES
from harness.sources.submission import open_submission


def zipped(entries: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(entries: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def opened(tmp_path: Path, assignment: AssignmentSpec):
    """Open a folder with these files; gives the names that are in the submission."""

    def names(**files: bytes) -> list[str]:
        for name, content in files.items():
            path = tmp_path / "ada" / name.replace("_dot_", ".").replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        submission = open_submission(tmp_path / "ada", assignment)
        return sorted(
            p.relative_to(submission.root).as_posix() for p in submission.root.rglob("*") if p.is_file()
        )

    return names


WORK = {"project/model.py": b"x = 1", "project/notes.txt": b"", "__MACOSX/project/._model.py": b"\0"}


@pytest.mark.parametrize(("name", "pack"), [("work_dot_zip", zipped), ("work_dot_tar_dot_gz", tarred)])
def test_an_archive_in_a_folder_is_opened_as_if_it_were_handed_in_itself(opened, name, pack):
    assert opened(**{name: pack(WORK), "readme_dot_txt": b""}) == ["model.py", "notes.txt"]


def test_an_archive_beside_a_program_stays_closed(opened):
    assert opened(model_dot_py=b"x = 1", old_dot_zip=zipped(WORK)) == ["model.py"]


def test_what_macos_writes_beside_an_archive_is_none(opened):
    hidden = {"._work_dot_zip": b"\0\5\26\7", "__MACOSX__x_dot_zip": b"\0"}
    assert opened(work_dot_zip=zipped(WORK), **hidden) == ["model.py", "notes.txt"]


def test_of_several_archives_the_one_with_the_program_counts(opened):
    assert opened(a_dot_zip=zipped({"data.json": b"{}"}), b_dot_zip=zipped(WORK)) == ["model.py", "notes.txt"]


def test_several_archives_with_programs_are_folders_of_one_submission(opened):
    found = opened(a_dot_zip=zipped({"x.py": b"a"}), b_dot_zip=zipped({"y.py": b"b"}))
    assert found == ["0/a/x.py", "1/b/y.py"]


def test_the_limits_are_those_of_one_submission_together(opened, monkeypatch):
    half = b"".join(bytes([number % 251]) * 100 for number in range(MAX_BYTES // 150))
    with pytest.raises(UsageError, match=r"too much to be one submission"):
        opened(a_dot_zip=zipped({"a.txt": half}), b_dot_zip=zipped({"b.txt": half}))
    monkeypatch.setattr(packed, "MAX_ARCHIVES", 1)
    with pytest.raises(UsageError, match=r"too many archives; expected at most 1, got more. Pack the"):
        opened(a_dot_zip=zipped({"x.txt": b""}), b_dot_zip=zipped({"x.txt": b""}))


def test_weights_in_an_archive_in_a_folder_do_not_count(opened, monkeypatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 2**16)
    weights = random.Random(1).randbytes(2**17)
    work = zipped({**WORK, "weights.pth": weights})
    assert len(work) > 2**16
    assert opened(work_dot_zip=work) == ["model.py", "notes.txt"]
    assert packed.is_source_or_archive(Path("work.zip"))


def test_a_bomb_or_a_link_in_an_archive_in_a_folder_is_refused(opened, tmp_path):
    with pytest.raises(UsageError, match=r"a.zip: 'model.py' grows too much as it is unpacked"):
        opened(a_dot_zip=zipped({"model.py": b"0" * 20_000_000}))


def test_an_archive_that_is_a_link_is_not_opened(opened, tmp_path):
    (tmp_path / "other.zip").write_bytes(zipped(WORK))
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "work.zip").symlink_to(tmp_path / "other.zip")
    with pytest.raises(UsageError, match=r"no .py file or notebook; expected one, got work.zip"):
        opened()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"work_dot_rar": b""},
            r"ada: work.rar: an archive that is not opened here; .* Pack the files as a .zip",
        ),
        ({"w_dot_tar_dot_xz": b""}, r"w.tar.xz: an archive that is not opened here"),
        (
            {"outer_dot_zip": zipped({"inner.zip": zipped(WORK)})},
            r"no .py file or notebook; expected one, got outer.zip, an archive that holds none itself or",
        ),
        (
            {"onlinetext_dot_html": b""},
            r"a text was entered on the platform; expected a file with the model, got",
        ),
        ({"a_dot_pdf": b"", "b_dot_docx": b""}, r"a notebook, got none, only a.pdf, b.docx. Name the folder"),
        (
            {"work_dot_zip": b"Rar!\x1a\x07"},
            r"work.zip: a RAR archive under another name; expected one of .zip,",
        ),
        ({"work_dot_tar_dot_gz": b"7z\xbc\xaf'\x1c"}, r"work.tar.gz: a 7z archive under another name"),
    ],
)
def test_what_to_hand_in_instead_is_said(opened, files, message):
    with pytest.raises(UsageError, match=message):
        opened(**files)


def test_a_file_of_another_kind_of_archive_says_what_to_hand_in(tmp_path, assignment):
    (tmp_path / "work.7z").touch()
    with pytest.raises(UsageError, match=r"^work.7z: an archive that is not opened here; .* hand that in\.$"):
        open_submission(tmp_path / "work.7z", assignment)
    (tmp_path / "outer.zip").write_bytes(zipped({"inner.zip": zipped(WORK)}))
    with pytest.raises(UsageError, match=r"expected one, got inner.zip, an archive that holds none itself"):
        open_submission(tmp_path / "outer.zip", assignment)


def test_names_in_a_zip_of_macos_are_read_though_it_does_not_say_how_they_are_written(tmp_path, assignment):
    data = zipped({"moxxdel.py": b"x = 1"}).replace(b"moxxdel.py", "moüdel.py".encode())
    (tmp_path / "work.zip").write_bytes(data)
    submission = open_submission(tmp_path / "work.zip", assignment)
    assert [path.name for path in submission.root.iterdir()] == ["moüdel.py"]
