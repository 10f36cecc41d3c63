"""What is read from the names that Moodle and Canvas give to files."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cohort.platforms.download_names import (
    CanvasName,
    MoodleName,
    canvas_name,
    moodle_name,
    original_names,
    own_numbers,
    resubmissions,
    without_instant,
    without_number,
)

LETTERS = string.ascii_letters + string.digits + "äöüßéñøÅ中"
WORDS = st.text(LETTERS, min_size=1, max_size=8)
FULL_NAMES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
NUMBERS = st.integers(1, 10**9)
FILES = st.sampled_from(
    ["model.py", "my_model_2.py", "S9.ipynb", "2024_11_work.zip", "12_34_x.tar.gz", "a b.py"]
)


def as_canvas_names(name: str, user: int, attachment: int, file: str, *, late: bool) -> str:
    """Name a file as Canvas' content_zipper.rb does."""
    name = re.sub(r"_(\d+)_", r"\1", name).lower()
    begin = "_".join([name, *(["LATE"] if late else []), str(user)])
    return re.sub(r"[^\w]", "", begin) + f"_{attachment}_{file}"


def as_moodle_names(name: str, number: int, kind: str) -> str:
    """Name a folder as Moodle's downloader.php does, without what file systems forbid."""
    return f"{name.replace('_', ' ')}_{number}_assignsubmission_{kind}"


@given(FULL_NAMES, NUMBERS, st.sampled_from(["file", "onlinetext"]), st.sampled_from(["", "_", "_ (1)"]))
def test_moodle_s_folders_say_name_number_and_kind(name, number, kind, end):
    assert moodle_name(as_moodle_names(name, number, kind) + end) == MoodleName(name, str(number), kind, "")


@given(FULL_NAMES, NUMBERS, FILES)
def test_moodle_s_files_say_what_they_were_called(name, number, file):
    assert moodle_name(f"{as_moodle_names(name, number, 'file')}_{file}") == MoodleName(
        name, str(number), "file", file
    )


@given(FULL_NAMES, NUMBERS, NUMBERS, FILES, st.booleans())
def test_canvas_files_say_name_number_lateness_and_what_they_were_called(name, user, attachment, file, late):
    written = as_canvas_names(name, user, attachment, file, late=late)
    squashed = re.sub(r"\W", "", name.lower())
    assert canvas_name(written) == CanvasName(squashed, str(user), file, late, str(attachment))


@given(WORDS, st.integers(1, 99), st.integers(100, 10**9), NUMBERS, FILES)
def test_a_number_in_a_name_is_told_from_the_student_s_where_that_is_known_or_the_work_is_late(
    word, inner, user, attachment, file
):
    name = f"{word}_{inner}".lower()
    on_time = as_canvas_names(name, user, attachment, file, late=False)
    expected = CanvasName(re.sub(r"\W", "", name), str(user), file, False, str(attachment))
    assert canvas_name(on_time, users={str(user)}) == expected
    late = canvas_name(as_canvas_names(name, user, attachment, file, late=True))
    assert late is not None
    assert (late.user, late.file, late.late) == (str(user), file, True)


@given(st.text(max_size=60))
def test_no_name_is_too_strange_to_be_looked_at(text):
    moodle_name(text)
    canvas_name(text)
    assert len(original_names([text])) == 1


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("müllerjörg_12_text.html", CanvasName("müllerjörg", "12", "text.html", late=False)),
        ("o_neil_LATE_12_link.html", CanvasName("o_neil", "12", "link.html", late=True)),
        ("anon_x7Fq2_678_model.py", CanvasName("anon x7Fq2", "", "model.py", False, "678")),
        ("LATE_anon_x7Fq2_678_a_b.py", CanvasName("anon x7Fq2", "", "a_b.py", True, "678")),
        ("anon_x7Fq2_text.html", CanvasName("anon x7Fq2", "", "text.html", late=False)),
        ("_12_34_model.py", CanvasName("user 12", "12", "model.py", False, "34")),
        ("model.py", None),
        ("ada_lovelace_12.zip", None),
        ("hw_1_notes.txt", None),
    ],
)
def test_canvas_names_of_texts_links_and_hidden_students(written, expected):
    assert canvas_name(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Group A_12_assignsubmission_file_", MoodleName("Group A", "12", "file", "")),
        ("Default group_assignsubmission_file_", MoodleName("Default group", "", "file", "")),
        ("Participant_4711_assignsubmission_onlinetext", MoodleName("Participant", "4711", "onlinetext", "")),
        ("Ada Lovelace", None),
        ("assignsubmission_file_", None),
    ],
)
def test_moodle_s_names_of_groups_and_hidden_students(written, expected):
    assert moodle_name(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("ada (1)", "ada"), ("ada(2)", "ada"), ("(1)", "(1)"), ("ada (x)", "ada (x)"), ("a (1234)", "a (1234)")],
)
def test_the_number_of_a_second_download_is_taken_off(written, expected):
    assert without_number(written) == expected


def test_the_instant_of_otter_s_export_is_taken_off():
    assert without_instant("hw1_2026_11_30T10_20_30_123456") == "hw1"
    assert without_instant("hw1_2026_11_30") == "hw1_2026_11_30"


def test_files_get_back_the_names_that_canvas_and_browsers_have_changed():
    assert original_names(["model-1.py", "submission-1.toml", "w-2.tar.gz"]) == (
        "model.py", "submission.toml", "w.tar.gz",
    )  # fmt: skip
    assert original_names(["model (1).py", "x.py"]) == ("model.py", "x.py")
    assert original_names(["model.py", "model-1.py"]) == ("model.py", "model-1.py")
    assert original_names(["-1.py", "net-0.py", "a-123.py"]) == ("-1.py", "net-0.py", "a-123.py")


def test_how_often_a_work_was_replaced_is_read_from_its_names():
    handed = {"ada": ["model.py"], "bob": ["model-2.py", "x-1.toml"], "cem": ["w-1.tar.gz"]}
    assert resubmissions(handed) == {"ada": None, "bob": 2, "cem": 1}


def test_a_number_that_most_of_a_class_has_is_the_file_s_own():
    handed = {"ada": ["task-2.py"], "bob": ["task-2.py"], "cem": ["task-3.py"]}
    assert own_numbers(handed.values()) == {"task-2.py"}
    assert resubmissions(handed) == {"ada": None, "bob": None, "cem": 3}
    assert original_names(["task-2.py"], own_numbers(handed.values())) == ("task-2.py",)
