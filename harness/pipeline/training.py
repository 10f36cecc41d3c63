"""Train a variant for its grade: once, and with further seeds where the accuracy is too close to the line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from harness.base.errors import DataUnavailableError, GraphError, TrainingError
from harness.datasets.dataset import PREVIEW
from harness.datasets.loading import how_to_get
from harness.graph.cuda import not_on_cuda
from harness.loader.client import Loaded
from harness.pipeline.jobs import run_training, tell_duration
from harness.pipeline.loading import load
from harness.pipeline.probing import Probed
from harness.pipeline.task import Stage, Task
from harness.pipeline.tiers import more_epochs
from harness.record.findings import Finding
from harness.record.trainings import Training
from harness.rules.judging import judge_trainings, not_trained
from harness.rules.min_accuracy import stuck_at_chance
from harness.rules.verdicts import Verdict, diverged, not_measured, untrainable
from harness.training.client import Child
from harness.training.events import DataEvent, DivergedEvent, Event, ReadyEvent

PREVIEW_EPOCHS = 4
"""Epochs of the preview on the embedded set, when the real data cannot be had."""


@dataclass(frozen=True)
class Trained:
    """Trainings of one variant by seed, and the verdicts on them; the rest is provenance, never result."""

    trainings: tuple[Training, ...]
    findings: tuple[Finding, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    """What decides the bytes of a training on this machine."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One training that was tried; `verdict` says why there is none, where there is none."""

    training: Training | None
    verdict: Verdict | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def train(task: Task, name: str, probed: Probed, worker: Child) -> Trained:
    """Train a variant for its grade, or preview on the embedded set where the real data cannot be had.

    Raises:
        HarnessError: there can be no verdict.
    """
    if probed.probe is None:
        unknown = "the network could not be rebuilt from its graph"
        verdict = untrainable("student" if probed.not_run else "harness", probed.not_run or unknown)
        return _trained(task, name, [Attempt(None, verdict)])
    cannot = not_on_cuda(probed.loaded.architecture) if task.settings.device == "cuda" else None
    if cannot:
        return _trained(task, name, [Attempt(None, untrainable("harness", f"{cannot}; use --device cpu"))])
    if task.settings.data == PREVIEW:
        return _preview(task, name, probed.loaded, "the embedded mini set was asked for", worker)
    try:
        return _trained(task, name, list(_attempts(task, name, probed.loaded, worker)))
    except DataUnavailableError as error:
        return _offline(task, name, probed.loaded, error, worker)


def further(task: Task, name: str, first: Loaded, seed: int, worker: Child) -> Attempt:
    """Train once more, just as a grade with another seed does: other initial weights, order, augmentation."""
    again = task.with_seed(name, seed)
    task.listen(name, "borderline")
    loaded = load(again).variants[name]
    if not isinstance(loaded, Loaded) or loaded.sha256 != first.sha256:
        why = f"the network could not be built a second time as it was (seed {seed})"
        return Attempt(None, untrainable("student", why))
    attempt = _attempt(again, name, loaded, worker)
    return replace(attempt, seconds={f"{name}, seed {seed}": s for s in attempt.seconds.values()})


def judged(task: Task, name: str, trainings: tuple[Training, ...]) -> tuple[Finding, ...]:
    """Judge the trainings of a variant, one at least, and tell whoever fails what may be asked for."""
    epochs = trainings[0].recipe.get("epochs", len(trainings[0].epochs))
    advice = "" if stuck_at_chance(trainings[0]) else more_epochs(task, name, epochs)
    return tuple(
        finding.model_copy(update={"help": f"{finding.help} {advice}".rstrip()})
        if finding.status == "failed"
        else finding
        for finding in judge_trainings(trainings, task.assignment.rules_for(name))
    )


# Private functions


def _attempts(task: Task, name: str, loaded: Loaded, worker: Child) -> Iterator[Attempt]:
    """Train until there are as many seeds as the accuracy asks for, or a training does not come about."""
    attempt = _attempt(task, name, loaded, worker)
    trainings: list[Training] = []
    while attempt.training is not None:
        yield attempt
        trainings.append(attempt.training)
        if len(trainings) >= task.assignment.seeds_needed(trainings, name):
            return
        attempt = further(task, name, loaded, task.seed + len(trainings), worker)
    yield attempt


def _attempt(
    task: Task, name: str, loaded: Loaded, worker: Child, changes: Mapping[str, Any] = MappingProxyType({})
) -> Attempt:
    recipe = task.recipe_of(name, loaded.architecture).model_copy(update=dict(changes))
    fingerprint: dict[str, str] = {}

    def listen(variant: str, event: Event | Stage) -> None:
        if isinstance(event, ReadyEvent):
            fingerprint.update(event.fingerprint)
        task.listen(variant, event)

    try:
        tell_duration(task, name, loaded.architecture, recipe, worker)
        final = run_training(replace(task, listen=listen), name, recipe, worker)
    except GraphError as error:
        return Attempt(None, untrainable("student", str(error)), fingerprint=fingerprint, notes=(str(error),))
    except TrainingError as error:
        verdict = untrainable("infrastructure", "training ended without a result")
        return Attempt(None, verdict, fingerprint=fingerprint, notes=(str(error),))
    if isinstance(final, DivergedEvent):
        return Attempt(None, diverged(final), fingerprint=fingerprint)
    return Attempt(final.training, None, {name: round(final.seconds, 1)}, fingerprint)


def _trained(task: Task, name: str, attempts: list[Attempt], notes: tuple[str, ...] = ()) -> Trained:
    """Judge what was trained; the last attempt says why there is no more."""
    trainings = tuple(one.training for one in attempts if one.training is not None)
    rules, why = task.assignment.rules_for(name), attempts[-1].verdict
    return Trained(
        trainings=trainings,
        findings=judged(task, name, trainings) if why is None else not_trained(why, rules),
        seconds={key: spent for one in attempts for key, spent in one.seconds.items()},
        fingerprint={key: value for one in attempts for key, value in one.fingerprint.items()},
        notes=(*notes, *(note for one in attempts for note in one.notes)),
    )


def _offline(task: Task, name: str, loaded: Loaded, error: DataUnavailableError, worker: Child) -> Trained:
    """Preview on the embedded set in place of data that cannot be had, where there is such a set."""
    data = task.assignment.data
    why, embedded = f"{data.title} could not be had", data.miniature is not None
    follows = "A short preview on the embedded mini set follows; it is not a grade."
    message = f"{error} {follows if embedded else 'No sample of it is embedded to preview on.'}"
    task.listen(name, DataEvent(name=PREVIEW, root="", message=message))
    if embedded:
        return _preview(task, name, loaded, why, worker, (message,))
    return _trained(task, name, [Attempt(None, not_measured(None, why, how_to_get(data)))], (message,))


def _preview(
    task: Task, name: str, loaded: Loaded, why: str, worker: Child, notes: tuple[str, ...] = ()
) -> Trained:
    """Train briefly on the embedded set: it shows that everything works, and is never a grade."""
    offline = replace(task, settings=replace(task.settings, data=PREVIEW, resume=None))
    epochs = min(task.recipe_of(name, loaded.architecture).epochs, PREVIEW_EPOCHS)
    attempt = _attempt(offline, name, loaded, worker, {"epochs": epochs, "stages": ()})
    verdict = not_measured(attempt.training, why, how_to_get(task.assignment.data))
    return _trained(task, name, [replace(attempt, verdict=verdict)], notes)
