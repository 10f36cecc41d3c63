"""Class lists as platforms and spreadsheets write them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import UsageError
from harness.cohort.platforms.class_list import decoded, kind_of, parse_class_list, read_class_list

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Task (7),Current Score,Final Score
,,,,,Manual Posting,,
    Points Possible,,,,,100.00,(read only),(read only)
"Müller, Jörg",12001,s1,jm1,S1,,5,5
"Student, Test",99,,x,S1,,,
"""
MOODLE = (
    "Identifier,Full name,ID number,Email address,Status,Group,Grade,Maximum Grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    'Participant 4701,Ada Lovelace,9001,ada@uni.edu,Submitted for grading,Red,,100.00,Yes,"Monday, 30",-,\n'
)
GERMAN = (
    "ID;Vollständiger Name;Matrikelnummer;E-Mail-Adresse;Status;Bewertung;Bestwertung;"
    "Bewertung kann geändert werden;Zuletzt geändert (Bewertung);Feedback als Kommentar\n"
    "Teilnehmer/in4702;Jörg Müller;9002;jm@uni.de;;;100,00;Ja;-;\n"
)
CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\0"), max_size=8)


@pytest.mark.parametrize(
    ("text", "platform", "name", "known"),
    [
        (CANVAS, "canvas", "Jörg Müller", {"id": "12001", "sid": "s1", "login": "jm1"}),
        (
            "LastName,FirstName,ID,SIS Login ID,Section\n    Points Possible,,,,\nMüller,Jörg,12,jm,S\n"
            "Student,Test,99,x,S\n",
            "canvas",
            "Jörg Müller",
            {"id": "12", "login": "jm"},
        ),
        (
            MOODLE,
            "moodle",
            "Ada Lovelace",
            {"participant": "Participant 4701", "sid": "9001", "group": "Red"},
        ),
        (GERMAN, "moodle", "Jörg Müller", {"participant": "Teilnehmer/in4702", "sid": "9002"}),
        (
            "Vorname,Nachname,E-Mail-Adresse,Gruppen\nJörg,Müller,jm@uni.de,Rot\n",
            "moodle",
            "Jörg Müller",
            {"given": "Jörg", "family": "Müller", "email": "jm@uni.de"},
        ),
        (
            "First Name,Last Name,SID,Email,Role\nAda,Lovelace,1,a@b.c,Student\nTim,T,2,t@b.c,Instructor\n",
            "gradescope",
            "Ada Lovelace",
            {"sid": "1", "email": "a@b.c"},
        ),
        (
            '"identifier","github_username","github_id","name"\n"9001","adal","77","Ada"\n',
            "plain",
            "Ada",
            {"login": "adal"},
        ),
        ("MatrNr.\tE-Mail\n9001\ta@b.c\n", "plain", "a@b.c", {"sid": "9001"}),
        ("sep=;\r\nName;Punkte\r\nAda;\r\n", "plain", "Ada", {"name": "Ada"}),
        ("Class of 2026\n\nName|Email\nAda|a@b.c\n", "plain", "Ada", {"email": "a@b.c"}),
    ],
)
def test_a_list_of_any_platform_names_its_students(text, platform, name, known):
    listed = parse_class_list(text)
    assert listed.platform == platform
    (person,) = listed.people
    assert person.name == name
    assert {kind: person.of(kind) for kind in known} == known


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_encoding_and_delimiter_is_recognised(tmp_path, encoding, delimiter):
    file = tmp_path / "class.csv"
    lines = [["Name", "E-Mail-Adresse", "Note"], ["Jörg Müßig", "jörg@uni.de", "a;b,c"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(lines)
    file.write_bytes(text.getvalue().encode(encoding))
    assert read_class_list(file).lines == tuple(map(tuple, lines))


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=5), st.sampled_from([",", ";", "\t"]))
def test_every_cell_is_kept_as_it_is(rows, delimiter):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["name", "email address"], *rows])
    assert [list(line) for line in parse_class_list(text.getvalue()).lines[1:]] == rows


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("E-MAIL", "email"), ("email_address", "email"), ("Matrikel-Nr.", "sid"), ("SIS Login ID", "login"),
        ("Nachname", "family"), ("prénom", "given"), ("Vollstaendiger Name", "name"),
        ("Anmeldename", "login"),
        ("Bewertung", "grade"), ("Last modified (grade)", None), ("", None),
    ],
)  # fmt: skip
def test_headings_are_known_in_whatever_spelling(heading, kind):
    assert kind_of(heading) == kind


def test_text_of_no_known_encoding_is_read_as_far_as_it_is():
    assert decoded(b"Name\n\x81\xe4") == "Name\n\ufffdä"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n1,2\n", "no column names students; expected a heading such as name, .* got a, b. Export"),
        (b"", "no column names students; .* got nothing. Export it from the platform again"),
        (b"PK\x03\x04", "a spreadsheet; expected a CSV file. Save it as CSV"),
        (b"x" * (16 * 2**20 + 1), "too large; expected at most 16 MiB"),
        (None, r"cannot be read \(No such file or directory\). Name the platform's CSV file"),
    ],
)
def test_what_is_no_class_list_is_said(tmp_path, data, message):
    file = tmp_path / "class.csv"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(UsageError, match=f"--roster .*class.csv: {message}"):
        read_class_list(file)
