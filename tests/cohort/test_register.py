"""What a store remembers of a class: its list, and who its students are to the platform."""

from dataclasses import replace

from harness.cohort.classlist import parse_class_list
from harness.cohort.identity import Identity
from harness.cohort.ledger import enter, enter_terms
from harness.cohort.reading import rows
from harness.cohort.register import class_list_of, enter_class_list, identities
from harness.cohort.schema import ClassListTable, IdentityTable


def test_the_last_class_list_is_remembered_with_every_cell(opened):
    store = opened()
    assert class_list_of(store) is None
    first, second = parse_class_list("name,x\nAda,1\n"), parse_class_list('title\nname;"a\nb"\nJörg;\ufeff\n')
    for listed in (first, second, second):
        enter_class_list(store, listed)
    assert class_list_of(opened()) == second
    with store.reading() as session:
        assert session.query(ClassListTable).count() == 2


def test_what_a_platform_says_of_a_student_stays_with_the_row(store, terms, handed_in):
    enter_terms(store, terms)
    ada = Identity("Ada", user="12", late=True)
    for identity in (None, ada, ada, replace(ada, resubmission=1)):
        enter(store, handed_in("ada", identity=identity), terms)
    enter(store, handed_in("bob", sources_sha256="b" * 64), terms)
    assert dict(identities(store)) == {"ada": replace(ada, resubmission=1)}
    assert [row.identity for row in rows(store)] == [replace(ada, resubmission=1), None]
    with store.reading() as session:
        assert session.query(IdentityTable).count() == 2
