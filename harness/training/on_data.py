"""The jobs that need a whole data set: show augmented images, evaluate, train."""

import math
import time
from contextlib import AbstractContextManager, nullcontext

import torch

from harness.base.errors import UsageError
from harness.datasets.dataset import PREVIEW
from harness.datasets.download import Progress
from harness.datasets.images import Data
from harness.datasets.label_server import data_with_label_server
from harness.datasets.miniature import load_mini
from harness.graph.cuda import not_on_cuda
from harness.graph.ir import Architecture
from harness.record.trainings import wilson_interval
from harness.training.budget import WORKSPACE_MIB, bounded_memory, check_memory
from harness.training.checkpoint import weights_sha256
from harness.training.determinism import device_of, make_deterministic
from harness.training.events import (
    AugmentedEvent,
    DataEvent,
    DownloadEvent,
    Emit,
    MeasuredEvent,
    ReadyEvent,
    TrainedEvent,
)
from harness.training.fingerprint import fingerprint
from harness.training.images.feed import RESIDENT_MIB
from harness.training.images.pixels import Pixels
from harness.training.images.samples import augmented, write_samples
from harness.training.images.statistics import stats_of, used
from harness.training.jobs import AugmentJob, EvaluateJob, TrainJob
from harness.training.loop import Diverged, Inputs, train
from harness.training.measure import measure
from harness.training.network import Network, in_layout, read, usable_layout
from harness.training.weights import load_weights

DOWNLOAD_EVENT_S = 0.2
"""Least time between two events of a download."""


def do_on_data(job: TrainJob | EvaluateJob | AugmentJob, emit: Emit) -> None:
    """Run one job; the last event emitted is its result.

    Raises:
        HarnessError: no result could be reached, for a reason with a message of its own.
    """
    if isinstance(job, AugmentJob):
        data = _data(job, emit)
        write_samples(job.samples, augmented(data.train, job.recipe, job.seed, job.images))
        emit(AugmentedEvent(classes=data.classes))
        return
    if isinstance(job, EvaluateJob):
        make_deterministic(job.threads)
        inputs = _inputs(job, job.batch_size, emit)
        with _bounded(job.memory_mib, inputs.device):
            emit(evaluate(job, inputs))
        return
    make_deterministic(job.recipe.threads)
    started = time.monotonic()
    try:
        inputs = _inputs(job, job.recipe.batch_size, emit)
        emit(_ready(inputs))
        with _bounded(job.memory_mib, inputs.device):
            training = train(job, inputs, emit)
    except Diverged as end:
        emit(end.event)
        return
    emit(TrainedEvent(training=training, seconds=time.monotonic() - started))


def gpu_share(memory_mib: int, total_mib: float) -> float:
    """Return the most that a training may take of a GPU, in (0, 1].

    The values of a batch twice, as steps from Python and as recorded ones, with the training images and what
    operators need for themselves.
    """
    return min(1.0, (2 * memory_mib + RESIDENT_MIB + WORKSPACE_MIB) / total_mib)


def evaluate(job: EvaluateJob, inputs: Inputs) -> MeasuredEvent:
    """Load the job's checkpoint into the network and measure it, in float32.

    Raises:
        GraphError: the network cannot run on the images.
        UsageError: the checkpoint cannot be read or does not fit, or gives something else than numbers.
    """
    network, test = inputs.network, inputs.data.test
    load_weights(job.checkpoint, network)
    memory_format, _ = usable_layout(network, inputs.data.shape, job.data.num_classes)
    in_layout(network, memory_format)
    found = measure(network, Pixels(inputs.stats, inputs.device, memory_format), test, job.data.num_classes)
    if not math.isfinite(found.loss):
        raise UsageError(
            f"{job.checkpoint}: the network's output is not a number with these weights; expected a finite "
            f"test loss, got {found.loss}. Check that the training that made them did not diverge."
        )
    return MeasuredEvent(
        data=used(inputs.data, inputs.stats),
        device=inputs.device.type,
        loss=found.loss,
        confusion=found.confusion,
        accuracy=found.correct / found.total,
        accuracy_interval=wilson_interval(found.correct, found.total),
        weights_sha256=weights_sha256(network),
    )


# Private functions


def _inputs(job: TrainJob | EvaluateJob, batch_size: int, emit: Emit) -> Inputs:
    # Before the data: a graph that is refused should not cost a download.
    plan, tensors = read(job.model.architecture, job.model.weights)
    device = _device(job, plan)
    network = Network(plan, tensors, device)
    data = _data(job, emit)
    check_memory(plan, tensors, (batch_size, *data.shape), job.memory_mib)
    stats = stats_of(data, job.stats_cache, recompute=job.recompute_stats)
    return Inputs(network=network, data=data, stats=stats, device=device)


def _device(job: TrainJob | EvaluateJob, plan: Architecture) -> torch.device:
    """Choose the device; a CPU for a network that is not trained on CUDA, unless CUDA is asked for.

    Raises:
        UsageError: it is asked for, and there is none, or none that gives equal bytes for this network.
    """
    device = device_of(job.device)
    why = not_on_cuda(plan) if device.type == "cuda" and isinstance(job, TrainJob) else None
    if why and job.device == "cuda":
        raise UsageError(f"--device cuda: {why}. Use --device cpu or auto.")
    return torch.device("cpu") if why else device


def _bounded(memory_mib: int, device: torch.device) -> AbstractContextManager[None]:
    if device.type != "cuda":
        return bounded_memory(memory_mib + WORKSPACE_MIB)
    # A driver maps as much as a GPU has, and more. Of the GPU itself others have their part.
    total_mib = torch.cuda.get_device_properties(device).total_memory / 2**20
    torch.cuda.set_per_process_memory_fraction(gpu_share(memory_mib, total_mib))
    return nullcontext()


def _ready(inputs: Inputs) -> ReadyEvent:
    return ReadyEvent(
        fingerprint=fingerprint(inputs.device),
        data_sha256=inputs.data.sha256,
        initial_sha256=weights_sha256(inputs.network),
    )


def _data(job: TrainJob | EvaluateJob | AugmentJob, emit: Emit) -> Data:
    # The labels of an embedded set are no secret: they are in the order of its images.
    if job.folder == PREVIEW:
        data = load_mini(job.data)
    else:
        data = data_with_label_server(job.data, job.folder, _download_progress(job.data.title, emit))
    emit(DataEvent(name=data.name, root=data.root, message=f"{data.name}: {data.root}"))
    return data


def _download_progress(title: str, emit: Emit) -> Progress:
    shown_s = 0.0

    def progress(done: int, total: int | None) -> None:
        nonlocal shown_s
        if done == total or time.monotonic() - shown_s >= DOWNLOAD_EVENT_S:
            shown_s = time.monotonic()
            emit(DownloadEvent(title=title, done=done, total=total))

    return progress
