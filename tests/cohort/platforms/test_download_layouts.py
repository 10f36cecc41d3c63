"""How platforms lay out a class, from the names in it."""

from datetime import UTC, datetime

import pytest

from harness.base.errors import UsageError
from harness.cohort.platforms.download_layouts import Contents, Handed, lay_out, recognise
from harness.cohort.platforms.names import Identity

METADATA = """submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: 123
    :email: ada@uni.edu
  :created_at: 2026-04-26 17:34:00.861687000 Z
  :history:
  - :id: 9
    :score: 2.0
  :results:
    output: "&#x1F600; : - *x"
submission_2:
  :submitters:
  - :name: Bob B
    :sid: '007'
  - :name: Cem C
    :email: cem@uni.edu
  :created_at: 2026-04-26 18:00:00 +0200
submission_3:
  :submitters: []
submission_4:
  :submitters:
  - :name: Nobody
"""


def contents(*paths: str, called: str = "class", **texts: str) -> Contents:
    named = {name.replace("__", "/").replace("_dot_", "."): text for name, text in texts.items()}
    return Contents(paths, called, lambda path: named.get(path, ""))


def moodle(*more: str) -> Contents:
    return contents(
        "Ada Lovelace_1_assignsubmission_file_/",
        "Ada Lovelace_1_assignsubmission_file_/work.zip",
        "Ada Lovelace_1_assignsubmission_onlinetext_/",
        "Ada Lovelace_1_assignsubmission_onlinetext_/onlinetext.html",
        "Bob B_2_assignsubmission_onlinetext_/onlinetext.html",
        *more,
    )


def test_moodle_s_folders_are_one_a_student_and_a_text_counts_where_there_is_no_file():
    laid = lay_out(moodle("notes.xlsx"), "moodle")
    assert laid.handed == (
        Handed(Identity("Ada Lovelace", participant="1"), "Ada Lovelace_1_assignsubmission_file_/"),
        Handed(Identity("Bob B", participant="2"), "Bob B_2_assignsubmission_onlinetext_/"),
    )
    assert laid.left_out == ("notes.xlsx",)
    assert recognise(moodle()) == "moodle"


def test_moodle_s_files_without_folders_are_put_together():
    begin = "Ada_1_assignsubmission_file_"
    (one,) = lay_out(contents(f"{begin}model (1).py", f"{begin}submission.toml"), "moodle").handed
    assert one.files == ((f"{begin}model (1).py", "model.py"), (f"{begin}submission.toml", "submission.toml"))


def test_two_downloads_of_one_student_s_folder_are_refused():
    begin = "Ada_1_assignsubmission_file_"
    with pytest.raises(
        UsageError, match=r"Ada handed in twice; expected one entry a student, got Ada_1_assi"
    ):
        lay_out(contents(f"{begin}/a.py", f"{begin} (1)/a.py"), "moodle")


def test_canvas_files_of_one_student_are_one_submission():
    there = contents(
        "lovelaceada_LATE_11_101_model-1.py", "lovelaceada_LATE_11_102_submission-1.toml",
        "lovelaceada_12_103_work.zip", "lovelaceada_13_text.html", "readme.txt",
    )  # fmt: skip
    laid = lay_out(there, "canvas")
    ada, other, text = laid.handed
    assert ada == Handed(
        Identity("lovelaceada", user="11", late=True, resubmission=1),
        files=(
            ("lovelaceada_LATE_11_101_model-1.py", "model.py"),
            ("lovelaceada_LATE_11_102_submission-1.toml", "submission.toml"),
        ),
    )
    assert (other.identity.user, other.identity.late, other.identity.resubmission) == ("12", False, None)
    assert text.files == (("lovelaceada_13_text.html", "text.html"),)
    assert laid.left_out == ("readme.txt",)
    assert recognise(there) == "canvas"


def test_gradescope_says_members_numbers_instants_and_earlier_submissions():
    there = contents(
        "submission_metadata.yml", "submission_1/model.py", "submission_2/model.py", "submission_3/x.py",
        submission_metadata_dot_yml=METADATA,
    )  # fmt: skip
    assert recognise(there) == "gradescope"
    laid = lay_out(there, "gradescope")
    ada, bob, cem = laid.handed
    assert ada.identity == Identity("Ada Lovelace", sid="123", email="ada@uni.edu", resubmission=1)
    assert ada.submitted_at == datetime(2026, 4, 26, 17, 34, 0, 861687, tzinfo=UTC)
    assert (bob.root, bob.identity.sid, bob.identity.group) == ("submission_2/", "007", "submission_2")
    assert (cem.root, cem.identity.email, cem.submitted_at) == (bob.root, "cem@uni.edu", bob.submitted_at)
    assert bob.submitted_at == datetime(2026, 4, 26, 16, 0, tzinfo=UTC)
    assert laid.left_out == ("submission_3/", "submission_4")


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n"])
def test_a_metadata_file_that_is_none_is_said(text):
    with pytest.raises(UsageError, match=r"submission_metadata.yml: cannot be read .*Export the submissions"):
        lay_out(contents("submission_metadata.yml", submission_metadata_dot_yml=text), "gradescope")


SCORES = """username,email,score,max_score,datetime,submission,submitted_by,review,late
bob,bob@uni.edu,1,2,2026-05-01T10:00:00Z,v1,bob,,false
bob,bob@uni.edu,2,2,2026-05-03T10:00:00Z,v2,bob,,true
ada-l,,,,,,,,
"""


def test_clones_are_called_by_their_students_and_scores_say_when():
    there = contents(
        "cs-hello-ada-l/.git/", "cs-hello-Bob/.git/", "scores.csv", "log.txt",
        called="cs-hello_submissions_2026_05_09_T_14_30_45", scores_dot_csv=SCORES,
    )  # fmt: skip
    assert recognise(there) == "classroom50"
    laid = lay_out(there, "classroom50")
    ada, bob = laid.handed
    assert (ada.identity, ada.submitted_at) == (Identity("ada-l", login="ada-l"), None)
    assert bob.identity == Identity("Bob", login="Bob", email="bob@uni.edu", late=True, resubmission=1)
    assert bob.submitted_at == datetime(2026, 5, 3, 10, tzinfo=UTC)
    assert (laid.left_out, laid.taken_off) == (("log.txt",), "cs-hello-")


@pytest.mark.parametrize(
    ("called", "folders", "logins"),
    [
        ("hw-1-submissions", ("hw-1-ada/", "hw-1-bob-2/"), ["ada", "bob-2"]),
        ("anything", ("hw-1-ada/.git/", "hw-1-bob/.git/"), ["ada", "bob"]),
        ("anything", ("ada-hello/.git/", "bob-hello/.git/"), ["ada", "bob"]),
        ("hw-1-submissions", ("hw-1-ada/.git/",), ["ada"]),
    ],
)
def test_what_all_clones_have_in_common_is_taken_off(called, folders, logins):
    there = contents(*folders, called=called)
    assert recognise(there) == "classroom50"
    assert [one.identity.login for one in lay_out(there, "classroom50").handed] == logins


@pytest.mark.parametrize("begin", ["", "submitted/"])
def test_nbgrader_s_folders_are_the_student_s_and_say_when(begin):
    there = contents(
        f"{begin}ada/ps1/S9.ipynb", f"{begin}ada/ps1/timestamp.txt", f"{begin}bob/ps1/S9.ipynb",
        **{f"{begin.replace('/', '__')}ada__ps1__timestamp_dot_txt": "2026-02-02 15:58:23.5 Europe/Berlin\n"},
    )  # fmt: skip
    assert recognise(there) == "nbgrader"
    ada, bob = lay_out(there, "nbgrader").handed
    assert (ada.identity.login, ada.root) == ("ada", f"{begin}ada/ps1/")
    assert ada.submitted_at == datetime(2026, 2, 2, 14, 58, 23, 500_000, tzinfo=UTC)
    assert (bob.root, bob.submitted_at) == (f"{begin}bob/ps1/", None)


def test_of_several_assignments_of_nbgrader_one_has_to_be_named():
    there = contents("submitted/ada/ps1/a.py", "submitted/ada/ps2/a.py", "submitted/bob/ps2/a.py")
    with pytest.raises(
        UsageError, match=r"for 2 assignments of nbgrader; .* got ps1, ps2. Name one with --task"
    ):
        lay_out(there, "nbgrader")
    assert [one.root for one in lay_out(there, "nbgrader", task="ps2").handed] == [
        "submitted/ada/ps2/", "submitted/bob/ps2/",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"expected folders STUDENT/ps3/, got assignments ps1, ps2. Name"):
        lay_out(there, "nbgrader", task="ps3")


@pytest.mark.parametrize(
    "paths",
    [
        ("ada/model.py", "bob.zip", "cem_1_2.py"),
        ("ada/src/model.py", "bob/src/model.py"),
        ("ada/ps1/timestamp.txt", "bob/model.py", "cem/model.py"),
        ("ada-x/model.py", "bob-x/model.py"),
        ("Ada_1_assignsubmission_file_/a.py", "bob.zip", "cem.zip"),
        (),
    ],
)
def test_what_no_platform_has_laid_out_is_one_entry_a_student(paths):
    assert recognise(contents(*paths)) == "plain"


def test_one_entry_a_student_is_called_without_suffixes_numbers_and_instants():
    there = contents(
        "ada/model.py", "bob (1).zip", "cem.rar", "dan.tar.bz2", "e_2026_11_30T10_20_30_123456.zip", "x.pdf"
    )
    laid = lay_out(there, "plain")
    assert [one.identity.name for one in laid.handed] == ["ada", "bob", "cem", "dan", "e"]
    assert laid.left_out == ("x.pdf",)


def test_letters_that_unzip_has_written_by_their_codes_are_read():
    folder = "J#U00f6rg M#U00fcller_1_assignsubmission_file_/"
    (one,) = lay_out(contents(f"{folder}a.py"), "moodle").handed
    assert one == Handed(Identity("Jörg Müller", participant="1"), folder)


def test_no_file_of_a_submission_is_lost_to_another_of_its_name():
    (one,) = lay_out(contents("ada_1_2_model.py", "ada_1_3_model.py", "ada_1_4_x-1.py"), "canvas").handed
    assert one.files == (
        ("ada_1_2_model.py", "model.py"), ("ada_1_3_model.py", "ada_1_3_model.py"),
        ("ada_1_4_x-1.py", "x.py"),
    )  # fmt: skip
