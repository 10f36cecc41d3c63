"""What is copied of a folder to which its owner still writes."""

import os
import socket
import unicodedata
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.sources import files as sources
from harness.sources.files import MAX_BYTES, copy_sources, source_files


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A submission of three files, and a secret beside it."""
    root = tmp_path / "mine"
    (root / "net").mkdir(parents=True)
    for name in ("a.py", "b.py", "net/c.py"):
        (root / name).write_text("mine")
    (tmp_path / "secret").mkdir()
    for name in ("b.py", "c.py"):
        (tmp_path / "secret" / name).write_text("secret")
    return root


def copied(to: Path) -> dict[str, str]:
    return {str(path.relative_to(to)): path.read_text() for path in to.rglob("*.*")}


def test_sources_are_listed_and_copied_in_the_order_of_their_names(mine: Path, tmp_path: Path) -> None:
    copy_sources(mine, tmp_path / "copy")
    assert list(source_files(mine)) == [mine / "a.py", mine / "b.py", mine / "net" / "c.py"]
    assert copied(tmp_path / "copy") == dict.fromkeys(("a.py", "b.py", "net/c.py"), "mine")


@pytest.mark.parametrize("swapped", ["b.py", "net"])
def test_a_link_that_takes_the_place_of_a_file_while_it_is_copied_is_not_followed(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    decide, target = sources.is_source, tmp_path / "secret" / ("b.py" if swapped == "b.py" else "")

    def swap_then_decide(relative: Path) -> bool:
        # The folder has been listed; the file is opened next.
        if not (mine / swapped).is_symlink():
            (mine / swapped).rename(tmp_path / "away")
            (mine / swapped).symlink_to(target)
        return decide(relative)

    monkeypatch.setattr(sources, "is_source", swap_then_decide)
    copy_sources(mine, tmp_path / "copy")
    assert (mine / swapped).is_symlink()
    assert "secret" not in copied(tmp_path / "copy").values()
    assert "a.py" in copied(tmp_path / "copy")


def test_what_is_no_plain_file_is_left_out_and_not_waited_for(mine: Path, tmp_path: Path) -> None:
    os.mkfifo(mine / "pipe.py")
    (mine / "folder.py").mkdir()
    (mine / "nowhere.py").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(mine / "socket.py"))
        copy_sources(mine, tmp_path / "copy")
    assert sorted(copied(tmp_path / "copy")) == ["a.py", "b.py", "net/c.py"]


def test_a_file_that_grows_while_it_is_copied_is_refused(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 12)
    write = Path.write_bytes

    def grow_then_write(path: Path, data: bytes) -> int:
        (mine / "net" / "c.py").write_text("mine, and more")
        monkeypatch.setattr(sources, "MAX_BYTES", MAX_BYTES)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", grow_then_write)
    with pytest.raises(UsageError, match="too much to be one submission"):
        copy_sources(mine, tmp_path / "copy")


def test_a_path_without_end_is_refused(mine: Path, tmp_path: Path) -> None:
    deep = mine
    for _ in range(6):
        deep = deep / ("d" * 200)
        deep.mkdir()
    with pytest.raises(UsageError, match="too long a path; expected at most 255 bytes for a name and"):
        copy_sources(mine, tmp_path / "copy")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(mine: Path, tmp_path: Path) -> None:
    (mine / "b.py").chmod(0)
    with pytest.raises(UsageError, match=r"b\.py: cannot be read \(Permission denied\)"):
        copy_sources(mine, tmp_path / "copy")


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("Model.PY", "Model.py"),
        ("S9.Ipynb", "S9.ipynb"),
        (unicodedata.normalize("NFD", "modèle.py"), "modèle.py"),
        ("mo\u200bdel.py\ufeff", "model.py"),
        ("my\u00a0model.py", "my model.py"),
        (os.fsdecode(b"mod\xe9le.py"), "mod\\xe9le.py"),
        (os.fsdecode(b"\xe9/a.py"), "\\xe9/a.py"),
        ("CONFIG.JSON", "CONFIG.JSON"),
        ("نیم\u200cفاصله.json", "نیم\u200cفاصله.json"),
    ],
)
def test_a_source_has_in_the_copy_the_name_by_which_python_finds_it(
    tmp_path: Path, name: str, taken: str
) -> None:
    file = tmp_path / "mine" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    copy_sources(tmp_path / "mine", tmp_path / "copy")
    assert copied(tmp_path / "copy") == {taken: "mine"}


def test_of_two_names_that_become_one_the_file_that_has_it_is_taken(mine: Path, tmp_path: Path) -> None:
    (mine / "A.PY").write_text("other")
    (mine / "a.PY").write_text("other")
    copy_sources(mine, tmp_path / "copy")
    assert copied(tmp_path / "copy") == dict.fromkeys(("a.py", "b.py", "net/c.py"), "mine") | {
        "A.py": "other"
    }


def test_a_copy_can_be_read_by_every_user_whatever_the_umask(mine: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        copy_sources(mine, tmp_path / "copy")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "copy").rglob("*")}
    assert modes == {"a.py": 0o644, "b.py": 0o644, "net": 0o755, "c.py": 0o644}
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o755
