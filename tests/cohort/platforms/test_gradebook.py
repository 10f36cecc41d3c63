"""What goes back to a platform, read by small models of its importer."""

import csv
import io
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import UsageError
from harness.cohort.platforms.class_list import ClassList, parse_class_list
from harness.cohort.platforms.gradebook import Filled, Mark, Task, fill
from harness.cohort.platforms.joining import join
from harness.cohort.platforms.names import Identity

TASK = Task(("Compact CNN", "compact-cnn"), 100)
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Essay (1),Compact CNN (2),Current Score,Final Score\r\n"
    ",,,,,Manual Posting,,,\r\n"
    "    Points Possible,,,,,10.00,100.00,(read only),(read only)\r\n"
    '"Lovelace, Ada",11,s1,adal,"A, B",7.5,,50,50\r\n'
    '"Müller, Jörg",12,s2,jm,A,,EX,50,50\r\n'
    '"Da, Nie",13,s3,nd,A,3,40,50,50\r\n'
    '"Student, Test",99,,test,A,,,,\r\n'
)
WORKSHEET = (
    "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
    "Last modified (grade),Feedback comments\n"
    "Participant 1,Ada Lovelace,a@b.c,Submitted,,100.00,Yes,-,\n"
    "Participant 2,Jörg Müller,j@b.c,Submitted,,100.00,No,-,old\n"
    'Participant 3,Nie Da,n@b.c,No submission,,100.00,Yes,"Monday, 1",\n'
    "Participant 4,By Hand,h@b.c,No submission,12.00,100.00,Yes,-,\n"
)


def filled(text: str, column: str | None = None, task: Task = TASK, **points: float) -> Filled:
    """Enter points of students, who are called as in the list, with _ for spaces."""
    listed = parse_class_list(text)
    marks = {name.replace("_", " "): Mark(value, f"{value} points") for name, value in points.items()}
    return fill(listed, join(listed, dict.fromkeys(marks)), marks, task, column)


def lines(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def as_canvas_imports(text: str) -> tuple[dict[str, float], dict[tuple[int, str], str]]:
    """Read a gradebook as Canvas' gradebook_importer.rb does: points possible, and grades by user id."""
    head, *rest = lines(text)
    assert "Student" in head[0]
    assert "ID" in head[1]
    assert (head[2], head[3], head[4]) == ("SIS User ID", "SIS Login ID", "Section")
    reserved = re.compile("Current Score|Final Score|Current Points|Final Points|Override")
    titles = {at: title for at, title in enumerate(head) if at > 4 and not reserved.search(title)}
    possible: dict[str, float] = {}
    grades = {}
    for line in rest:
        if "Points Possible" in line[0]:
            possible = {titles[at]: float(line[at]) for at in titles}
        elif not all(re.fullmatch(r"\s*(Muted|Manual Posting.*)?\s*", cell) for cell in line):
            grades |= {(int(line[1]), titles[at]): line[at] for at in titles}
    return possible, grades


def as_moodle_imports(text: str) -> dict[int, tuple[str, str]]:
    """Read a grading worksheet as Moodle's importgradeslib.php does: grade and comment by participant."""
    head, *rest = lines(text.removeprefix("\ufeff"))
    id_at, grade_at, _ = (head.index(name) for name in ("Identifier", "Grade", "Last modified (grade)"))
    comment_at = head.index("Feedback comments")
    return {int(line[id_at][len("Participant ") :]): (line[grade_at], line[comment_at]) for line in rest}


def test_canvas_gets_its_own_lines_with_one_column_filled():
    found = filled(CANVAS, Ada_Lovelace=87, Jörg_Müller=50)
    possible, grades = as_canvas_imports(found.text)
    assert possible == {"Essay (1)": 10, "Compact CNN (2)": 100}
    assert grades == {
        (11, "Essay (1)"): "7.5", (11, "Compact CNN (2)"): "87", (12, "Essay (1)"): "",
        (12, "Compact CNN (2)"): "EX", (13, "Essay (1)"): "3", (13, "Compact CNN (2)"): "40",
        (99, "Essay (1)"): "", (99, "Compact CNN (2)"): "",
    }  # fmt: skip
    before, after = lines(CANVAS), lines(found.text)
    changed = [
        (row, at) for row, line in enumerate(before) for at, cell in enumerate(line) if after[row][at] != cell
    ]
    assert changed == [(3, 6)]
    assert found.notes == ("left as the platform has them, excused or locked: Jörg Müller",)


def test_canvas_without_the_column_gets_a_new_one_before_its_totals():
    found = filled(CANVAS, task=Task(("Other, new", "other"), 75), Ada_Lovelace=66.5)
    possible, grades = as_canvas_imports(found.text)
    assert possible["Other, new"] == 75
    assert {user: grade for (user, title), grade in grades.items() if title == "Other, new"} == {
        11: "66.5", 12: "", 13: "", 99: "",
    }  # fmt: skip
    assert [line[:7] + line[8:] for line in lines(found.text)] == lines(CANVAS)
    assert found.notes == (
        "no column of the class list is called Other, new: one was added. --column names another: "
        "Essay (1), Compact CNN (2)",
    )


def test_a_column_that_is_named_is_filled_and_another_maximum_is_said():
    found = filled(CANVAS, column="Essay (1)", Ada_Lovelace=87)
    assert as_canvas_imports(found.text)[1][(11, "Essay (1)")] == "87"
    assert found.notes == (
        "the platform counts to 10, the assignment to 100: set the platform's maximum to that before the "
        "import",
    )
    with pytest.raises(UsageError, match=r"--column Esay: not in the class list; expected one of Stud"):
        filled(CANVAS, column="Esay", Ada_Lovelace=1)


def test_moodle_s_worksheet_gets_grades_and_comments_and_keeps_the_rest():
    found = filled(WORKSHEET, Ada_Lovelace=87, Jörg_Müller=50)
    assert as_moodle_imports(found.text) == {
        1: ("87", "87 points"), 2: ("", "old"), 3: ("", "Nothing was handed in."),
        4: ("12.00", ""),
    }  # fmt: skip
    kept = [[cell for at, cell in enumerate(line) if at not in (4, 8)] for line in lines(found.text)]
    assert kept == [[cell for at, cell in enumerate(line) if at not in (4, 8)] for line in lines(WORKSHEET)]
    assert found.notes == ("left as the platform has them, excused or locked: Jörg Müller",)


def test_a_worksheet_saved_by_a_german_spreadsheet_is_written_as_moodle_reads_it():
    german = (
        "ID;Vollständiger Name;Bewertung;Bestwertung;Bewertung kann geändert werden\r\n"
        "7;Jörg Müller;;100,00;Ja\r\n"
    )
    assert lines(filled(german, Jörg_Müller=8).text) == [
        ["ID", "Vollständiger Name", "Bewertung", "Bestwertung", "Bewertung kann geändert werden"],
        ["7", "Jörg Müller", "8", "100,00", "Ja"],
    ]


@pytest.mark.parametrize(
    ("head", "column"),
    [
        ("name,points", 1),
        ("name,Punkte,mail", 1),
        ("name,mail,compact cnn", 2),
        ("First name,Last name,Email address,Assignment: Compact CNN (Real)", 3),
        ("First Name,Last Name,SID,Email,Role", 5),
        ("name,mail", 2),
    ],
)
def test_other_lists_have_the_column_filled_that_is_called_so_or_a_new_one(head, column):
    cells = ["Ada" if "ame" in one else "" for one in head.split(",")]
    found = lines(filled(f"{head}\n{','.join(cells)}\n", **{" ".join(cells).strip(): 3}).text)
    assert found[1][column] == "3"
    assert found[0][: len(cells)] == head.split(",")


@given(
    st.lists(st.sampled_from(["A", "B", "C", "D", "E"]), unique=True), st.permutations(["A", "B", "C", "D"])
)
def test_lines_columns_and_order_are_the_platform_s_whoever_has_handed_in(handed_in, listed):
    rows = [f"{name} X,{number},{number}@b.c" for number, name in enumerate(listed)]
    text = "name,id,email\n" + "".join(f"{row}\n" for row in rows)
    found = lines(filled(text, **{f"{name} X": ord(name) for name in handed_in}).text)
    assert [line[:3] for line in found] == [row.split(",") for row in ("name,id,email", *rows)]
    entered = {line[0][0]: line[3] for line in found[1:]}
    assert entered == {name: str(ord(name)) if name in handed_in else "" for name in listed}


def test_members_of_a_group_get_the_group_s_points():
    text = (
        "Identifier,Full name,Group,Grade,Grade can be changed\n"
        "Participant 1,Ada,Red,,Yes\nParticipant 2,Bob,Red,,Yes\n"
    )
    listed: ClassList = parse_class_list(text)
    students: Mapping[str, Identity] = {"Red": Identity("Red", participant="9")}
    found = fill(listed, join(listed, students), {"Red": Mark(5, "")}, TASK)
    assert [line[3] for line in lines(found.text)] == ["Grade", "5", "5"]
