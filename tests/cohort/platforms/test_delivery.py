"""A class as it is handed out, folder or zip file, up to the sources in the store."""

import io
import random
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.cohort import ingest as ingesting
from harness.cohort.ingest import ingest
from harness.cohort.platforms.class_list import parse_class_list
from harness.cohort.platforms.names import Identity
from harness.cohort.platforms.roster import read_roster
from harness.cohort.store.objects import Objects
from harness.sources import unpack

NET = "from torch import nn\n\n\nclass Net(nn.Module):\n    pass\n"


def zipped(entries: Mapping[str, bytes | str], *, mark: bool = True) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


MOODLE = {
    "Ada L_1_assignsubmission_file_/deep/work.zip": zipped({"x/model.py": NET, "x/submission.json": "1"}),
    unicodedata.normalize("NFD", "Jörg Müller_2_assignsubmission_file_/model.py"): NET,
    "Eve R_3_assignsubmission_file_/work.rar": "Rar!",
    "Bo B_4_assignsubmission_file_/model.py": "0" * 20_000_000,
    "Tex T_5_assignsubmission_onlinetext_/onlinetext.html": "<p>",
    "__MACOSX/Ada L_1_assignsubmission_file_/._x": "",
    "notes.xlsx": "",
}


@pytest.fixture
def delivered(tmp_path: Path):
    """Lay files out, in a folder or a zip file of that; gives its path."""

    def laid(entries: Mapping[str, bytes | str], how: str, name: str = "all") -> Path:
        if how == "zip":
            (tmp_path / f"{name}.zip").write_bytes(zipped(entries))
            return tmp_path / f"{name}.zip"
        for entry, content in entries.items():
            file = tmp_path / name / entry
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    return laid


@pytest.fixture
def handed_in_from(tmp_path, config):
    """Hand a class in; gives by student the names of the sources that are kept, or the problem."""
    objects = Objects(tmp_path / "files")

    def taken(path: Path, **options) -> dict[str, list[str] | str]:
        found = [ingest(one, config, objects) for one in read_roster(path, **options).listed]
        return {
            one.student: one.problem or sorted(p.name for p in objects.path(one.sources_sha256).iterdir())
            for one in found
        }

    return taken


@pytest.mark.parametrize("how", ["folder", "zip"])
def test_moodle_s_download_is_taken_in_student_by_student(delivered, handed_in_from, how):
    found = handed_in_from(delivered(MOODLE, how))
    assert found.pop("Ada L") == ["model.py", "submission.json"]
    assert found.pop("Jörg Müller") == ["model.py"]
    assert "work.rar: an archive that is not opened here" in found.pop("Eve R")
    assert "a text was entered on the platform" in found.pop("Tex T")
    bomb = found.pop("Bo B")
    assert ("grows too much" in bomb) if how == "zip" else bomb == ["model.py"]
    assert not found


def test_a_problem_names_the_student_s_entry_and_no_folder_of_this_machine(
    delivered, handed_in_from, tmp_path
):
    entries = {"ada_11_12_a.zip": zipped({"notes.txt": ""}), "bob_13_14_a.zip": "no zip", "cy_1_2_a.pdf": ""}
    entries |= {"text_17_text.html": "<p>", "link_18_link.html": "<p>"}
    problems = handed_in_from(delivered(entries, "folder"))
    for student in ("text", "link"):
        assert (
            f"a text was entered on the platform; expected a file with the model, got {student}.html"
            in (problems[student])
        )
    for problem in problems.values():
        assert str(tmp_path) not in problem
        assert "unfinished" not in problem
    problem = handed_in_from(delivered({**entries, "dan_15_16_model.py": "0" * 20_000_000}, "zip"))["dan"]
    assert problem.startswith("dan_15_16_model.py in all.zip: 'dan_15_16_model.py' grows too much")


@pytest.mark.parametrize("how", ["folder", "zip"])
def test_canvas_files_of_a_student_are_put_together_under_their_own_names(delivered, handed_in_from, how):
    entries = {
        "lovelaceada_11_101_model-1.py": NET, "lovelaceada_11_102_blocks.py": "", "müllerjörg_12_103_S 9.zip":
        zipped({"S9/model.py": NET}), "eve_LATE_13_104_model.py": NET, "eve_LATE_13_105_photo.png": "x",
    }  # fmt: skip
    assert handed_in_from(delivered(entries, how)) == {
        "lovelaceada": ["blocks.py", "model.py"], "müllerjörg": ["model.py"], "eve": ["model.py"],
    }  # fmt: skip


def test_a_file_that_is_a_link_to_another_s_is_not_followed(delivered, handed_in_from, tmp_path):
    folder = delivered({"ada_11_101_model.py": NET, "ada_11_102_x.py": "", "bob_12_103_a.py": NET}, "folder")
    (folder / "bob_12_104_b.py").symlink_to(folder / "ada_11_101_model.py")
    assert "bob_12_103_a.py: a link; expected the submission itself" in handed_in_from(folder)["bob"]


def test_a_folder_around_all_of_a_zip_file_is_not_the_class(delivered):
    path = delivered({"class/ada/model.py": NET, "class/bob.py": NET}, "zip")
    assert [one.student for one in read_roster(path).listed] == ["ada", "bob"]
    path = delivered({f"all/{name}": content for name, content in MOODLE.items()}, "zip")
    assert len(read_roster(path).listed) == 5


def test_no_student_hands_in_for_others_by_the_names_in_a_folder(delivered):
    path = delivered({"eve/Ada_1_assignsubmission_file_/model.py": NET}, "folder")
    found = read_roster(path)
    assert [one.student for one in found.listed] == ["eve"]
    assert found.notes[1] == "eve may be Moodle's download itself: name that folder, or --layout moodle"
    assert [one.student for one in read_roster(path, layout="moodle").listed] == ["Ada"]


def test_what_is_laid_out_unlike_what_is_asked_for_is_said(delivered):
    path = delivered({"ada/model.py": NET}, "folder")
    with pytest.raises(
        UsageError, match=r"no submissions; expected files named name_12345_678901_file.zip. Name"
    ):
        read_roster(path, layout="canvas")
    (path / "x.zip").write_text("no zip")
    with pytest.raises(UsageError, match=r"x.zip: cannot be read as a zip file .* Download it again"):
        read_roster(path / "x.zip")


def test_students_without_full_names_are_called_as_the_class_list_has_them(delivered):
    listed = parse_class_list(
        'Student,ID,SIS Login ID,Section\n"Müller, Jörg",12,jm,A\n"Ada, A",13,a,A\n"Ada, A",14,b,A\n'
    )
    entries = {"müllerjörg_12_1_a.py": NET, "adaa_13_2_a.py": NET, "adaa_14_3_a.py": NET, "x_15_4_a.py": NET}
    found = read_roster(delivered(entries, "folder"), class_list=listed)
    assert [one.student for one in found.listed] == ["A Ada 13", "A Ada 14", "Jörg Müller", "x"]
    known = {"Jörg M.": Identity("jm", user="12"), "x": Identity("x", user="99")}
    again = read_roster(delivered(entries, "folder"), class_list=listed, known=known)
    assert [one.student for one in again.listed] == ["A Ada 13", "A Ada 14", "Jörg M.", "x 15"]


def test_two_of_one_name_without_numbers_are_refused(delivered):
    text = "a:\n  :submitters:\n  - :name: Ada\nb:\n  :submitters:\n  - :name: Ada\n"
    path = delivered({"submission_metadata.yml": text, "a/x.py": NET, "b/x.py": NET}, "folder")
    with pytest.raises(UsageError, match=r"Ada: 2 submissions of that name; expected one, or numbers"):
        read_roster(path)


def test_what_the_layout_was_taken_for_is_told(delivered):
    notes = read_roster(delivered(MOODLE, "folder")).notes
    assert notes == (
        "taken for Moodle's download: 5 submissions (--layout moodle)",
        "left out, as they are not NAME_NUMBER_assignsubmission_file_ folders or files: notes.xlsx",
    )
    clones = delivered({"hw-ada/.git/x": "", "hw-bob/.git/x": "", "log.txt": ""}, "folder", "hw-submissions")
    assert read_roster(clones).notes[1] == "taken off every name: hw-"


def test_one_submission_in_a_zip_file_is_not_taken_for_a_class(delivered):
    with pytest.raises(
        UsageError, match=r"all.zip: one submission; expected a folder of them, got submission"
    ):
        read_roster(delivered({"work/submission.toml": "", "work/model.py": NET}, "zip"))


@pytest.mark.parametrize("how", ["folder", "zip"])
def test_weights_in_a_student_s_archive_do_not_count(delivered, handed_in_from, how, monkeypatch):
    for module in (ingesting, unpack):
        monkeypatch.setattr(module, "MAX_BYTES", 2**16)
    work = zipped({"model.py": NET, "weights.pth": random.Random(1).randbytes(2**17)})
    entries = {"ada_11_101_work.zip": work, "bob_12_102_work.zip": work, "bob_12_103_a.txt": ""}
    assert handed_in_from(delivered(entries, how)) == {"ada": ["model.py"], "bob": ["model.py"]}
    entries["bob_12_104_b.txt"] = "0123456789abcdef" * 2**13
    assert "too much to be one submission" in handed_in_from(delivered(entries, how))["bob"]
