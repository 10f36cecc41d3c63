"""The scorecards of a class as they are handed back: named for the student, in the folders of a platform."""

import re
import shlex
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from harness.assignment.gallery import shipped
from harness.assignment.spec import DEFAULT_ASSIGNMENT, AssignmentSpec, load_assignment
from harness.base.files import write_text
from harness.base.tables import content_hash
from harness.cohort.final_points import standing
from harness.cohort.platforms.download_names import canvas_name, moodle_name, original_names
from harness.cohort.store.models import Row
from harness.record.record import Record
from harness.report.folders import variant_folders
from harness.report.html import render_html

Layout = Literal["moodle", "canvas", "gradescope", "plain"]
CARD = "scorecard.html"
ZIP = "feedback.zip"
ZIPPED: frozenset[Layout] = frozenset({"moodle", "canvas"})
"""Platforms that take all feedback back in one zip."""
LONGEST_NAME = 120
"""Bytes of a student's name in the name of a folder."""
_GRADESCOPE = re.compile(r"submission_\d+")
_MOODLE_KINDS = ("file", "onlinetext")
_AND_MORE = re.compile(r" and \d+ more$")
"""Behind the name of the first of several files that were handed in."""
_ATTACHED = re.compile(r"_\d+_\d+_$|^(LATE_)?anon_[A-Za-z0-9]+_\d+_$")
"""What Canvas puts in front of a file that was handed in, by which it is found again."""
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


@dataclass(frozen=True)
class Feedback:
    """One student's scorecard: where it lies in the folder that is handed back, and the page."""

    student: str
    path: PurePosixPath
    html: str


def layout_of(rows: Iterable[Row]) -> Layout:
    """Return the platform that has named most of what was submitted; plain if none has."""
    named = Counter(map(_named_by, rows))
    return max(named, key=lambda layout: named[layout], default="plain")


def place_of(row: Row, layout: Layout) -> PurePosixPath | None:
    """Return where a platform expects a student's feedback; None where the submitted name has no id.

    Source: Moodle, mod/assign/feedback/file/importziplib.php (``NAME_ID_assignsubmission_file_/``); Canvas,
    Assignment#infer_comment_context_from_filename (``NAME_USER_ATTACHMENT_FILE``).
    """
    if layout == "plain":
        return PurePosixPath(folder_name(row.student), CARD)
    return _PLACES[layout](row)


def folder_name(student: str) -> str:
    """Make a student's name one of a folder on any system: nothing in it separates, hides or is too long."""
    text = _UNSAFE.sub("_", student.encode(errors="replace").decode())
    text = text.encode()[:LONGEST_NAME].decode(errors="ignore").strip(". ")
    return text or "_"


def feedback(rows: Sequence[Row], spec: AssignmentSpec, layout: Layout) -> Iterator[Feedback]:
    """Render the scorecard of everyone who has one, and whom the platform can tell apart."""
    taken: set[str] = set()
    for row in rows:
        place = place_of(row, layout)
        if row.record is None or row.folder is None or place is None:
            continue
        path = _free(place, taken)
        yield Feedback(row.student, path, render_feedback(row, row.record, row.folder, spec))


def render_feedback(row: Row, record: Record, folder: Path, spec: AssignmentSpec) -> str:
    """Render a scorecard for its student: what stands in the class, the student's command, no path here."""
    command = f"harness check {shlex.quote(handed_in_as(row))}{_assignment_option(spec)}"
    plain = without_paths(record, _places_here(folder))
    theirs = plain.model_copy(update={"provenance": plain.provenance | {"command": command}})
    in_class = standing(row, spec).sentences
    return render_html(theirs, variant_folders(record, folder), student=row.student, in_class=in_class)


def handed_in_as(row: Row) -> str:
    """Return the name of a submission as the student knows it: without what a platform has put in front."""
    if "://" in row.source:
        return row.source.partition(" at commit ")[0]
    name = PurePosixPath(row.source).name
    if (moodle := moodle_name(name)) is not None:
        return moodle.file or _only_file(row)
    if _AND_MORE.search(name):
        return "."
    if (canvas := canvas_name(name, _users(row))) is not None:
        return original_names([canvas.file])[0]
    return _only_file(row) if _GRADESCOPE.fullmatch(name) else name or "."


def without_paths(record: Record, places: Iterable[Path]) -> Record:
    """Cut paths that begin at one of `places` down to their last part, wherever they are in a record."""
    known = "|".join(re.escape(str(place)) for place in places if len(place.parts) > 1)  # all but the root
    path = re.compile(rf"(?:{known})(?:/[^\s\"'\\:,;)]*)?(?![\w.-])")
    return Record.model_validate_json(
        path.sub(lambda found: PurePosixPath(found[0]).name, record.model_dump_json(by_alias=True))
    )


def write_feedback(cards: Iterable[Feedback], out: Path, *, zipped: bool) -> frozenset[str]:
    """Write scorecards below `out`, and if asked all of them into one zip there; returns whose they are."""
    students = set()
    with zipfile.ZipFile(out / ZIP, "w", zipfile.ZIP_DEFLATED) if zipped else nullcontext() as archive:
        for card in cards:
            write_text(out / card.path, card.html)
            students.add(card.student)
            if archive is not None:
                archive.writestr(str(card.path), card.html)
    return frozenset(students)


# Private functions


def _moodle(row: Row) -> PurePosixPath | None:
    for part in PurePosixPath(row.source).parts:
        if (found := moodle_name(part)) is not None and found.id and found.kind in _MOODLE_KINDS:
            # Moodle takes the second part between underscores for the number.
            name = folder_name(found.name.replace("_", " "))
            return PurePosixPath(f"{name}_{found.id}_assignsubmission_{found.kind}_", CARD)
    return None


def _canvas(row: Row) -> PurePosixPath | None:
    for part in PurePosixPath(_AND_MORE.sub("", row.source)).parts:
        found = canvas_name(part, _users(row))
        if found is None:
            continue
        if found.user and found.attachment:
            late = "LATE_" if found.late else ""
            # Canvas takes the first number between underscores for the student's.
            name = "_".join(word for word in found.name.split("_") if not word.isdecimal())
            return PurePosixPath(f"{folder_name(name)}_{late}{found.user}_{found.attachment}_{CARD}")
        if _ATTACHED.search(part.removesuffix(found.file)):
            return PurePosixPath(f"{_UNSAFE.sub('_', part.removesuffix(found.file))}{CARD}")
    return None


def _users(row: Row) -> frozenset[str]:
    """Return Canvas' number of the student, where the store knows it, to read names with."""
    return frozenset({row.identity.user} if row.identity else ()) - {""}


def _gradescope(row: Row) -> PurePosixPath | None:
    parts = (part for part in PurePosixPath(row.source).parts if _GRADESCOPE.fullmatch(part))
    return next((PurePosixPath(part, CARD) for part in parts), None)


_PLACES: Mapping[Layout, Callable[[Row], PurePosixPath | None]] = {
    "moodle": _moodle,
    "canvas": _canvas,
    "gradescope": _gradescope,
}


def _named_by(row: Row) -> Layout:
    return next((layout for layout, place in _PLACES.items() if place(row)), "plain")


def _free(place: PurePosixPath, taken: set[str]) -> PurePosixPath:
    """Add a number where another student has the folder already, in small or capital letters."""
    free, number = place, 2
    while str(free).casefold() in taken:
        free, number = PurePosixPath(f"{place.parts[0]} ({number})", *place.parts[1:]), number + 1
    taken.add(str(free).casefold())
    return free


def _only_file(row: Row) -> str:
    """Return the name of the one file of a submission; a dot, its folder, where there are several."""
    files = [file for file in row.sources.rglob("*") if file.is_file()] if row.sources else []
    return files[0].name if len(files) == 1 else "."


def _assignment_option(spec: AssignmentSpec) -> str:
    """Return the option that names the assignment for a student: its id, or the course's file."""
    file = shipped().get(spec.id)
    if file is None or content_hash(load_assignment(file)) != content_hash(spec):
        return f" --assignment {spec.id}.toml"
    return "" if file == DEFAULT_ASSIGNMENT else f" --assignment {spec.id}"


def _places_here(folder: Path) -> tuple[Path, ...]:
    store = folder.parents[1] if len(folder.parents) > 1 else folder
    return (store, Path.cwd(), Path(tempfile.gettempdir()), Path.home())
