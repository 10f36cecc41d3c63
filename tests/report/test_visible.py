"""What cannot be seen is shown by its code; what is endless is cut."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from harness.report.visible import LONGEST_NAME, short, visible


def test_escape_codes_direction_marks_and_zero_width_characters_are_named():
    assert visible("\x1b[31mred") == "⟨U+001B⟩[31mred"
    assert visible("a\u202ecba") == "a⟨U+202E⟩cba"
    assert visible("a\u200bb") == "a⟨U+200B⟩b"
    assert visible("bell\x07 null\x00") == "bell⟨U+0007⟩ null⟨U+0000⟩"


def test_lines_tabs_and_other_languages_stay():
    assert visible("a\tb\r\nc") == "a\tb\nc"
    assert visible("größe, 中文, עברית, 🙂") == "größe, 中文, עברית, 🙂"


@given(st.text(st.characters()))
def test_no_control_or_format_character_is_left(text):
    left = {c for c in visible(text) if unicodedata.category(c) in {"Cc", "Cs"}}
    assert left <= {"\n", "\t"}


def test_a_long_name_keeps_its_beginning_and_its_end():
    name = "a" * 5_000 + "z" * 5_000
    assert len(short(name)) == LONGEST_NAME
    assert short(name).startswith("aaa")
    assert short(name).endswith("zzz")
    assert short("c1.conv") == "c1.conv"


def test_a_joiner_that_belongs_to_the_spelling_stays_and_one_that_hides_is_shown():
    assert visible("علی\u200cرضا क्\u200dष") == "علی\u200cرضا क्\u200dष"
    assert visible("ad\u200ca علی\u200c") == "ad⟨U+200C⟩a علی⟨U+200C⟩"
