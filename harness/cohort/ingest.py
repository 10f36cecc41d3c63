"""From a line of the roster to a submission in the store: fetched or unpacked, copied, known by its hash."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath

from harness.base.errors import HarnessError, UsageError
from harness.base.files import write_text
from harness.cohort.platforms.roster import Listed
from harness.cohort.store.keys import GradingConfig, digest
from harness.cohort.store.leases import Claimed
from harness.cohort.store.models import Row
from harness.cohort.store.objects import Objects
from harness.cohort.store.repository import Ingested
from harness.pipeline.grade import variants_to_train
from harness.pipeline.loading import in_sandbox
from harness.pipeline.task import Settings, Task
from harness.record.findings import Cause
from harness.sources.archives import is_archive
from harness.sources.files import MAX_BYTES, copy_sources, name_in_copy, open_regular, too_much
from harness.sources.packed import is_source_or_archive, nothing_to_judge
from harness.sources.repository import is_address
from harness.sources.requested import Requested
from harness.sources.submission import Answered, Submission, is_program, open_submission
from harness.sources.unpack import MAX_UNPACKED, unpack_file

PROBLEM = "problem.txt"
"""The one file of a submission that could not be opened."""


def ingest(listed: Listed, config: GradingConfig, objects: Objects) -> Ingested:
    """Copy a submission's sources into the store's folder; what is wrong with it is said in what is returned.

    A single file is copied alone, not with what lies beside it: that may be another student's.
    """
    try:
        with objects.unfinished() as folder:
            return _ingested(listed, config, objects, folder)
    except HarnessError as error:
        # Whether an address is wrong or does not answer, git does not tell.
        cause: Cause = "infrastructure" if is_address(listed.given) else "student"
        return _broken(listed, objects, _as_listed(str(error), listed), cause)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return _broken(listed, objects, f"{listed.source}: cannot be read ({reason}).", "infrastructure")


def reopened(work: Claimed, config: GradingConfig, objects: Objects) -> Submission:
    """Open a submission again that was handed in.

    Raises:
        HarnessError: its sources are not in the store's folder any more.
    """
    root = objects.path(work.sources_sha256)
    if not root.is_dir():
        raise HarnessError(
            f"{root}: no such folder; expected the sources of {work.source}. "
            "Name the store's folder with --files."
        )
    if work.problem:
        name = config.assignment.default_variant
        answered = Answered(Requested(file=root, class_name=None), name)
        return Submission(root, work.sources_sha256, {name: answered}, work.source)
    path = root / work.file if work.file else root
    return open_submission(path, config.assignment, variants=config.variants)


def ingest_again(row: Row, config: GradingConfig, objects: Objects) -> Ingested:
    """Ingest a stored submission again under another config; a problem is recorded, as by `ingest`."""
    assert row.sources is not None
    again = Ingested(
        student=row.student,
        source=row.source,
        submitted_at=row.submitted_at,
        sources_sha256=row.submission_sha256,
        file=row.file,
        recipe_sha256=digest(None),
    )
    if (row.sources / PROBLEM).is_file():
        return again
    try:
        given = row.sources / row.file if row.file else row.sources
        submission = open_submission(given, config.assignment, variants=config.variants)
        return replace(again, recipe_sha256=recipe_sha256(submission, config))
    except HarnessError as error:
        listed = Listed(row.student, str(row.sources), row.source, row.submitted_at)
        return _broken(listed, objects, str(error).replace(listed.given, listed.source), "student")


def recipe_sha256(submission: Submission, config: GradingConfig) -> str:
    """Hash which variants are judged and trained, and how.

    Raises:
        AssignmentError: the manifest asks for more than the assignment allows.
    """
    task = Task(submission, config.assignment, Settings(seed=config.seed), in_sandbox())
    recipes = {name: task.recipe(name).model_dump(mode="json") for name in submission.variants}
    return digest({"judged": recipes, "trained": sorted(variants_to_train(task, config.variants))})


def gather(listed: Listed, to: Path) -> Path:
    """Copy what can be judged of a submission's parts into the empty folder `to`.

    Returns the folder, or the one file that there is.

    Raises:
        UsageError: nothing in it can be judged, a link, more than a submission may hold, or an entry that no
            honest zip file has.
    """
    names = dict(listed.parts)
    if not any(is_source_or_archive(PurePosixPath(name)) for name in names.values()):
        raise nothing_to_judge(listed.source, names.values())
    given, (first, *others) = Path(listed.given), names
    if given.is_dir() and not others:
        return given / first
    if given.is_dir():
        for path, name in names.items():
            if is_source_or_archive(PurePosixPath(name)):
                _copy(given / path, to / name_in_copy(PurePosixPath(name)).name, listed.source)
    else:
        with given.open("rb") as file:
            unpack_file(
                file, to, f"{listed.source} in {given.name}", renamed=names.get, accepts=is_source_or_archive
            )
    files = [path for path in to.rglob("*") if path.is_file()]
    is_one = len(files) == 1 and files[0].parent == to and (is_archive(files[0]) or is_program(files[0]))
    return files[0] if is_one else to


# Private functions


def _ingested(listed: Listed, config: GradingConfig, objects: Objects, folder: Path) -> Ingested:
    path, copy = Path(listed.given), folder / "sources"
    if listed.parts:
        (folder / "parts").mkdir()
        path = gather(listed, folder / "parts")
    if path.is_symlink():
        raise UsageError(
            f"{listed.source}: a link; expected the submission itself. Put the file or folder there."
        )
    file = name_in_copy(Path(path.name)).name if is_program(path) and path.is_file() else ""
    if file:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(too_much(listed.source))
        copy.mkdir()
        shutil.copyfile(path, copy / file)
    given = copy / file if file else path if listed.parts else listed.given
    submission = open_submission(given, config.assignment, variants=config.variants)
    if not file:
        copy_sources(submission.root, copy)
    recipe = recipe_sha256(submission, config)
    return Ingested(
        student=listed.student,
        source=submission.source if is_address(listed.given) else listed.source,
        submitted_at=listed.submitted_at,
        sources_sha256=objects.adopt(copy),
        file=file,
        recipe_sha256=recipe,
        identity=listed.identity,
    )


def _as_listed(problem: str, listed: Listed) -> str:
    """Replace the name of the folder in a message by that in the roster."""
    if listed.parts:
        return re.sub(r"\S*/unfinished/[0-9a-f]+/parts\b", lambda _: listed.source, problem)
    return problem.replace(listed.given, listed.source)


def _broken(listed: Listed, objects: Objects, problem: str, cause: Cause) -> Ingested:
    """Enter a submission that cannot be opened: its one file says why."""
    problem = problem.encode(errors="backslashreplace").decode()  # it may name a file whose name is not UTF-8
    with objects.unfinished() as folder:
        write_text(folder / "sources" / PROBLEM, problem + "\n")
        sources_sha256 = objects.adopt(folder / "sources")
    return Ingested(
        student=listed.student,
        source=listed.source,
        submitted_at=listed.submitted_at,
        sources_sha256=sources_sha256,
        file="",
        recipe_sha256=digest(None),
        problem=problem,
        problem_cause=cause,
        identity=listed.identity,
    )


def _copy(path: Path, to: Path, source: str) -> None:
    file = open_regular(path)
    if file is None:
        raise UsageError(f"{source}: a link; expected the submission itself. Put the file or folder there.")
    with file, to.open("xb") as copy:
        if os.fstat(file.fileno()).st_size > (MAX_UNPACKED if is_archive(path) else MAX_BYTES):
            raise UsageError(too_much(source))
        shutil.copyfileobj(file, copy)
