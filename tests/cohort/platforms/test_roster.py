"""Who handed in what: folders and lists."""

import os
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.cohort.platforms.roster import Listed, read_roster


@pytest.fixture
def listed(tmp_path):
    """Write a list beside two submissions and read it."""
    (tmp_path / "ada").mkdir()
    (tmp_path / "bob.zip").touch()

    def read(text: str, encoding: str = "utf-8"):
        file = tmp_path / "class.csv"
        file.write_bytes(text.encode(encoding))
        return read_roster(file)

    return read


def test_every_folder_archive_notebook_and_python_file_is_a_student_s(tmp_path):
    (tmp_path / "ada").mkdir()
    for name in ("bob.zip", "cem.tar.gz", "dan.ipynb", "eve.py", "f.g.TGZ", ".DS_Store", "grades.xlsx"):
        (tmp_path / name).touch()
    roster = read_roster(tmp_path)
    assert [one.student for one in roster.listed] == ["ada", "bob", "cem", "dan", "eve", "f.g"]
    assert roster.listed[1] == Listed("bob", str(tmp_path / "bob.zip"), "bob.zip", None)
    assert roster.notes == (
        "taken for one entry a student: 6 submissions (--layout plain)",
        "left out, as they are not one folder, archive, notebook or .py file a student: grades.xlsx",
    )


def test_a_name_that_is_not_utf_8_is_written_so_that_it_can_be_stored(tmp_path):
    (tmp_path / os.fsdecode(b"ad\xe4.zip")).touch()
    (one,) = read_roster(tmp_path).listed
    assert (one.student, one.source) == ("ad\\xe4", "ad\\xe4.zip")
    assert Path(one.given).exists()


def test_a_name_is_one_name_however_its_letters_and_spaces_are_written(tmp_path):
    written = unicodedata.normalize("NFD", "Ådám\u00a0 \u200bO\u200cne\ufeff ")
    (tmp_path / written).mkdir()
    (tmp_path / "علی\u200cرضا").mkdir()
    assert [one.student for one in read_roster(tmp_path).listed] == ["Ådám One", "علی\u200cرضا"]
    (tmp_path / "Ådám One.zip").touch()
    with pytest.raises(UsageError, match="Ådám One handed in twice"):
        read_roster(tmp_path)


def test_a_link_is_listed_by_its_name_and_nothing_behind_it_is_looked_at(tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "ada").mkdir()
    for name in ("eve", "fay.zip", "grades.xlsx"):
        (tmp_path / "class" / name).symlink_to(tmp_path / "ada")
    roster = read_roster(tmp_path / "class")
    assert [(one.student, one.given) for one in roster.listed] == [
        (student, str(tmp_path / "class" / name))
        for student, name in (("eve", "eve"), ("fay", "fay.zip"), ("grades.xlsx", "grades.xlsx"))
    ]


def test_one_submission_is_not_taken_for_a_class(tmp_path):
    (tmp_path / "submission.toml").touch()
    with pytest.raises(UsageError, match=r"one submission; expected a folder of them, got submission"):
        read_roster(tmp_path)


def test_two_entries_of_one_name_are_refused(tmp_path):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada.zip").touch()
    with pytest.raises(UsageError, match=r"ada handed in twice; expected one entry a student, got ada"):
        read_roster(tmp_path)


@pytest.mark.parametrize(
    "heading", ["", "student,path-or-git-url[@commit],submitted_at\n", "\ufeffStudent,p,t\n"]
)
def test_a_list_names_students_paths_addresses_and_instants(listed, tmp_path, heading):
    roster = listed(
        f"{heading}ada,ada,2026-05-04T22:15:00+02:00\n\n"
        '"Bob, the second",bob.zip\n'
        "eve,https://example.org/eve.git@abc123,2026-05-04 20:15\n"
    )
    assert roster.notes == ()
    assert roster.listed == (
        Listed("Bob, the second", str(tmp_path / "bob.zip"), "bob.zip", None),
        Listed("ada", str(tmp_path / "ada"), "ada", datetime(2026, 5, 4, 20, 15, tzinfo=UTC)),
        Listed(
            "eve",
            "https://example.org/eve.git@abc123",
            "https://example.org/eve.git@abc123",
            datetime(2026, 5, 4, 20, 15, tzinfo=UTC),
        ),
    )


def test_a_list_and_a_disk_may_write_a_name_unalike(listed, tmp_path):
    (tmp_path / unicodedata.normalize("NFD", "émile")).mkdir()
    (tmp_path / unicodedata.normalize("NFD", "émile") / "task\u00a01").mkdir()
    roster = listed("É\u00a0mile\u200b,émile/task 1\nعلی\u200cرضا,ada\n")
    assert [one.student for one in roster.listed] == ["É mile", "علی\u200cرضا"]
    assert Path(roster.listed[0].given).name == "task\u00a01"


def test_a_folder_at_a_commit_is_taken_beside_the_list(listed, tmp_path):
    assert listed("ada,ada@v1\n").listed[0].given == f"{tmp_path / 'ada'}@v1"


def test_a_student_s_last_submission_counts_in_whatever_order_they_are_listed(listed):
    roster = listed("ada,bob.zip,2026-05-06\nada,ada,2026-05-04\nada,ada,2026-05-05\n")
    assert [(one.source, one.submitted_at.day) for one in roster.listed] == [("bob.zip", 6)]
    assert roster.notes == ("2 earlier submissions are not graded: a student's last one counts",)


def test_all_mistakes_of_a_list_are_named_by_their_lines(listed):
    with pytest.raises(UsageError) as caught:
        listed(
            "ada,ada,noon\nbob\n,ada\neve,nowhere.zip\ndan,\nfay,ada,2026-05-04,x\nada,ada\n"
            "a\x1bb,ada\ngil,File:///etc@main\n"
        )
    lines = str(caught.value).splitlines()
    columns = "expected student, path-or-git-url[@commit], submitted_at"
    instant = "expected an instant such as 2026-05-04T22:15:00+02:00"
    expected = [
        f"line 1: submitted_at: {instant}, got 'noon'. Correct it.",
        f"line 2: {columns}, got 1 columns. Quote what has commas.",
        "line 3: student: expected a name, got ''. Fill it in.",
        "line 4: nowhere.zip: no such file or folder beside the list. Correct the path, or give an address.",
        "line 5: path: expected a path or a repository's address, got nothing. Fill it in.",
        f"line 6: {columns}, got 4 columns. Quote what has commas.",
        r"line 8: student: expected a name, got 'a\x1bb'. Fill it in.",
        "line 9: File:///etc@main: an address of this machine, which a student may have written; expected a "
        "path, or a server's address. Write the path of the folder, with @ and the commit behind it if need "
        "be.",
    ]
    assert [line.split(", ", 1)[1] for line in lines] == expected


def test_two_submissions_of_one_student_without_instants_are_refused(listed):
    with pytest.raises(UsageError, match=r"line 2: ada is there twice, also in line 1; expected an"):
        listed("ada,ada\nada,bob.zip,2026-05-04\n")


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        ("ädä,ada\n", "latin-1", r"class.csv: cannot be read as CSV \('utf-8' codec can't decode"),
        (
            '"ada,ada\n',
            "utf-8",
            r"cannot be read as CSV \(unexpected end of data\); expected",
        ),
        (
            "student,path\n",
            "utf-8",
            r"class.csv: no submissions; expected a line with student",
        ),
    ],
)
def test_a_list_that_cannot_be_read_is_said(listed, text, encoding, message):
    with pytest.raises(UsageError, match=message):
        listed(text, encoding)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "empty: no submissions; expected one folder, archive, notebook or .py file a student"),
        ("x.txt", "platform's .zip file of all, or a .csv file, got a .txt file. Name one"),
        ("nowhere", "platform's .zip file of all, or a .csv file, got no such file or folder. Name one"),
    ],
)
def test_what_is_no_roster_is_said(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.txt").touch()
    with pytest.raises(UsageError, match=message):
        read_roster(tmp_path / name)


def test_every_submission_is_listed_where_another_than_the_last_may_count(tmp_path):
    for name in ("one.py", "two.py", "eve.py"):
        (tmp_path / name).touch()
    (tmp_path / "list.csv").write_text(
        "ada,two.py,2026-05-04T22:15:00Z\neve,eve.py,\nada,one.py,2026-05-04T20:15:00Z\n"
    )
    found = read_roster(tmp_path / "list.csv", every=True)
    assert [(one.student, one.source) for one in found.listed] == [
        ("ada", "one.py"), ("ada", "two.py"), ("eve", "eve.py"),
    ]  # fmt: skip
    assert [one.source for one in read_roster(tmp_path / "list.csv").listed] == ["two.py", "eve.py"]
