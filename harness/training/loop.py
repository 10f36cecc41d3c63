"""The training loop: seeded, deterministic, resumable at the end of every epoch."""

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch

from harness.base.errors import UsageError
from harness.base.seeds import seed_for
from harness.base.tables import content_hash
from harness.datasets.images import Data
from harness.record.trainings import Augmented, EpochLog, Training, accuracy_of
from harness.settings.recipe import Precision, RecipeSpec
from harness.training import checkpoint
from harness.training.checkpoint import Identity, Progress, weights_sha256
from harness.training.cuda.capture import Execution, Repeated, execution_on
from harness.training.cuda.tally import Means, Tally
from harness.training.events import ContinuedEvent, DivergedEvent, Emit, EpochEvent, StepEvent
from harness.training.fingerprint import fingerprint
from harness.training.images.batches import Batches
from harness.training.images.feed import feed
from harness.training.images.pixels import Pixels
from harness.training.images.samples import augmented, write_samples
from harness.training.images.statistics import Stats, used
from harness.training.jobs import TrainJob
from harness.training.measure import Measured, measure
from harness.training.network import Network, in_layout
from harness.training.optimiser import Trained, optimised
from harness.training.plan import planned
from harness.training.training_step import TrainingStep

STEP_EVENT_S = 0.2
"""Least time between two progress events."""


class Diverged(Exception):  # noqa: N818 - an outcome to report, not an error
    """The loss is no longer a number; `event` says where."""

    def __init__(self, event: DivergedEvent) -> None:
        super().__init__(event.message)
        self.event = event


@dataclass(frozen=True)
class Inputs:
    """The inputs that a training is a function of, besides its job."""

    network: Network
    data: Data
    stats: Stats
    device: torch.device
    execution: Execution | None = None
    """How its steps run; None: as suits the device."""


def train(job: TrainJob, inputs: Inputs, emit: Emit) -> Training:
    """Train from the initial weights, or from the job's checkpoint, to the last epoch.

    Raises:
        Diverged: the loss is infinite or not a number.
        GraphError: nothing to train, not one logit per class, or the graph stops while it runs.
        UsageError: the checkpoint is of another training, or a batch exceeds the training split.
    """
    network = inputs.network
    plan = planned(network, job.recipe, inputs.data.shape, job.data.num_classes, inputs.device)
    asked = job.recipe.model_copy(update={"precision": plan.precision})
    recipe, job = plan.recipe, job.model_copy(update={"recipe": plan.recipe})
    in_layout(network, plan.memory_format)
    batches = Batches(inputs.data.train, recipe, job.seed)
    if batches.steps_per_epoch == 0:
        raise UsageError(
            f"recipe.batch_size: larger than the training split; expected at most "
            f"{len(inputs.data.train.labels)}, got {recipe.batch_size}."
        )
    steps = recipe.epochs * batches.steps_per_epoch
    execution = inputs.execution or execution_on(inputs.device)
    initial_sha256 = weights_sha256(network)
    identity = _identity(job, inputs, initial_sha256)
    trained = optimised(network, recipe, steps, capturable=execution.recorder is not None)
    checkpoint.clear(job.checkpoints)
    seal_key = checkpoint.bound(job.seal_key, fingerprint(inputs.device))
    progress = _begun(job, trained, identity, seal_key, emit)
    pixels = Pixels(inputs.stats, inputs.device, plan.memory_format)
    measured: Measured | None = None
    left = range(progress.epoch * batches.steps_per_epoch, steps)
    batch_feed = feed(batches, left, job.workers, inputs.device, resident=execution.resident)
    tally = Tally(recipe.batch_size, inputs.device)
    step = TrainingStep(recipe.label_smoothing, plan.precision, network, trained, pixels, batch_feed, tally)
    for epoch in range(progress.epoch + 1, recipe.epochs + 1):
        started = time.monotonic()
        side_px = plan.sizes_px[epoch - 1]
        network.pools_globally = side_px in plan.pooled_px
        repeated = step.at(side_px, execution, emit)
        run = _Epoch(job, epoch, side_px, plan.precision, batches.steps_per_epoch, step, repeated, emit)
        log, measured = run.run(inputs.data)
        progress = Progress((*progress.logs, log), measured.confusion)
        checkpoint.save(job.checkpoints, trained, progress, identity, job.save_every, seal_key)
        emit(EpochEvent(log=log, epochs=recipe.epochs, seconds=time.monotonic() - started))
    training = _result(job, inputs, asked, plan.notes, progress, initial_sha256, batch_feed.augmented)
    if job.samples is not None:
        # A training resumed at its very end has measured nothing by itself.
        last = measured or measure(network, pixels, inputs.data.test, job.data.num_classes)
        _write_samples(job.samples, job, inputs, last)
    return training


# Private functions


def _begun(job: TrainJob, trained: Trained, identity: Identity, seal_key: str, emit: Emit) -> Progress:
    """Go on from the job's checkpoint, or from one that it finds where it may; else begin."""
    progress = None
    if job.resume is not None:
        progress = checkpoint.resume(job.resume, trained, identity)
    elif job.continues:
        progress = checkpoint.continued(job.checkpoints, trained, identity, seal_key)
    if progress is None:
        return Progress((), ())
    emit(ContinuedEvent(logs=progress.logs, epochs=job.recipe.epochs))
    return progress


def _identity(job: TrainJob, inputs: Inputs, initial_sha256: str) -> Identity:
    stats = json.dumps(asdict(inputs.stats))
    return Identity(
        graph=hashlib.sha256(job.model.architecture.read_bytes()).hexdigest(),
        weights=initial_sha256,
        data=inputs.data.sha256,
        mean_and_std=stats,
        recipe=content_hash(job.recipe),
        seed=job.seed,
        device=inputs.device.type,
    )


@dataclass
class _Epoch:
    """One epoch of a training, counted from 1."""

    job: TrainJob
    epoch: int
    size_px: int
    precision: Precision
    steps: int
    step: TrainingStep
    repeated: Repeated
    emit: Emit
    shown_s: float = 0.0

    def run(self, data: Data) -> tuple[EpochLog, Measured]:
        network, trained, tally = self.step.network, self.step.trained, self.step.tally
        network.train()
        tally.begin()
        self.step.feed.begin(self.epoch - 1)
        seed, lr = seed_for(self.job.seed, "dropout"), 0.0
        for step in range(1, self.steps + 1):
            lr = float(trained.schedule.get_last_lr()[0])
            # Nothing in a training draws from torch's own generator, so that one is not seeded.
            network.draw(seed, self.epoch, step)
            self.step.feed.advance()
            trained.optimizer.set_rates()
            self.repeated()
            trained.schedule.step()
            self._show(step, tally)
        means = self._checked(tally.means(self.steps))
        # At the size of the epoch, which costs less and says more of how it goes on. The last epoch's
        # accuracy is the grade: at full size, and always float32.
        precision = self.precision if self.epoch < self.job.recipe.epochs else "float32"
        measured = measure(
            network, self.step.pixels, data.test, self.job.data.num_classes, precision, self.size_px
        )
        self._check(self.steps, measured.loss, "test")
        log = EpochLog(
            epoch=self.epoch,
            train_loss=round(means.loss, 6),
            train_acc=round(means.accuracy, 6),
            test_loss=round(measured.loss, 6),
            test_acc=round(measured.correct / measured.total, 6),
            lr=round(lr, 6),
        )
        return log, measured

    def _show(self, step: int, tally: Tally) -> None:
        if time.monotonic() - self.shown_s < STEP_EVENT_S:
            return
        self.shown_s = time.monotonic()
        arrived = tally.arrived(step)
        if arrived is None:
            return
        means = self._checked(arrived)
        self.emit(
            StepEvent(
                epoch=self.epoch, epochs=self.job.recipe.epochs,
                step=means.step, steps=self.steps, loss=means.loss, accuracy=means.accuracy,
            )
        )  # fmt: skip

    def _checked(self, means: Means) -> Means:
        self._check(means.step, means.loss, "training")
        return means

    def _check(self, step: int, loss: float, which: Literal["training", "test"]) -> None:
        # Only when the sums are read anyway: the step reported is the last one of those it may be.
        if math.isfinite(loss):
            return
        message = (
            f"training: diverged in epoch {self.epoch}, at or before step {step} of {self.steps}; expected a "
            f"finite {which} loss, got {loss}. Lower the learning rate (peak {self.job.recipe.lr:g}) or look "
            "for a layer whose output grows without bound."
        )
        raise Diverged(
            DivergedEvent(
                epoch=self.epoch,
                step=step,
                loss=which,
                peak_lr=self.job.recipe.lr,
                rising=self.epoch <= math.ceil(self.job.recipe.warmup * self.job.recipe.epochs),
                message=message,
            )
        )


def _write_samples(path: Path, job: TrainJob, inputs: Inputs, measured: Measured) -> None:
    """Write what pictures need: test images by what the last epoch made of them, the augmentation."""
    shown = augmented(inputs.data.train, job.recipe, job.seed)
    # Nobody is shown an image of a secret test split.
    tested = {} if inputs.data.secret else inputs.data.test.classified(measured.logits)
    write_samples(path, tested | shown)


def _result(
    job: TrainJob,
    inputs: Inputs,
    asked: RecipeSpec,
    notes: tuple[str, ...],
    progress: Progress,
    initial_sha256: str,
    manner: Augmented,
) -> Training:
    confusion = progress.confusion
    accuracy, interval = accuracy_of(confusion)
    return Training(
        seed=job.seed,
        device=inputs.device.type,
        data=used(inputs.data, inputs.stats),
        recipe=asked.model_dump(mode="json"),
        epochs=progress.logs,
        best_epoch=progress.best_epoch,
        confusion=confusion,
        accuracy=accuracy,
        accuracy_interval=interval,
        initial_sha256=initial_sha256,
        weights_sha256=weights_sha256(inputs.network),
        augmented=manner,
        notes=notes,
    )
