"""One submission, start to end: load -> probe -> judge -> train -> record, each from values to a value."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from harness.datasets.loading import check_before
from harness.loader.client import LoadFailure
from harness.pipeline.judging import judge
from harness.pipeline.loading import load
from harness.pipeline.probing import Probes, probe
from harness.pipeline.receptive_field import with_effective_field
from harness.pipeline.recording import Graded, GradedVariant, record
from harness.pipeline.task import Task
from harness.pipeline.training import train
from harness.record.record import Record
from harness.training.client import Child


def grade(task: Task, to_train: frozenset[str] = frozenset()) -> Record:
    """Grade every variant of a submission by the rules, train those named, and record it.

    Raises:
        HarnessError: there can be no verdict: bad data, a broken installation, a worker that died.
    """
    return record(task, grade_variants(task, to_train))


def grade_variants(task: Task, to_train: frozenset[str] = frozenset(), *, fields: bool = False) -> Graded:
    """Run every variant through the stages, in one worker; nothing is recorded yet.

    `fields` asks for the effective receptive fields too, which pictures show.

    Raises:
        HarnessError: as `grade`.
    """
    for name in task.submission.variants:
        task.recipe(name)  # a manifest that asks for too much is refused before anything is run
    if to_train:
        check_before(task.assignment.data, task.settings.data)
    with closing(Child()) as worker:
        worker.start(task.assignment.data)
        loads = load(task)
        probes = probe(task, loads, worker)
        return Graded(loads.backend, train_judged(task, probes, to_train, worker, fields=fields))


def judged_by_rules(task: Task, backend: str, probes: Probes) -> Graded:
    """Judge every variant of a submission by the rules alone."""
    return Graded(backend, {name: GradedVariant(judge(task, name, one)) for name, one in probes.items()})


def train_judged(
    task: Task, probes: Probes, to_train: frozenset[str], worker: Child, *, fields: bool
) -> dict[str, GradedVariant]:
    """Judge every variant of a submission, and train those named."""
    graded = {}
    for name, probed in probes.items():
        one = GradedVariant(judge(task, name, probed), full=name in to_train)
        if one.full and not isinstance(one.judged, LoadFailure):
            one = replace(one, trained=train(task, name, one.judged.probed, worker))
        graded[name] = with_effective_field(task, name, one, worker) if fields else one
    return graded


def variants_to_train(task: Task, asked: Sequence[str]) -> frozenset[str]:
    """Return which variants are trained: those asked for, else those that the assignment asks for.

    Where any one will do that is its default, or what was handed in in its place. None where the rules alone
    are the grade.
    """
    policy, default = task.assignment.policy, task.assignment.default_variant
    if policy.rules_only:
        return frozenset()
    if asked:
        return frozenset(asked)
    one_will_do = policy.variants == "any" and default in task.submission.variants
    return frozenset([default] if one_will_do else task.submission.variants)
