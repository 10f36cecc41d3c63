"""The table as programs read it: every cell quoted, no formula, no zero that is none."""

import csv
import io
import json
from dataclasses import replace

import pytest

from harness.base.errors import UsageError
from harness.cohort.platforms.attendance import with_missing
from harness.cohort.platforms.class_list import parse_class_list
from harness.cohort.platforms.names import Identity
from harness.cohort.table import (
    ClassTable,
    columns,
    render_canvas,
    render_csv,
    render_json,
    render_moodle,
    render_roster,
    to_csv,
)

FORMULA = set("=+-@\t\r\n\0＝＋－＠")


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text), strict=True))


def by_student(text: str) -> dict[str, dict[str, str]]:
    head, *lines = parsed(text)
    return {line[0]: dict(zip(head, line, strict=True)) for line in lines}


def test_every_student_has_one_line_with_what_was_found(class_table):
    lines = by_student(render_csv(class_table))
    assert len(lines) == len(class_table.rows)
    ada = lines["ada"]
    assert {key: ada[key] for key in ("verdict", "points", "max_points", "final", "state", "stage")} == {
        "verdict": "passed", "points": "100", "max_points": "100", "final": "yes", "state": "graded",
        "stage": "full",
    }  # fmt: skip
    assert (ada["basic.accuracy_percent"], ada["basic.parameters"]) == ("87.34", "84322")
    assert float(ada["basic.accuracy_low_percent"]) < 87.34 < float(ada["basic.accuracy_high_percent"])
    assert (ada["basic.receptive_field_px"], ada["seconds"]) == ("55", "61.5")
    assert (ada["basic.min_accuracy"], ada["basic.min_accuracy.points"]) == ("passed", "25")
    assert ada["submitted_at"] == "2026-05-04T22:15:00+00:00"
    assert ada["scorecard"] == "files/ab/c d/scorecard.html"


def test_what_is_not_known_is_empty_and_not_a_zero(class_table, unreadable):
    lines = by_student(render_csv(class_table))
    assert (lines["gus"]["verdict"], lines["gus"]["points"], lines["gus"]["state"]) == ("", "", "waiting")
    assert (lines["dan"]["basic.min_accuracy"], lines["dan"]["basic.accuracy_percent"]) == ("", "")
    fay = lines["fay"]
    assert (fay["verdict"], fay["basic.no_max_pool"], fay["basic.no_max_pool.points"]) == (
        "not_judged", "not_judged", "",
    )  # fmt: skip
    assert (fay["problem"], fay["cause"], fay["open_points"]) == (unreadable, "student", "100")


@pytest.mark.parametrize(
    ("student", "final"),
    [("ada", True), ("bob", True), ("cyd", True), ("dan", False), ("fay", False), ("gus", False)],
)
def test_a_total_is_final_where_nothing_is_left_to_judge_or_train(class_table, student, final):
    assert class_table.standings[student].is_final == final


def test_json_says_the_same_with_numbers_as_numbers(class_table):
    data = json.loads(render_json(class_table))
    assert (data["schema"], data["assignment"]) == ("harness/table/1", class_table.assignment.id)
    assert [row["student"] for row in data["rows"]] == [row.student for row in class_table.rows]
    assert data["rows"][0]["basic.accuracy_percent"] == 87.34
    assert data["rows"][6]["points"] is None
    assert list(data["rows"][0]) == list(columns(class_table))


def test_variants_that_nobody_answers_have_no_columns(class_table, row):
    assert not [name for name in columns(class_table) if name.startswith("dilated.")]
    both = ClassTable(
        (row("ada", variants=("dilated", "basic")), row("bob")), class_table.assignment, class_table.out
    )
    assert list(both.variants) == ["basic", "dilated"]
    assert by_student(render_csv(both))["bob"]["dilated.parameters"] == ""
    assert both.max_points == ClassTable((row("ada", None),), both.assignment, both.out).max_points == 100


def test_canvas_gets_final_totals_alone_under_its_five_columns(class_table):
    head, total, *lines = parsed(render_canvas(class_table))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", class_table.assignment.title]
    assert total == ["Points Possible", "", "", "", "", "100"]
    assert [(line[0], line[3], line[5]) for line in lines] == [
        ("ada", "ada", "100"), ("bob", "bob", "75"), ("cyd", "cyd", "25"), ("eve", "eve", "100"),
        ("Zoë 10", "Zoë 10", "100"), ("Zoë 9", "Zoë 9", "100"),
    ]  # fmt: skip


def test_no_students_name_is_taken_for_canvas_line_of_totals(hostile_table):
    _, _, *lines = parsed(render_canvas(hostile_table))
    assert not [line for line in lines if "Points Possible" in line[0]]
    assert [line[3] for line in lines if "Points Possible" in line[3]] == ["Points Possible"]


def test_moodle_gets_final_totals_alone_with_what_was_lost(class_table):
    head, *lines = parsed(render_moodle(class_table))
    assert head == ["username", class_table.assignment.title, "feedback"]
    assert [line[0] for line in lines] == ["ada", "bob", "cyd", "eve", "Zoë 10", "Zoë 9"]
    assert lines[0][2] == f"100 of 100 points. Every rule holds. {class_table.assignment_name}."
    assert lines[2][2] == (
        "25 of 100 points. basic: no_max_pool 0 of 25; basic: downsampling 0 of 25. "
        f"25 points are open and not given: a rule has failed. {class_table.assignment_name}."
    )


@pytest.mark.parametrize("render", [render_csv, render_canvas, render_moodle])
def test_no_cell_is_a_formula_or_more_than_a_line(hostile_table, render):
    text = render(hostile_table)
    lines = parsed(text)
    assert {len(line) for line in lines} == {len(lines[0])}
    assert text.count("\r\n") == len(lines) == text.count("\n")
    for line in lines:
        for cell in line:
            assert not cell or cell[0] not in FORMULA
            assert not set(cell) & set("\x1b\u202e\t\r\n\0")
    text.encode()


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\t=1", "'=1"), ("\tx", "'x"),
     ("\rx", "'⟨U+000D⟩x"), (" =1", "'=1"), ("＝1", "'＝1"), ("a=1", "a=1"), ("", ""), (None, ""),
     (-1, "-1"), ('a"b,c', 'a"b,c')],
)  # fmt: skip
def test_what_could_begin_a_formula_gets_an_apostrophe(value, cell):
    assert parsed(to_csv(["x", "y"], [[value, 1]]))[1][0] == cell


def test_text_is_quoted_and_numbers_are_not():
    assert to_csv(["a", "b"], [['x "y", z', 3.5]]) == '"a","b"\r\n"x ""y"", z",3.5\r\n'


def test_hostile_text_stays_as_it_is_in_json_and_no_terminal_acts_on_it(hostile_table):
    text = render_json(hostile_table)
    assert text.isascii()
    assert not set(text) & set("\x1b\r\t")
    assert [row["student"] for row in json.loads(text)["rows"]] == [row.student for row in hostile_table.rows]


def test_a_class_without_any_verdict_is_a_table_too(class_table, row):
    waiting = ClassTable((row("gus", state="waiting", record=None),), class_table.assignment, class_table.out)
    assert by_student(render_csv(waiting))["gus"]["final"] == "no"
    assert len(parsed(render_canvas(waiting))) == 2


ROSTER = 'Student,ID,SIS Login ID,Section,Net (7)\n"Ada",1,ada,A,\n"Da, Nie",2,nie,A,\n"Gus",3,gus,A,9\n'


def with_roster(class_table, text=ROSTER, column=None) -> ClassTable:
    listed = parse_class_list(text)
    return replace(class_table, rows=with_missing(listed, class_table.rows), class_list=listed, column=column)


def test_with_the_platform_s_list_a_gradebook_has_its_lines_and_one_column_filled(class_table):
    table = with_roster(class_table, column="Net")
    assert parsed(render_canvas(table)) == [
        ["Student", "ID", "SIS Login ID", "Section", "Net (7)"], ["Ada", "1", "ada", "A", "100"],
        ["Da, Nie", "2", "nie", "A", ""], ["Gus", "3", "gus", "A", "9"],
    ]  # fmt: skip
    assert render_roster(table) == render_canvas(table)
    assert parsed(render_moodle(table))[0][0] == "username"
    plain = with_roster(class_table, "name,mail\nada,\n")
    assert parsed(render_moodle(plain)) == [
        ["name", "mail", class_table.assignment.title],
        ["ada", "", "100"],
    ]


def test_who_handed_in_nothing_is_in_the_table(class_table):
    line = by_student(render_csv(with_roster(class_table)))["Nie Da"]
    assert (line["state"], line["final"], line["verdict"], line["points"]) == ("missing", "no", "", "")
    assert len(parsed(render_csv(with_roster(class_table)))) == len(class_table.rows) + 2


def test_what_the_platform_says_of_a_student_is_in_the_table(class_table, row):
    said = Identity("ada", user="12", late=True, resubmission=2)
    line = by_student(render_csv(replace(class_table, rows=(replace(row("ada"), identity=said),))))["ada"]
    assert (line["platform_id"], line["platform_late"], line["resubmission"]) == ("12", "yes", "2")


def test_a_list_that_is_not_there_cannot_be_filled(class_table):
    with pytest.raises(UsageError, match=r"--format roster: no list of the class; .* Name it with --roster"):
        render_roster(class_table)
