"""Scorecards as they are handed back: where each platform finds them, and none of the teacher's machine."""

import getpass
import platform
import re
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from typer.testing import CliRunner

from harness.assignment.gallery import shipped
from harness.base.errors import UsageError
from harness.base.files import write_text
from harness.cli.app import app
from harness.cohort.platforms.class_list import parse_class_list
from harness.cohort.platforms.feedback import (
    feedback,
    folder_name,
    handed_in_as,
    layout_of,
    place_of,
    render_feedback,
)
from harness.cohort.platforms.names import Identity
from harness.cohort.store.repository import enter, enter_assignment, grade_row
from harness.cohort.store.store import opened_store
from harness.cohort.store.stored_class_list import enter_class_list
from harness.record.findings import Problem
from harness.record.record import sealed

MOODLE = "Müller Zoë_4711_assignsubmission_file_"
CANVAS = "mullerzoe_LATE_12345_678901_net-1.zip"


def moodle_finds(path: PurePosixPath) -> int:
    """Read a participant's id as Moodle's importer does, of 4.1 and later."""
    for part in path.parts:
        _, number, kind, plugin, *_ = [*part.split("_", 4), "", "", "", ""][:5]
        if number.isdigit() and kind == "assignsubmission" and plugin in {"file", "onlinetext"}:
            return int(number)
    raise AssertionError(path)


def canvas_finds(path: PurePosixPath) -> tuple[str, ...]:
    """Read user and attachment as Canvas does: the first two parts between underscores that are numbers."""
    parts = path.name.split("_")
    assert not parts[-1].startswith("link")
    return tuple(part for part in parts if re.fullmatch(r"\d+", part))[:2]


@pytest.mark.parametrize("inside", ["", "/net.zip", "/folder/net.py"])
@pytest.mark.parametrize("folder", [MOODLE, MOODLE[:-1], MOODLE.replace("file", "onlinetext")])
def test_moodle_finds_the_participant_in_the_folder(row, folder, inside):
    place = place_of(row("Zoë Müller", source=f"{folder}{inside}"), "moodle")
    assert moodle_finds(place) == 4711
    assert place.name == "scorecard.html"
    assert place.parent.name == (folder if folder.endswith("_") else f"{folder}_")


def test_moodle_s_folder_of_a_file_that_lay_beside_the_others(row):
    place = place_of(row(source="Ada_7_assignsubmission_file_net.py"), "moodle")
    assert str(place) == "Ada_7_assignsubmission_file_/scorecard.html"


@pytest.mark.parametrize(
    "source", [CANVAS, f"all/{CANVAS}", CANVAS.replace("LATE_", ""), f"{CANVAS} and 1 more", f"von_{CANVAS}"]
)
def test_canvas_finds_user_and_attachment(row, source):
    place = place_of(row(source=source), "canvas")
    assert canvas_finds(place) == ("12345", "678901")
    assert str(place) == f"{Path(source).name.partition('net-1.zip')[0]}scorecard.html"


def test_what_was_typed_into_canvas_has_no_attachment_to_answer(row):
    assert place_of(row(source="adalovelace_12345_text.html"), "canvas") is None


def test_a_name_with_an_underscore_does_not_hide_moodle_s_number(row):
    place = place_of(row(source="Ada_Maria 2_4711_assignsubmission_file_"), "moodle")
    assert moodle_finds(place) == 4711


def test_gradescope_s_folders_are_those_of_its_export(row):
    place = place_of(row(source="assignment_9_export/submission_123/model.py"), "gradescope")
    assert str(place) == "submission_123/scorecard.html"


@pytest.mark.parametrize("layout", ["moodle", "canvas", "gradescope"])
def test_who_has_no_id_has_no_place(row, layout):
    assert place_of(row("ada", source="ada_lovelace.zip"), layout) is None


def test_canvas_finds_a_student_whose_name_has_a_number_in_it(row):
    named = row("o neil 2", source="o_neil_2_12345_678901_net.py", identity=Identity(user="12345"))
    place = place_of(named, "canvas")
    assert canvas_finds(place) == ("12345", "678901")
    assert str(place) == "o_neil_12345_678901_scorecard.html"
    assert handed_in_as(named) == "net.py"


def test_the_platform_is_the_one_that_named_most_of_what_was_handed_in(row):
    def named(*sources):
        return layout_of([row(source=source) for source in sources])

    assert named("ada.py", MOODLE, f"{MOODLE}/x.py") == "moodle"
    assert named(CANVAS, CANVAS, "ada.py") == "canvas"
    assert named("submission_1", "submission_2/m.py") == "gradescope"
    assert named("ada.py", "bob.zip", MOODLE) == "plain"
    assert layout_of([]) == "plain"


def test_no_name_leaves_its_folder_or_has_another_s(row, hostile_table, assignment, tmp_path, provenance):
    names = [*(one.student for one in hostile_table.rows), "Ada", "ada", "a/b", "a:b", "..", "ü" * 300]
    rows = [graded(row(name), tmp_path, provenance) for name in names]
    paths = [one.path for one in feedback(rows, assignment, "plain")]
    assert len({str(path).casefold() for path in paths}) == len(names)
    for path in paths:
        assert len(path.parts) == 2
        assert ".." not in path.parts
        assert len(path.parts[0].encode()) <= 130
        assert not re.search(r'[\x00-\x1f\\:*?"<>|]', path.parts[0])
    assert folder_name("..") == folder_name("\x00"[:0]) == "_"


@pytest.mark.parametrize(
    ("source", "known"),
    [
        ("ada.zip", "ada.zip"),
        ("/home/teacher/class/ada lovelace.py", "ada lovelace.py"),
        ("https://example.org/ada/net at commit 1234", "https://example.org/ada/net"),
        (f"{MOODLE}/my net.zip", "my net.zip"),
        ("Ada_7_assignsubmission_file_net.py", "net.py"),
        (MOODLE, "only.py"),
        (CANVAS, "net.zip"),
        (f"{CANVAS} and 2 more", "."),
        ("submission_12", "only.py"),
    ],
)
def test_the_command_names_what_the_student_handed_in(row, tmp_path, source, known):
    (tmp_path / "only.py").touch()
    assert handed_in_as(row(source=source, sources=tmp_path)) == known


def test_of_several_files_in_a_platform_s_folder_the_command_names_the_folder_one_is_in(row, tmp_path):
    (tmp_path / "a.py").touch()
    (tmp_path / "b.py").touch()
    assert handed_in_as(row(source=MOODLE, sources=tmp_path)) == "."


@pytest.fixture
def provenance(tmp_path) -> dict[str, object]:
    return {
        "command": f"harness cohort grade {tmp_path}/class --store {tmp_path}/cohort.db",
        "host": "grader-pc",
        "versions": {"torch": "2"},
        "graded_at": "2026-05-05T08:00:00+00:00",
        "seconds": 1.0,
        "sandbox": "bwrap",
    }


def graded(row, folder: Path, provenance):
    """Give a row the folder that its scorecard is made from, and where its record comes from."""
    record = row.record.model_copy(update={"provenance": provenance})
    return type(row)(**{**vars(row), "record": sealed(record), "folder": folder / "files" / "ab" / "cd"})


def test_a_scorecard_names_the_student_and_the_student_s_command_and_nothing_of_the_teacher_s(
    row, assignment, tmp_path, provenance
):
    plain = row("Zoë <b>", None, failed=("no_max_pool",), source=f"{tmp_path}/class/my net.py")
    store = tmp_path / "files"
    problem = Problem(
        cause="harness",
        message=f"OSError: No space left on device: '{store}/unfinished/12/model.py'; see {Path.cwd()}",
        traceback=f'File "{Path.home()}/class/model.py", line 3',
    )
    variants = {"basic": plain.record.variants["basic"].model_copy(update={"problem": problem})}
    broken = type(plain)(**{**vars(plain), "record": plain.record.model_copy(update={"variants": variants})})
    for one in (plain, broken):
        ready = graded(one, tmp_path, provenance)
        html = render_feedback(ready, ready.record, ready.folder, assignment)
        assert "Scorecard of Zoë &lt;b&gt;</p>" in html
        assert "harness check &#39;my net.py&#39;</pre>" in html
        for secret in (tmp_path, "/tmp", Path.home(), Path.cwd(), "grader-pc", "cohort.db", platform.node()):
            assert not re.search(rf"(?<![\w-]){re.escape(str(secret))}(?![\w-])", html), secret
        assert not re.search(rf"\b{getpass.getuser()}\b", html)
    assert "No space left on device: &#39;model.py&#39;" in html


def test_the_command_names_the_assignment_where_it_is_not_the_usual_one(
    row, assignment, tmp_path, provenance
):
    from harness.assignment.spec import load_assignment

    ready = graded(row(), tmp_path, provenance)
    said = {
        spec.title: re.search(
            "<pre>(harness check.*)</pre>", render_feedback(ready, ready.record, ready.folder, spec)
        )[1]
        for spec in (
            assignment,
            load_assignment(shipped()["mnist-8k"]),
            load_assignment(shipped()["mnist-8k"]).model_copy(update={"title": "edited"}),
        )
    }
    assert list(said.values()) == [
        "harness check ada.zip",
        "harness check ada.zip --assignment mnist-8k",
        "harness check ada.zip --assignment mnist-8k.toml",
    ]


@pytest.fixture
def stored(tmp_path, config, handed_in, row, provenance):
    """A store with a graded student of Moodle's, a graded one of nobody's, and one who is not graded."""
    path = tmp_path / "cohort.db"
    sources = {"Zoë Müller": f"{MOODLE}/net.zip", "ada": "ada.zip", "bob": f"Bob_8{MOODLE[15:]}/net.py"}
    with opened_store(str(path)) as store:
        enter_assignment(store, config.assignment)
        enter_class_list(store, parse_class_list("name\nada\nnie\n"))
        for number, (name, source) in enumerate(sources.items()):
            key = enter(store, handed_in(name, source=source, sources_sha256=f"{number:064}"), config)
            if name != "bob":
                with store.objects.unfinished() as folder:
                    write_text(folder / "scorecard.html", name)
                    sha256 = store.objects.adopt(folder)
                with store.writing() as session:
                    record = sealed(row(name).record.model_copy(update={"provenance": provenance}))
                    session.add(grade_row(key, 0, "full", "graded", record, sha256, "me", 2.0))
    return path


def command(*options):
    return CliRunner().invoke(app, ["cohort", "feedback", *map(str, options)])


def test_moodle_s_zip_holds_the_same_cards_and_who_gets_none_is_told(stored, tmp_path):
    answer = command("--store", stored, "--out", tmp_path / "out", "--layout", "moodle")
    assert answer.exit_code == 0
    place = f"{MOODLE}/scorecard.html"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [MOODLE, "feedback.zip"]
    with zipfile.ZipFile(tmp_path / "out" / "feedback.zip") as archive:
        assert archive.namelist() == [place]
        assert archive.read(place) == (tmp_path / "out" / place).read_bytes()
    assert "moodle: 1 scorecards in" in answer.output
    assert "not graded yet, so no scorecard: bob\n" in answer.output
    assert "handed in nothing, so no scorecard: nie\n" in answer.output
    assert "no id of moodle in the name that was handed in, so left out: ada (ada.zip)" in answer.output


def test_plain_folders_have_the_students_names_and_no_zip(stored, tmp_path):
    command("--store", stored, "--out", tmp_path / "out", "--layout", "plain")
    assert sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.*")) == [
        "Zoë Müller/scorecard.html",
        "ada/scorecard.html",
    ]


def test_what_lies_in_the_folder_is_never_handed_back(stored, tmp_path):
    (tmp_path / "out" / "old").mkdir(parents=True)
    answer = command("--store", stored, "--out", tmp_path / "out")
    assert isinstance(answer.exception, UsageError)
    assert "out: not empty; expected a new folder, so that no earlier scorecard is handed back. Empty it" in (
        str(answer.exception)
    )
