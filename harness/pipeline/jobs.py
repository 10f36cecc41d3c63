"""The jobs of a worker: train a network, measure it, differentiate it, augment images."""

import json
from pathlib import Path

from harness.assignment.spec import AssignmentSpec
from harness.base.secret import seal_key
from harness.base.tables import content_hash
from harness.datasets.dataset import PREVIEW
from harness.graph.ir import Architecture
from harness.pipeline.duration import check_limit, in_words, training_s
from harness.pipeline.task import Listener, Settings, Task
from harness.record.trainings import EpochLog
from harness.report.plots.sources import SAMPLES
from harness.settings.recipe import RecipeSpec
from harness.training.client import Child
from harness.training.events import (
    AugmentedEvent,
    ContinuedEvent,
    DivergedEvent,
    EpochEvent,
    EstimatedEvent,
    Event,
    FieldEvent,
    MeasuredEvent,
    TrainedEvent,
)
from harness.training.jobs import AugmentJob, EvaluateJob, FieldJob, TrainJob
from harness.training.progress import PROGRESS, ProgressLog


def run_training(task: Task, variant: str, recipe: RecipeSpec, worker: Child) -> TrainedEvent | DivergedEvent:
    """Train one variant with a recipe; checkpoints go to its folder.

    Raises:
        DataUnavailableError: neither the data set nor a download could be had.
        HarnessError: bad data, or the worker died.
    """
    settings, limits = task.settings, task.assignment.limits
    job = TrainJob(
        model=task.model(variant),
        data=task.assignment.data,
        recipe=recipe,
        seed=task.seed,
        device=settings.device,
        workers=settings.workers,
        folder=settings.data,
        stats_cache=task.stats_cache,
        recompute_stats=settings.recompute_stats,
        checkpoints=task.folder(variant) / "checkpoints",
        resume=settings.resume,
        continues=settings.continues,
        seal_key=_seal_key(task) if settings.live else "",
        save_every=settings.save_every,
        samples=task.folder(variant) / SAMPLES,
        memory_mib=limits.training_memory_mib,
    )
    task.listen(variant, "train")
    progress = _progress(task, variant, recipe)
    logs: list[EpochLog] = []

    def heard(event: Event) -> None:
        if isinstance(event, ContinuedEvent):
            logs.extend(event.logs)
        if isinstance(event, EpochEvent):
            logs.append(event.log)
            progress.epoch(event)
            if settings.live:
                from harness.report.files import write_so_far  # takes matplotlib along, which is slow

                write_so_far(logs, task.folder(variant), variant, task.assignment.accuracy_asked(variant))
        task.listen(variant, event)

    try:
        final = worker.run(job, heard, limits.training_s)
    except BaseException:
        progress.end("stopped")
        raise
    assert isinstance(final, TrainedEvent | DivergedEvent)
    progress.end("diverged" if isinstance(final, DivergedEvent) else "trained")
    return final


def tell_duration(
    task: Task, variant: str, architecture: Architecture, recipe: RecipeSpec, worker: Child
) -> None:
    """Announce how long a training will take here, where it is one on the whole data.

    Raises:
        TrainingError: it would take longer than the assignment's limit.
    """
    settings = task.settings
    if settings.data == PREVIEW or settings.resume is not None or settings.continues:
        return
    seconds = training_s(architecture, recipe, task.assignment, settings.device, worker)
    if seconds is None:
        return
    check_limit(seconds, task.assignment.limits.training_s)
    task.listen(variant, EstimatedEvent(message=f"{variant}: about {in_words(seconds)} on this machine"))


def run_evaluation(task: Task, variant: str, checkpoint: Path, worker: Child) -> MeasuredEvent:
    """Measure the weights of a checkpoint on the test set with a variant's graph.

    Raises:
        HarnessError: no data, a checkpoint that cannot be read or does not fit, or the worker died.
    """
    task.listen(variant, "evaluate")
    recipe, limits = task.assignment.recipe_for(variant), task.assignment.limits
    job = EvaluateJob(
        model=task.model(variant),
        checkpoint=checkpoint,
        data=task.assignment.data,
        batch_size=recipe.batch_size,
        threads=recipe.threads,
        device=task.settings.device,
        folder=task.settings.data,
        stats_cache=task.stats_cache,
        recompute_stats=task.settings.recompute_stats,
        memory_mib=limits.training_memory_mib,
    )
    final = worker.run(job, lambda event: task.listen(variant, event), limits.training_s)
    assert isinstance(final, MeasuredEvent)
    return final


def run_field(
    task: Task, variant: str, worker: Child, *, extents: bool, images: int, checkpoint: Path | None = None
) -> FieldEvent:
    """Measure what a variant's last feature map sees, by gradients.

    `extents` asks for the receptive field, `images` for the effective one, averaged over so many: that of the
    initial weights, or of those in `checkpoint`.

    Raises:
        HarnessError: the graph cannot be rebuilt, or the worker died.
    """
    task.listen(variant, "field")
    limits = task.assignment.limits
    job = FieldJob(
        model=task.model(variant),
        checkpoint=checkpoint,
        threads=task.assignment.recipe.threads,
        extents=extents,
        images=images,
        seed=task.seed,
        memory_mib=limits.training_memory_mib,
    )
    final = worker.run(job, lambda event: task.listen(variant, event), limits.intake_s)
    assert isinstance(final, FieldEvent)
    return final


def run_augmentation(
    assignment: AssignmentSpec,
    settings: Settings,
    images: int,
    samples: Path,
    listen: Listener,
    worker: Child,
) -> tuple[str, ...]:
    """Augment the first images of a training with the assignment's recipe; returns the names of the classes.

    The worker writes `samples`, an ``.npz`` file; see `harness.training.images.samples`.

    Raises:
        HarnessError: no data, bad data, or the worker died.
    """
    listen("", "augment")
    job = AugmentJob(
        data=assignment.data,
        recipe=assignment.recipe,
        seed=assignment.seed if settings.seed is None else settings.seed,
        images=images,
        folder=settings.data,
        samples=samples,
    )
    final = worker.run(job, lambda event: listen("", event), assignment.limits.training_s)
    assert isinstance(final, AugmentedEvent)
    return final.classes


# Private functions


def _seal_key(task: Task) -> str:
    """Return the key of checkpoints that this submission under this assignment alone goes on from."""
    decides = {
        "assignment": content_hash(task.assignment),
        "submission": task.submission.sha256,
        "seed": task.seed,
    }
    return seal_key(f"checkpoint: {json.dumps(decides, sort_keys=True)}")


def _progress(task: Task, variant: str, recipe: RecipeSpec) -> ProgressLog:
    resumed = task.settings.resume is not None or task.settings.continues
    own = task.folder(variant) / PROGRESS
    if task.settings.progress is None and not resumed:
        own.unlink(missing_ok=True)  # of an earlier grade
    log = ProgressLog(task.settings.progress or own)
    log.begin(variant, task.seed, recipe.epochs, resumed=resumed)
    return log
