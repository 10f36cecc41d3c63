"""The training loop: seeded, deterministic, resumable at the end of every epoch."""

import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it
from torch.optim.lr_scheduler import OneCycleLR

from harness.base.errors import GraphError, UsageError
from harness.base.seeds import seed_for
from harness.base.tables import content_hash
from harness.datasets.images import Data
from harness.record.record import Augmented, EpochLog, Training, accuracy_of
from harness.settings.recipe import Precision, RecipeSpec
from harness.training import checkpoint
from harness.training.batches import Batch, Batches, stream
from harness.training.checkpoint import Identity, Progress, Trained, weights_sha256
from harness.training.events import ContinuedEvent, DivergedEvent, Emit, EpochEvent, StepEvent
from harness.training.fingerprint import fingerprint
from harness.training.jobs import TrainJob
from harness.training.measure import Measured, arithmetic, measure
from harness.training.muon import Muon
from harness.training.network import Network, in_layout, running
from harness.training.pixels import Pixels
from harness.training.plan import planned
from harness.training.samples import augmented, write_samples
from harness.training.stats import Stats, used

STEP_EVENT_S = 0.2
"""Least time between two progress events."""


class Diverged(Exception):  # noqa: N818 - an outcome to report, not an error
    """The loss is no longer a number; `event` says where."""

    def __init__(self, event: DivergedEvent) -> None:
        super().__init__(event.message)
        self.event = event


@dataclass(frozen=True)
class Inputs:
    """What a training is a function of, besides its job."""

    network: Network
    data: Data
    stats: Stats
    device: torch.device


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
    initial_sha256 = weights_sha256(network)
    identity = _identity(job, inputs, initial_sha256)
    trained = optimised(network, recipe, steps)
    checkpoint.clear(job.checkpoints)
    seal_key = checkpoint.bound(job.seal_key, fingerprint(inputs.device))
    progress = _begun(job, trained, identity, seal_key, emit)
    pixels = Pixels(inputs.stats, inputs.device, plan.memory_format)
    measured: Measured | None = None
    stretch = stream(batches, progress.epoch * batches.steps_per_epoch, steps, job.workers)
    for epoch in range(progress.epoch + 1, recipe.epochs + 1):
        started = time.monotonic()
        side_px = plan.sizes_px[epoch - 1]
        network.pools_globally = side_px in plan.pooled_px
        run = _Epoch(job, epoch, side_px, plan.precision, batches.steps_per_epoch, trained, pixels, emit)
        log, measured = run.run(stretch, inputs.data)
        progress = Progress((*progress.logs, log), measured.confusion)
        checkpoint.save(job.checkpoints, trained, progress, identity, job.save_every, seal_key)
        emit(EpochEvent(log=log, epochs=recipe.epochs, seconds=time.monotonic() - started))
    training = _result(job, inputs, asked, plan.notes, progress, initial_sha256, batches.augmented)
    if job.samples is not None:
        # A training resumed at its very end has measured nothing by itself.
        last = measured or measure(network, pixels, inputs.data.test, job.data.num_classes)
        _write_samples(job.samples, job, inputs, last)
    return training


def optimised(network: nn.Module, recipe: RecipeSpec, steps: int) -> Trained:
    """Give a network its optimiser and its schedule over `steps` batches.

    Nesterov SGD, on the weights of convolutions that mix channels with orthogonalised steps if the recipe
    says so; weight decay on weights only, which are the parameters of more than one dimension.
    As the learning rate rises to its peak the momentum falls, and the other way round.

    Raises:
        GraphError: no parameter is trainable.
    """
    trainable = [p for p in network.parameters() if p.requires_grad]
    # The filters of a depthwise convolution do not share an input: they are not rows of one matrix.
    mixing = [p for p in trainable if p.ndim == 4 and p.shape[1] > 1]
    matrices = [p for p in trainable if p.ndim > 1 and not any(p is other for other in mixing)]
    if not trainable:
        raise GraphError("network: nothing to train; expected at least one trainable parameter, got none.")
    at_peak, at_ends = recipe.momentum
    optimizer = Muon(
        [
            {"params": mixing, "weight_decay": recipe.weight_decay, "orthogonal": recipe.muon},
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=recipe.lr,
        momentum=at_ends,
        nesterov=True,
    )
    # OneCycleLR divides by the steps of the warm-up less one: a warm-up of exactly one is made a hair longer.
    nudge = 1e-6 if recipe.warmup * steps == 1 else 0.0
    schedule = OneCycleLR(
        optimizer,
        max_lr=recipe.lr,
        total_steps=steps,
        pct_start=recipe.warmup + nudge,
        div_factor=recipe.div_factor,
        final_div_factor=recipe.final_div_factor,
        base_momentum=at_peak,
        max_momentum=at_ends,
    )
    return Trained(network, optimizer, schedule)


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


class _Tally:
    """Running sums of an epoch, kept on the device: reading them is what makes it wait."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._images = 0

    def add(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        self._loss += loss.detach() * len(labels)
        self._correct += (logits.detach().argmax(1) == labels).sum()
        self._images += len(labels)

    def means(self) -> tuple[float, float]:
        return self._loss.item() / self._images, self._correct.item() / self._images


@dataclass
class _Epoch:
    """One epoch of a training, counted from 1."""

    job: TrainJob
    epoch: int
    size_px: int
    precision: Precision
    steps: int
    trained: Trained
    pixels: Pixels
    emit: Emit
    shown_s: float = 0.0

    def run(self, stretch: Iterator[Batch], data: Data) -> tuple[EpochLog, Measured]:
        # From the epoch too, so that a resumed training draws what an unbroken one draws.
        torch.manual_seed((seed_for(self.job.seed, "dropout") + self.epoch) % 2**63)
        self.trained.model.train()
        tally, lr = _Tally(self.pixels.device), 0.0
        for step in range(1, self.steps + 1):
            lr = float(self.trained.schedule.get_last_lr()[0])
            self._step(next(stretch), tally)
            self._show(step, tally)
        loss, accuracy = self._checked(self.steps, tally)
        # At the size of the epoch, which costs less and says more of how it goes on. The last epoch's
        # accuracy is the grade: at full size, and always float32.
        precision = self.precision if self.epoch < self.job.recipe.epochs else "float32"
        measured = measure(
            self.trained.model, self.pixels, data.test, self.job.data.num_classes, precision, self.size_px
        )
        self._check(self.steps, measured.loss, "test")
        log = EpochLog(
            epoch=self.epoch,
            train_loss=round(loss, 6),
            train_acc=round(accuracy, 6),
            test_loss=round(measured.loss, 6),
            test_acc=round(measured.correct / measured.total, 6),
            lr=round(lr, 6),
        )
        return log, measured

    def _step(self, batch: Batch, tally: _Tally) -> None:
        images, labels = self.pixels(batch[0], self.size_px), batch[1].to(self.pixels.device)
        with running():
            with arithmetic(self.precision, self.pixels.device):
                logits = self.trained.model(images).float()
            loss = F.cross_entropy(logits, labels, label_smoothing=self.job.recipe.label_smoothing)
            self.trained.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.trained.optimizer.step()
        self.trained.schedule.step()
        tally.add(loss, logits, labels)

    def _show(self, step: int, tally: _Tally) -> None:
        if time.monotonic() - self.shown_s < STEP_EVENT_S:
            return
        self.shown_s = time.monotonic()
        loss, accuracy = self._checked(step, tally)
        self.emit(
            StepEvent(
                epoch=self.epoch, epochs=self.job.recipe.epochs,
                step=step, steps=self.steps, loss=loss, accuracy=accuracy,
            )
        )  # fmt: skip

    def _checked(self, step: int, tally: _Tally) -> tuple[float, float]:
        loss, accuracy = tally.means()
        self._check(step, loss, "training")
        return loss, accuracy

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
