"""Grade a whole class: hand everything in, judge the rules of everyone, train those that can still pass."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Literal, Protocol

from harness.base.gpus import Gpu, gpus
from harness.cohort.graders.gpu_placement import graders_that_fit, largest_need_mib, placed
from harness.cohort.graders.local import Pool
from harness.cohort.graders.ray_engine import Cluster, RayPool
from harness.cohort.graders.worker import Job
from harness.cohort.ingest import PROBLEM, ingest
from harness.cohort.platforms.roster import Roster
from harness.cohort.store.current_assignment import require_current
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.leases import release_dead
from harness.cohort.store.models import Row
from harness.cohort.store.objects import Objects
from harness.cohort.store.progress import graded_since, last_grade, progress_of, typical_seconds
from harness.cohort.store.queries import Counts, rows, submissions
from harness.cohort.store.repository import enter, enter_config
from harness.cohort.store.scheduling import begin_anew, schedule
from harness.cohort.store.store import Store
from harness.cohort.training_time import training_seconds
from harness.datasets.dataset import PREVIEW
from harness.datasets.loading import check_before
from harness.record.findings import Cause

Stage = Literal["rules", "training"]


class Watcher(Protocol):
    """Is told how far a run is."""

    def handed_in(self, done: int, total: int) -> None:
        """Receive how many submissions are in the store."""

    def graded(self, student: str, verdict: str) -> None:
        """Receive a student who has just been graded."""

    def stage(self, stage: Stage, counts: Counts) -> None:
        """Receive how far a stage is."""


@dataclass(frozen=True)
class Plan:
    """The plan of how a class is graded; none of it decides a grade."""

    job: Job
    """What each grader does; the runner sets the stage."""
    workers: int = 0
    """Graders at once; 0: as many as there are processors, in a training as many as its threads allow, or as
    have room on the GPUs."""
    rules_only: bool = False
    train_all: bool = False
    """Train those too that can pass no more, for their points."""
    cluster: Cluster | None = None
    """Where the graders run, if not on this machine alone."""


@dataclass(frozen=True)
class Forecast:
    """A forecast of a run, and how long it should take: seconds, None where nothing has been measured."""

    submissions: int
    rules: tuple[str, ...]
    """Whose rules would be judged."""
    training_at_most: tuple[str, ...]
    """Who would be trained, at most."""
    unreadable: tuple[tuple[str, str], ...]
    """Whose submission cannot be opened, and why."""
    rules_s: float | None
    training_at_most_s: float | None
    on_gpus: tuple[tuple[str, int], ...] = ()
    """How many graders would train on which kind of GPU or slice; none where they train on processors."""


@dataclass(frozen=True)
class Again:
    """The submissions that are graded once more, and those asked for that are not, and why."""

    begun: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def grade_class(
    store: Store, roster: Roster, config: GradingConfig, plan: Plan, watcher: Watcher
) -> tuple[Row, ...]:
    """Grade all submissions of a roster that are not graded yet; returns the row of each.

    Raises:
        UsageError: another assignment counts in this store.
        HarnessError: nothing can be graded on this machine: no data, no sandbox, no such device.
    """
    require_current(store, config.assignment)
    if not _rules_alone(config, plan):
        check_before(config.assignment.data, PREVIEW if config.preview else plan.job.data)
    enter_config(store, config)
    keys = set()
    for number, listed in enumerate(roster.listed, start=1):
        keys.add(enter(store, ingest(listed, config, store.objects), config))
        watcher.handed_in(number, len(roster.listed))
    finish_class(store, config, plan, watcher)
    return tuple(row for row in rows(store, config.assignment_sha256) if row.key in keys)


def finish_class(store: Store, config: GradingConfig, plan: Plan, watcher: Watcher) -> None:
    """Grade what is in the store and not graded yet, with others that do the same.

    Raises:
        HarnessError: as `grade_class`.
    """
    release_dead(store)
    store.objects.clean()
    _run(store, config, plan, "rules", watcher)
    if not _rules_alone(config, plan):
        # Of what a student has handed in, what counts; where the best does, all may.
        sha256, best = config.assignment_sha256, config.assignment.policy.counts == "best"
        handed_in = submissions(store, sha256) if best else (rows(store, sha256),)
        current = {row.key for some in handed_in for row in some}
        schedule(store, config.run_key, current, failed_too=plan.train_all)
        _run(store, config, plan, "training", watcher)


def begin_again(store: Store, found: Iterable[Row], causes: frozenset[Cause]) -> Again:
    """Schedule those again that got no verdict for one of the causes.

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


def forecast(where: Store | None, roster: Roster, config: GradingConfig, plan: Plan) -> Forecast:
    """Return what a run would do; nothing is entered and nothing is graded."""
    with tempfile.TemporaryDirectory(prefix="harness-dry-run-") as folder:
        objects = Objects(Path(folder))
        entered = [ingest(listed, config, objects) for listed in roster.listed]
    keys = {one.student: config.key(one.sources_sha256, one.recipe_sha256) for one in entered}
    known = progress_of(where, config.run_key) if where is not None else {}
    seconds = typical_seconds(where, config.run_key) if where is not None else {}
    unreadable = {one.student: one.problem for one in entered if one.problem}
    readable = {student: key for student, key in keys.items() if student not in unreadable}
    stages = {student: known.get(key, ("rules", "")) for student, key in readable.items()}
    new = [student for student, (stage, _) in stages.items() if stage == "rules"]
    may_train = not _rules_alone(config, plan)
    trained = [student for student, one in stages.items() if may_train and _may_be_trained(*one, plan)]
    rules, training = (len({keys[student] for student in some}) for some in (new, trained))
    at = _places(where, config, plan) if trained else ()
    wanted = {keys[student] for student in trained}
    each = {} if where is None or at else training_seconds(where, wanted, config, plan.job.device)
    once = mean(each.values()) if each else seconds.get("full")
    return Forecast(
        submissions=len(roster.listed),
        rules=tuple(new),
        training_at_most=tuple(trained),
        unreadable=tuple(unreadable.items()),
        rules_s=_duration(rules, seconds.get("rules"), graders(plan, "rules", config)),
        training_at_most_s=_duration(training, once, len(at) or graders(plan, "training", config)),
        on_gpus=tuple(Counter(gpu.name for gpu in at).items()),
    )


def graders(plan: Plan, stage: Stage, config: GradingConfig) -> int:
    """Return how many graders work at once in a stage."""
    processors = len(os.sched_getaffinity(0))
    if stage == "training":
        processors = max(1, processors // config.assignment.recipe.threads)
    return plan.workers or processors


# Private functions


def _why_not_again(row: Row) -> str:
    """Return why a submission cannot be graded once more; "" where it can."""
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


def _run(store: Store, config: GradingConfig, plan: Plan, stage: Stage, watcher: Watcher) -> None:
    seen = last_grade(store)

    def watch(now: Counts) -> None:
        nonlocal seen
        for one in graded_since(store, config.run_key, seen):
            watcher.graded(one.student, one.verdict)
            seen = one.number
        watcher.stage(stage, now)

    _engine(store, config, plan, stage).run(watch)


def _engine(store: Store, config: GradingConfig, plan: Plan, stage: Stage) -> Pool | RayPool:
    job = plan.job.model_copy(update={"stage": stage})
    if plan.cluster is not None:
        cpus = config.assignment.recipe.threads if stage == "training" else 1
        return RayPool(store, config.run_key, job, plan.cluster, cpus, plan.workers)
    at = _places(store, config, plan) if stage == "training" else ()
    size = len(at) or graders(plan, stage, config)
    return Pool(store, config.run_key, job, size, tuple(gpu.id for gpu in at))


def _places(where: Store | None, config: GradingConfig, plan: Plan) -> Sequence[Gpu]:
    """Return the GPU of each grader that trains; unless a number is asked for, as many as have room.

    Each has a processor too, which feeds the GPU.
    """
    here = () if plan.job.device == "cpu" else gpus()
    if not here:
        return ()
    handed_in = () if where is None else submissions(where, config.assignment_sha256)
    found = [row for some in handed_in for row in some if row.state in ("waiting", "running")]
    folders = {row.folder for row in found if row.folder is not None}
    need_mib = largest_need_mib(folders, config.assignment)
    fit = min(graders_that_fit(here, need_mib), len(os.sched_getaffinity(0)))
    return placed(here, need_mib, plan.workers or fit)


def _rules_alone(config: GradingConfig, plan: Plan) -> bool:
    return plan.rules_only or config.assignment.policy.rules_only


def _may_be_trained(stage: str, verdict: str, plan: Plan) -> bool:
    return stage in ("rules", "training") or (stage == "judged" and (plan.train_all or verdict == "passed"))


def _duration(works: int, seconds: float | None, graders: int) -> float | None:
    if works == 0:
        return 0.0
    return None if seconds is None else works * seconds / graders
