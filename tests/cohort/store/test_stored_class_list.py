"""What a store remembers of a class: its list, and who its students are to the platform."""

from dataclasses import replace

from harness.cohort.platforms.class_list import parse_class_list
from harness.cohort.platforms.names import Identity
from harness.cohort.store.one_student import row_of
from harness.cohort.store.progress import graded_since, last_grade
from harness.cohort.store.queries import rows
from harness.cohort.store.repository import enter, enter_config, grade_row
from harness.cohort.store.schema import ClassListTable, IdentityTable
from harness.cohort.store.stored_class_list import class_list_of, enter_class_list, identities


def test_the_last_class_list_is_remembered_with_every_cell(opened):
    store = opened()
    assert class_list_of(store) is None
    first, second = parse_class_list("name,x\nAda,1\n"), parse_class_list('title\nname;"a\nb"\nJörg;\ufeff\n')
    for listed in (first, second, second):
        enter_class_list(store, listed)
    assert class_list_of(opened()) == second
    with store.reading() as session:
        assert session.query(ClassListTable).count() == 2


def test_what_a_platform_says_of_a_student_stays_with_the_row(store, config, handed_in):
    enter_config(store, config)
    ada = Identity("Ada", user="12", late=True)
    for identity in (None, ada, ada, replace(ada, resubmission=1)):
        enter(store, handed_in("ada", identity=identity), config)
    enter(store, handed_in("bob", sources_sha256="b" * 64), config)
    assert dict(identities(store)) == {"ada": replace(ada, resubmission=1)}
    assert [row.identity for row in rows(store)] == [replace(ada, resubmission=1), None]
    with store.reading() as session:
        assert session.query(IdentityTable).count() == 2


def test_who_is_in_the_list_and_handed_in_nothing_is_found_too(store, config, handed_in):
    enter_config(store, config)
    enter(store, handed_in("ada"), config)
    enter_class_list(store, parse_class_list('name\nAda\n"Da, Nie"\nNora\n'))
    assert (row_of(store, "ni").student, row_of(store, "NIE DA").state) == ("Nie Da", "missing")
    assert row_of(store, "a").student == "ada"


def test_who_was_graded_after_a_grade_is_named_in_order(store, config, handed_in, record):
    enter_config(store, config)
    assert (last_grade(store), graded_since(store, config.run_key, 0)) == (0, [])
    for number, name in enumerate(("ada", "bob")):
        key = enter(store, handed_in(name, sources_sha256=f"{number:064}"), config)
        with store.writing() as session:
            session.add(grade_row(key, 0, "rules", "graded", record("failed"), "f" * 64, "me", 1.0))
    first, second = graded_since(store, config.run_key, 0)
    assert [(one.student, one.verdict) for one in (first, second)] == [("ada", "failed"), ("bob", "failed")]
    assert graded_since(store, config.run_key, first.number) == [second]
    assert last_grade(store) == second.number
    assert graded_since(store, "another scope", 0) == []
