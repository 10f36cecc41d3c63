"""Who of a class list is who in a store: never a guess."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cohort.platforms.attendance import joined_to, notes_on, once_a_group, with_missing
from harness.cohort.platforms.class_list import parse_class_list
from harness.cohort.platforms.joining import Lookup, join
from harness.cohort.platforms.names import Identity, from_text, to_text

WORDS = st.text("abcdefghäöüßéñ'-", min_size=2, max_size=8).filter(lambda word: any(map(str.isalpha, word)))


def joined(text: str, **students: Identity | None):
    found = join(parse_class_list(text), {name.replace("_", " "): one for name, one in students.items()})
    return dict(found.students), [one.name for one in found.missing], found.unknown, found.unclear


PLAIN = "name,id,email,username\nAda Lovelace,1,ada@uni.edu,adal\nJörg Müller,2,jm@uni.de,jmu\n"


@pytest.mark.parametrize(
    "student",
    [
        "Jörg Müller", "Müller, Jörg", "müllerjörg", "jörg  müller", "Joerg Mueller", "Jorg Muller", "jmu",
        "jm@uni.de", "jm", "JÖRG MÜLLER",
    ],
)  # fmt: skip
def test_a_student_is_found_under_any_of_the_names_that_the_list_has(student):
    found = join(parse_class_list(PLAIN), {student: None})
    assert dict(found.students) == {2: student}
    assert [one.name for one in found.missing] == ["Ada Lovelace"]


def test_who_is_in_no_list_is_unknown_and_a_first_name_alone_is_no_name():
    assert joined(PLAIN, Jörg=None, eve=None) == (
        {}, ["Ada Lovelace", "Jörg Müller"], ("Jörg", "eve"), (),
    )  # fmt: skip


def test_two_of_one_name_are_told_apart_by_the_platform_s_number_and_else_not_at_all():
    text = (
        "Identifier,Full name,Grade,Grade can be changed\n"
        "Participant 1,Anna S,,Yes\nParticipant 2,Anna S,,Yes\n"
    )
    one, other = Identity("Anna S", participant="1"), Identity("Anna S", participant="2")
    assert joined(text, a=other, b=one)[0] == {1: "b", 2: "a"}
    assert joined(text, Anna_S=None) == (
        {}, [], (), ("Anna S could be Anna S (line 2), Anna S (line 3)",),
    )  # fmt: skip


def test_two_who_could_be_one_person_are_named_and_neither_is_taken():
    assert joined(PLAIN, adal=None, Ada_Lovelace=None)[3] == (
        "adal and Ada Lovelace could both be Ada Lovelace (line 2)",
    )
    assert joined(PLAIN, adal=None, Ada_Lovelace=None)[0] == {}


def test_a_number_of_a_list_of_one_s_own_counts_only_where_the_names_agree():
    assert joined(PLAIN, x=Identity("lovelaceada", user="1"))[0] == {1: "x"}
    assert joined(PLAIN, x=Identity("somebodyelse", user="1"))[2] == ("x",)
    canvas = 'Student,ID,SIS Login ID,Section\n"Lovelace, Ada",1,adal,S\n'
    assert joined(canvas, x=Identity("formername", user="1"))[0] == {1: "x"}


def test_a_name_does_not_stand_against_the_platform_s_own_number():
    canvas = 'Student,ID,SIS User ID,SIS Login ID,Section\n"Lovelace, Ada",1,s1,adal,S\n'
    assert joined(canvas, x=Identity("lovelaceada", user="2"))[2] == ("x",)
    assert joined(canvas, x=Identity("Ada Lovelace", sid="s2"))[2] == ("x",)
    assert joined(canvas, x=Identity("Ada Lovelace", sid="S1"))[0] == {1: "x"}


def test_moodle_s_numbers_of_another_assignment_are_not_looked_at():
    text = (
        "Identifier,Full name,Grade,Grade can be changed\n"
        "Participant 1,Anna S,,Yes\nParticipant 2,Bob B,,Yes\n"
    )
    anna, other, bob = (
        Identity(name, participant=n) for name, n in (("Anna S", "1"), ("Anna S", "9"), ("Bob B", "8"))
    )
    assert joined(text, a=anna, b=other, c=bob)[0] == {1: "a"}
    assert joined(text, b=other, c=bob)[0] == {1: "b", 2: "c"}


def test_a_group_s_points_are_for_all_its_members_and_its_number_is_nobody_s():
    text = (
        "Identifier,Full name,Group,Grade,Grade can be changed\n"
        "Participant 7,Ada L,Red,,Yes\nParticipant 8,Bob B,Red,,Yes\nParticipant 9,Cem C,Blue,,Yes\n"
    )
    students, missing, unknown, unclear = joined(text, Red=Identity("Red", participant="9"))
    assert (students, missing, unknown, unclear) == ({1: "Red", 2: "Red"}, ["Cem C"], (), ())


def test_hidden_students_are_found_by_number_alone():
    text = "Identifier,Status,Grade,Grade can be changed,ID number\nParticipant 7,,,Yes,55\n"
    assert joined(text, x=Identity("Participant", participant="7"))[0] == {1: "x"}


@given(st.lists(WORDS, min_size=2, max_size=3), WORDS)
def test_whatever_order_and_signs_a_name_has_it_is_the_same(words, other):
    name = " ".join(words)
    listed = parse_class_list(f'name\n"{name}"\n')
    squashed = "".join(letter for letter in name if letter.isalnum())
    for written in (name, " ".join(reversed(words)) if len(words) == 2 else name, squashed, name.upper()):
        assert Lookup(listed).person(written, None) == listed.people[0]
    assert Lookup(listed).person(f"{other}x{name}", None) is None


@given(
    st.builds(
        Identity,
        name=st.text(),
        user=st.text(),
        late=st.none() | st.booleans(),
        resubmission=st.none() | st.integers(),
    )
)
def test_an_identity_is_stored_as_it_is(identity):
    assert from_text(to_text(identity)) == identity


def test_rows_of_a_class_have_those_who_handed_in_nothing(row):
    listed = parse_class_list(PLAIN)
    rows = with_missing(listed, [row("jmu")])
    assert [(one.student, one.state) for one in rows] == [("Ada Lovelace", "missing"), ("jmu", "graded")]
    assert with_missing(listed, rows) == rows
    assert with_missing(None, [row("eve")]) == (row("eve"),)
    assert notes_on(joined_to(listed, [*rows, row("eve"), row("jm")])) == (
        "handed in nothing: Ada Lovelace",
        "not in the list of the class: eve",
        "not joined to the list of the class, jmu and jm could both be Jörg Müller (line 3)",
    )


def test_of_two_of_one_name_the_one_who_handed_in_nothing_is_named_with_a_number(row):
    listed = parse_class_list("name,id\nAda,1\nAda,2\n")
    one = replace(row("Ada"), identity=Identity("Ada", user="1"))
    assert [found.student for found in with_missing(listed, [one])] == ["Ada", "Ada 2"]
    assert notes_on(joined_to(listed, [one])) == ("handed in nothing: Ada 2",)


def test_members_of_a_group_are_one_where_works_are_compared(row):
    pair = [replace(row(name), identity=Identity(name, group="submission_5")) for name in ("Ada", "Bob")]
    alone = [replace(row("Cem"), identity=Identity("Cem")), row("Dan")]
    assert [one.student for one in once_a_group([*pair, *alone])] == ["Ada and Bob", "Cem", "Dan"]
    other = replace(pair[1], submission_sha256="f" * 64)
    assert [one.student for one in once_a_group([pair[0], other])] == ["Ada", "Bob"]
