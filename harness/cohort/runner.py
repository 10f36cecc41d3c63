"""Grade a whole class: hand everything in, judge the rules of everyone, train those that can still pass."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from harness.cohort.current import require_current
from harness.cohort.ingest import PROBLEM, hand_in
from harness.cohort.keys import Terms
from harness.cohort.leases import release_dead
from harness.cohort.local import Pool, gpus_here
from harness.cohort.models import Row
from harness.cohort.objects import Objects
from harness.cohort.progress import graded_since, last_grade, progress_of, typical_seconds
from harness.cohort.queries import Counts, rows, submissions
from harness.cohort.ray_engine import Cluster, RayPool
from harness.cohort.repository import enter, enter_terms
from harness.cohort.roster import Roster
from harness.cohort.scheduling import begin_anew, promote
from harness.cohort.store import Store
from harness.cohort.worker import Shift
from harness.datasets.dataset import PREVIEW
from harness.datasets.loading import check_before
from harness.record.record import Cause

Stage = Literal["rules", "training"]


class Watcher(Protocol):
    """Is told how far a run is."""

    def handed_in(self, done: int, total: int) -> None:
        """So many submissions are in the store."""

    def graded(self, student: str, verdict: str) -> None:
        """Hear of a student who has just been graded."""

    def stage(self, stage: Stage, counts: Counts) -> None:
        """So far is a stage."""


@dataclass(frozen=True)
class Plan:
    """How a class is to be graded; none of it decides a grade."""

    shift: Shift
    """What each grader does; the runner sets the stage."""
    workers: int = 0
    """Graders at once; 0: as many as there are processors, in a training as many as its threads allow."""
    rules_only: bool = False
    train_all: bool = False
    """Train those too that can pass no more, for their points."""
    cluster: Cluster | None = None
    """Where the graders run, if not on this machine alone."""


@dataclass(frozen=True)
class Forecast:
    """What a run would do, and how long it should take: seconds, None where nothing has been measured."""

    submissions: int
    rules: tuple[str, ...]
    """Whose rules would be judged."""
    training_at_most: tuple[str, ...]
    """Who would be trained, at most."""
    unreadable: tuple[tuple[str, str], ...]
    """Whose submission cannot be opened, and why."""
    rules_s: float | None
    training_at_most_s: float | None


@dataclass(frozen=True)
class Again:
    """Who is graded once more, and who of those asked for is not, and why."""

    begun: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def grade_class(store: Store, roster: Roster, terms: Terms, plan: Plan, watcher: Watcher) -> tuple[Row, ...]:
    """Grade all submissions of a roster that are not graded yet; returns the row of each.

    Raises:
        UsageError: another assignment counts in this store.
        HarnessError: nothing can be graded on this machine: no data, no sandbox, no such device.
    """
    require_current(store, terms.assignment)
    if not _rules_alone(terms, plan):
        check_before(terms.assignment.data, PREVIEW if terms.preview else plan.shift.data)
    enter_terms(store, terms)
    keys = set()
    for number, listed in enumerate(roster.listed, start=1):
        keys.add(enter(store, hand_in(listed, terms, store.objects), terms))
        watcher.handed_in(number, len(roster.listed))
    finish_class(store, terms, plan, watcher)
    return tuple(row for row in rows(store, terms.assignment_sha256) if row.key in keys)


def finish_class(store: Store, terms: Terms, plan: Plan, watcher: Watcher) -> None:
    """Grade what is in the store and not graded yet, with others that do the same.

    Raises:
        HarnessError: as `grade_class`.
    """
    release_dead(store)
    store.objects.clean()
    _run(store, terms, plan, "rules", watcher)
    if not _rules_alone(terms, plan):
        # Of what a student has handed in, what counts; where the best does, all may.
        sha256, best = terms.assignment_sha256, terms.assignment.policy.counts == "best"
        handed_in = submissions(store, sha256) if best else (rows(store, sha256),)
        current = {row.key for some in handed_in for row in some}
        promote(store, terms.scope, current, failed_too=plan.train_all)
        _run(store, terms, plan, "training", watcher)


def begin_again(store: Store, found: Iterable[Row], causes: frozenset[Cause]) -> Again:
    """Have those graded once more that got no verdict for one of the causes.

    What could not be handed in is left out: it has to be fetched again.
    """
    begun, left_out = [], []
    for row in found:
        if row.cause not in causes or row.state == "missing":
            continue
        if why := _why_not_again(row):
            left_out.append((row.student, why))
        elif begin_anew(store, row.key, _stage_to_repeat(row, causes)):
            begun.append(row.student)
        else:
            left_out.append((row.student, "is graded with another submission that is equal, or already"))
    return Again(tuple(begun), tuple(left_out))


def forecast(where: Store | None, roster: Roster, terms: Terms, plan: Plan) -> Forecast:
    """Say what a run would do; nothing is entered and nothing is graded."""
    with tempfile.TemporaryDirectory(prefix="harness-dry-run-") as folder:
        objects = Objects(Path(folder))
        entered = [hand_in(listed, terms, objects) for listed in roster.listed]
    keys = {one.student: terms.key(one.sources_sha256, one.recipe_sha256) for one in entered}
    known = progress_of(where, terms.scope) if where is not None else {}
    seconds = typical_seconds(where, terms.scope) if where is not None else {}
    unreadable = {one.student: one.problem for one in entered if one.problem}
    readable = {student: key for student, key in keys.items() if student not in unreadable}
    stages = {student: known.get(key, ("rules", "")) for student, key in readable.items()}
    new = [student for student, (stage, _) in stages.items() if stage == "rules"]
    may_train = not _rules_alone(terms, plan)
    trained = [student for student, one in stages.items() if may_train and _may_be_trained(*one, plan)]
    rules, training = (len({keys[student] for student in some}) for some in (new, trained))
    return Forecast(
        submissions=len(roster.listed),
        rules=tuple(new),
        training_at_most=tuple(trained),
        unreadable=tuple(unreadable.items()),
        rules_s=_duration(rules, seconds.get("rules"), graders(plan, "rules", terms)),
        training_at_most_s=_duration(training, seconds.get("full"), graders(plan, "training", terms)),
    )


def graders(plan: Plan, stage: Stage, terms: Terms) -> int:
    """Say how many graders work at once in a stage."""
    processors = len(os.sched_getaffinity(0))
    if stage == "training":
        if slots := gpus_here(plan.shift.device):
            return min(plan.workers or len(slots), len(slots))
        processors = max(1, processors // terms.assignment.recipe.threads)
    return plan.workers or processors


# Private functions


def _why_not_again(row: Row) -> str:
    """Say why a submission cannot be graded once more; "" where it can."""
    if row.state in ("waiting", "running"):
        return f"is {row.state} already"
    if row.sources is not None and (row.sources / PROBLEM).is_file() and row.problem:
        return f"was not taken in, so harness cohort grade has to fetch or open it anew: {row.problem}"
    return ""


def _stage_to_repeat(row: Row, causes: frozenset[Cause]) -> Stage:
    """Train once more where the rules are not what is open."""
    if row.record is None:
        return "rules"
    by_rules = (
        finding
        for variant in row.record.variants.values()
        for finding in variant.findings
        if not finding.measured
    )
    return "rules" if any(finding.cause in causes for finding in by_rules) else "training"


def _run(store: Store, terms: Terms, plan: Plan, stage: Stage, watcher: Watcher) -> None:
    seen = last_grade(store)

    def watch(now: Counts) -> None:
        nonlocal seen
        for one in graded_since(store, terms.scope, seen):
            watcher.graded(one.student, one.verdict)
            seen = one.number
        watcher.stage(stage, now)

    _engine(store, terms, plan, stage).run(watch)


def _engine(store: Store, terms: Terms, plan: Plan, stage: Stage) -> Pool | RayPool:
    shift = plan.shift.model_copy(update={"stage": stage})
    if plan.cluster is not None:
        cpus = terms.assignment.recipe.threads if stage == "training" else 1
        return RayPool(store, terms.scope, shift, plan.cluster, cpus, plan.workers)
    gpus = gpus_here(plan.shift.device) if stage == "training" else ()
    return Pool(store, terms.scope, shift, graders(plan, stage, terms), gpus)


def _rules_alone(terms: Terms, plan: Plan) -> bool:
    return plan.rules_only or terms.assignment.policy.rules_only


def _may_be_trained(stage: str, verdict: str, plan: Plan) -> bool:
    return stage in ("rules", "training") or (stage == "judged" and (plan.train_all or verdict == "passed"))


def _duration(works: int, seconds: float | None, graders: int) -> float | None:
    if works == 0:
        return 0.0
    return None if seconds is None else works * seconds / graders
