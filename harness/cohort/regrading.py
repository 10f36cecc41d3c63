"""Judge a class again from what is stored: under another assignment, with no submission and no training.

Graphs, probes and trainings are those of the grade that is there. A training counts as long as the new
assignment has its recipe and its seed; where it does not, or where a network that was not worth training now
is, it is said who has to be trained.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from os import link
from pathlib import Path
from types import MappingProxyType

from harness.assignment.points import total
from harness.assignment.spec import AssignmentSpec
from harness.base.errors import HarnessError, UsageError
from harness.base.files import write_text
from harness.base.installation import VERSION
from harness.cohort.differences import rule_changes
from harness.cohort.graders.cached import Intake, load_intake, loads_of, probes_of
from harness.cohort.ingest import ingest_again, recipe_sha256
from harness.cohort.store.current_assignment import switch_to
from harness.cohort.store.keys import GradingConfig, digest
from harness.cohort.store.models import CACHED, Row, cause_of
from harness.cohort.store.repository import enter as enter_submission
from harness.cohort.store.repository import enter_config, enter_regraded, link_again
from harness.cohort.store.store import Store
from harness.loader.client import Loaded
from harness.loader.protocol import ARCHITECTURE, WEIGHTS
from harness.pipeline.grade import variants_to_train
from harness.pipeline.judging import judge
from harness.pipeline.recording import Graded, GradedVariant
from harness.pipeline.recording import record as record_of
from harness.pipeline.task import Settings, Task
from harness.pipeline.training import Trained, judged
from harness.record.findings import Finding, Status, combined
from harness.record.record import Record, to_json
from harness.report.files import write_reports
from harness.report.folders import variant_folders
from harness.report.html import render_html
from harness.report.scorecard import pictures_beside, render_scorecard
from harness.rules.judging import not_trained
from harness.rules.verdicts import Verdict
from harness.sources.requested import Requested
from harness.sources.submission import Answered, Submission, missing_variants


@dataclass(frozen=True)
class Regraded:
    """The grade that a submission gets instead. `to_train` is why it has to be trained, or empty."""

    row: Row
    record: Record
    recipe_sha256: str
    key: str = ""
    """Of the new grade."""
    there: Row | None = None
    """The grade that is there under the new assignment already, of a time when the class had it before."""
    to_train: tuple[str, ...] = ()
    line_moved: bool = False
    """Whether it was trained, and the accuracy asked for is another one."""

    @property
    def after(self) -> Row:
        """The submission's row afterwards."""
        if self.there is not None:
            return replace(self.there, until=self.row.until)
        trained = any(variant.full for variant in self.record.variants.values())
        unjudged = self.record.verdict == "not_judged" and cause_of(self.record) != "student"
        return replace(
            self.row,
            record=self.record,
            key=self.key,
            stage="full" if trained else "rules",
            state="failed" if unjudged else "graded",
        )

    @property
    def changes(self) -> tuple[str, ...]:
        """The differences from the grade that is there, rule by rule."""
        assert self.row.record is not None
        return tuple(rule_changes(self.row.record, self.record))


@dataclass(frozen=True)
class NotRegraded:
    """A submission whose grade cannot be judged again, and why: it is graded anew."""

    row: Row
    why: str

    @property
    def after(self) -> Row:
        """The submission's row afterwards."""
        return replace(self.row, record=None, state="waiting", problem="")


def regrade_class(
    rows: Iterable[Row],
    before: AssignmentSpec,
    config: GradingConfig,
    there: Mapping[str, Row] = MappingProxyType({}),
) -> Iterator[Regraded | NotRegraded]:
    """Judge every graded submission again, one after the other; see `regrade`."""
    for row in rows:
        if row.record is None:
            yield NotRegraded(row, row.problem or "not graded yet")
            continue
        try:
            yield regrade(row, before, config, there)
        except HarnessError as error:
            yield NotRegraded(row, str(error))
        except Exception as error:  # noqa: BLE001 - one graph must not keep the others from being judged
            yield NotRegraded(row, f"the harness failed: {type(error).__name__}: {error}")


def new_config(now: GradingConfig, assignment: AssignmentSpec) -> GradingConfig:
    """Return the settings of a class with another assignment, and this harness.

    Raises:
        UsageError: the new assignment has another seed.
    """
    seed = assignment.seed if now.seed == now.assignment.seed else now.seed
    if seed != now.seed:
        raise UsageError(
            f"seed {seed}: the class was taken in and trained with seed {now.seed}, and another one changes "
            f"everything; expected seed = {now.seed}. Grade the class again with harness cohort grade."
        )
    return replace(now, assignment=assignment, harness_version=VERSION)


def regrade(
    row: Row, before: AssignmentSpec, config: GradingConfig, there: Mapping[str, Row] = MappingProxyType({})
) -> Regraded:
    """Judge a graded submission again; nothing is written.

    `before` is the assignment that it was graded under. `there` has rows that are graded under the new one
    already, by their keys: such a grade stands.

    Raises:
        HarnessError: what was stored does not hold under these config, or is not there.
    """
    assert row.record is not None
    assert row.folder is not None
    intake = load_intake(row.folder)
    if intake.seed != config.seed:
        raise HarnessError(
            f"{row.student}: taken in with seed {intake.seed}, and other seeds give other initial weights; "
            f"expected seed {intake.seed}, got {config.seed}. Grade the class again with "
            "harness cohort grade."
        )
    if unknown := sorted(intake.variants.keys() - config.assignment.variants.keys()):
        raise HarnessError(
            f"{row.student}: answers variant {unknown[0]!r}, which the assignment does not have; "
            f"expected one of {', '.join(config.assignment.variants)}. Grade the class again."
        )
    task = stored_task(row, row.record, intake, config)
    # As `harness cohort grade` hashes it, so that it takes the grade for its own.
    recipe = digest(None) if row.problem else recipe_sha256(task.submission, config)
    key = config.key(row.submission_sha256, recipe)
    if (known := there.get(key)) is not None and known.record is not None:
        return Regraded(row, known.record, recipe, key, known, _untrained(known.record, task, config, {}))
    trained, lost = _trained(row.record, task, before)
    probes = probes_of(intake, task.source(task))
    graded = {
        name: GradedVariant(judge(task, name, probed), full=name in trained, trained=trained.get(name))
        for name, probed in probes.items()
    }
    record = record_of(task, Graded(intake.backend, graded, earlier=row.record.provenance))
    reasons = _untrained(record, task, config, lost)
    line_moved = any(before.accuracy_asked(n) != config.assignment.accuracy_asked(n) for n in trained)
    return Regraded(row, record, recipe, key, None, reasons, line_moved)


def apply(store: Store, found: Iterable[Regraded | NotRegraded], config: GradingConfig, worker: str) -> None:
    """Enter what all grades have become, have the rest graded anew, and let the new assignment count.

    Until all is entered the old one counts, so that an interruption changes nothing.
    """
    enter_config(store, config)
    for one in found:
        if isinstance(one, Regraded):
            enter(store, one, config, worker)
        elif one.row.sources is not None and one.row.sources.is_dir():
            enter_submission(store, ingest_again(one.row, config, store.objects), config)
    switch_to(store, config.assignment_sha256)


def enter(store: Store, one: Regraded, config: GradingConfig, worker: str) -> str:
    """Enter what a grade has become; the old one stays in the history. Returns the new key."""
    if one.there is not None:
        link_again(store, one.row.key, one.key)
        return one.key
    assert one.row.folder is not None
    with store.objects.unfinished() as folder:
        out = folder / "artefacts"
        left_out = None if _has_its_trainings(one) else _of_trainings
        shutil.copytree(one.row.folder, out, ignore=left_out, copy_function=_linked)
        _write_scorecards(one, out)
        folder_sha256 = store.objects.adopt(out)
    return enter_regraded(store, one.row.key, config, one.recipe_sha256, one.record, folder_sha256, worker)


def stored_task(row: Row, record: Record, intake: Intake, config: GradingConfig) -> Task:
    """Set up a task whose source is what an earlier grade has left."""
    assert row.folder is not None
    root = row.sources or row.folder
    answered = {
        name: Answered(Requested(file=root, class_name=None), taken.folder, taken.recipe)
        for name, taken in intake.variants.items()
    }
    missing = () if row.problem else missing_variants(config.assignment, answered, config.variants)
    submission = Submission(root, record.submission_sha256, answered, row.source, missing)
    folder = row.folder
    settings = Settings(out=folder, seed=config.seed)
    return Task(submission, config.assignment, settings, lambda _: loads_of(intake, folder))


# Private functions


def _trained(record: Record, task: Task, before: AssignmentSpec) -> tuple[dict[str, Trained], dict[str, str]]:
    """Return the trainings that count under the new assignment, and why the others do not."""
    kept: dict[str, Trained] = {}
    lost: dict[str, str] = {}
    if task.assignment.policy.rules_only:
        return kept, lost
    for name, variant in record.variants.items():
        if name not in task.submission.variants:
            continue
        reached = [finding for finding in variant.findings if finding.measured]
        if not variant.full or not reached or variant.problem is not None:
            continue
        changed = _recipe_changes(name, task, before)
        trainings, rules = variant.trainings, task.assignment.rules_for(name)
        if changed:
            lost[name] = f"the recipe has changed ({changed})"
        elif not trainings or trainings[0].data.name == "mini":
            kept[name] = Trained(trainings, not_trained(_of(reached[0]), rules))
        elif len(trainings) < (needed := task.assignment.seeds_needed(trainings, name)):
            lost[name] = f"too close to the line for {len(trainings)} seed(s); {needed} are needed"
        else:
            kept[name] = Trained(trainings[:needed], judged(task, name, trainings[:needed]))
    return kept, lost


def _untrained(record: Record, task: Task, config: GradingConfig, lost: Mapping[str, str]) -> tuple[str, ...]:
    """Return which variants have to be trained, and why: none where the rules do not hold."""
    if _rules_verdict(record, config) != "passed":
        return ()
    wanted = variants_to_train(task, config.variants)
    names = sorted(name for name in wanted if not record.variants[name].full)
    return tuple(f"{name}: {lost.get(name, 'not trained yet')}" for name in names)


def _of(finding: Finding) -> Verdict:
    """Return a finding's verdict on why there is no accuracy: whatever is asked for, that stays."""
    return Verdict(finding.status, "", finding.actual, help=finding.help, cause=finding.cause)


def _recipe_changes(name: str, task: Task, before: AssignmentSpec) -> str:
    """Return what the new assignment trains a variant with and the old one did not; "" for nothing."""
    loaded = task.source(task).variants[name]
    if not isinstance(loaded, Loaded):
        return ""
    old, new = (
        one.recipe_of(name, loaded.architecture).model_dump(mode="json")
        for one in (replace(task, assignment=before), task)
    )
    return ", ".join(f"{key} {_short(old[key])} → {_short(new[key])}" for key in new if old[key] != new[key])


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _rules_verdict(record: Record, config: GradingConfig) -> Status:
    """Return the verdict of what counts in a record without its trainings."""
    by_rules = {
        name: variant.model_copy(
            update={"verdict": combined(f.status for f in variant.findings if not f.measured)}
        )
        for name, variant in record.variants.items()
    }
    return total(config.assignment, by_rules).verdict


def _has_its_trainings(one: Regraded) -> bool:
    assert one.row.record is not None
    full = {name for name, variant in one.record.variants.items() if variant.full}
    return all(name in full for name, old in one.row.record.variants.items() if old.training is not None)


def _of_trainings(_: str, names: list[str]) -> list[str]:
    """Remove what a training that no longer counts has left: all but what was loaded."""
    return [name for name in names if "." in name and name not in (CACHED, ARCHITECTURE, WEIGHTS)] + [
        name for name in names if name in ("checkpoints", "plots")
    ]


def _linked(source: str, target: str) -> None:
    """Link a file under a second name: what is written later takes its place, and never goes into it."""
    try:
        link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _write_scorecards(one: Regraded, out: Path) -> None:
    """Write the record and what it is read in; pictures only where they show a line that has moved."""
    record, folders = one.record, variant_folders(one.record, out)
    if one.line_moved:
        write_reports(record, out, folders)
        return
    write_text(out / "scorecard.json", to_json(record))
    write_text(out / "scorecard.md", render_scorecard(record, pictures_beside(out, folders)))
    write_text(out / "scorecard.html", render_html(record, folders))
