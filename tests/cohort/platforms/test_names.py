"""One name for one student, however it is written."""

import os
import unicodedata

import pytest

from harness.cohort.platforms.names import in_order, is_name, known_as


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("ada", "ada"),
        (unicodedata.normalize("NFD", "Émile Ångström"), "Émile Ångström"),
        ("Ada\u00a0\u2009 Lovelace\u3000", "Ada Lovelace"),
        ("Ada \u200b Love\u00adlace\ufeff", "Ada Lovelace"),
        ("ad\u200ca", "ada"),
        ("\u200cعلی\u200cرضا\u200c", "علی\u200cرضا"),
        ("क्\u200dष", "क्\u200dष"),
        ("\u202eada", "ada"),
        (os.fsdecode(b"ad\xe4"), "ad\\xe4"),
        ("\u200b", ""),
    ],
)
def test_spaces_letters_and_invisible_characters_make_no_other_student(written, name):
    assert known_as(written) == name
    assert known_as(name) == name


def test_a_name_has_something_to_be_seen_and_no_control_character():
    assert is_name("Émile")
    assert is_name("علی\u200cرضا")
    assert not any(map(is_name, ("", "a\tb", "a\x1b[31m", "a\u2028b")))


def test_names_stand_in_the_order_of_a_list_of_people():
    names = ["Zoë 10", "Émile", "zoë 9", "Emil", "ada", "Ödön", "Omar", "\u202e", ""]
    assert sorted(names, key=in_order) == [
        "",
        "ada",
        "Emil",
        "Émile",
        "Ödön",
        "Omar",
        "zoë 9",
        "Zoë 10",
        "\u202e",
    ]
    assert in_order("1" * 5_000) != in_order("1" * 4_999)
