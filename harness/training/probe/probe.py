"""Probe an untrained model: accuracy before training, and what its output depends on."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from harness.base.errors import GraphError
from harness.datasets.images import Data, Split
from harness.graph.evidence import Evidence
from harness.graph.ir import Mode
from harness.graph.operators import unknown_ops
from harness.graph.receptive_field.agreement import Extents
from harness.graph.view import View, views_of
from harness.training.budget import check_memory
from harness.training.events import CheckedEvent, Probe, ProbedEvent, Refused
from harness.training.images.pixels import Pixels
from harness.training.images.statistics import Stats, measured
from harness.training.jobs import Model, ProbeJob
from harness.training.measure import measure
from harness.training.network import (
    Network,
    check_numbers,
    check_one_image,
    in_layout,
    one_line,
    read,
    usable_layout,
)
from harness.training.probe.evidence import IMAGES, STEPS, evidence
from harness.training.probe.gradients import extents
from harness.training.probe.stated_shapes import check_stated
from harness.training.probe.trial import Tensors

PROBED = 500
"""Images the accuracies are measured on: three standard deviations of chance are 4 points."""
TOGETHER = 32
"""Images in the batch whose output is compared with itself."""
ALONE = 8
"""Images of it that are also run one by one."""
LEAST_SPREAD = 0.01
"""What tells images apart counts as at least this share of the output; less is near to rounding."""


@dataclass(frozen=True)
class _Means:
    """The data and settings that every model of a job is probed with."""

    job: ProbeJob
    split: Split
    train: Split
    stats: Stats


def probe_all(job: ProbeJob, data: Data, checked: Callable[[CheckedEvent], None]) -> Iterator[ProbedEvent]:
    """Probe each model on the test split of `data`; a model that cannot run has a message instead.

    `checked` hears of each model that is what it says, before it is run.
    """
    assert isinstance(data.test, Split)  # images that come with the harness: their labels are no secret
    means = _Means(job, _mixed(data.test), data.train, measured(data.train.images))
    for name, model in job.models.items():
        found = _found(model, means, partial(checked, CheckedEvent(model=name)))
        yield ProbedEvent(model=name, found=found)


def probe(
    network: Network, pixels: Pixels, split: Split, job: ProbeJob, seen: Extents, shown: Evidence
) -> Probe:
    """Probe one network; it is left as it came."""
    images = pixels(torch.from_numpy(split.images[:TOGETHER]))
    with torch.no_grad():
        once = copy.deepcopy(network).eval()
        first = once(images)
        once.draw(seed=0, epoch=0, step=1)  # other numbers, where the graph of eval draws any
        second = once(images)
        alone = torch.cat([once(images[i : i + 1]) for i in range(min(ALONE, len(images)))])
        batch_logits, labels = _with_batch_statistics(copy.deepcopy(network), pixels, split, job.batch_size)
    running = measure(copy.deepcopy(network), pixels, split, job.data.num_classes)
    # The first images again, in batches as they are measured for a grade.
    graded = torch.from_numpy(running.logits[: len(first)])
    return Probe(
        accuracy_running=running.correct / running.total,
        accuracy_batch=(batch_logits.argmax(1) == labels).double().mean().item(),
        repeat_difference=_difference(first, second),
        batch_difference=max(_difference(first[: len(one)], one, _spread(first)) for one in (alone, graded)),
        finite=bool(first.isfinite().all() and batch_logits.isfinite().all()),
        extents=seen,
        evidence=shown,
    )


# Private functions


def _found(model: Model, means: _Means, checked: Callable[[], None]) -> Probe | Refused | str:
    """Probe one model, or say why not; `checked` is called where it is what it says."""
    shape = means.job.data.input_shape
    try:
        plan, tensors = read(model.architecture, model.weights)
        check_stated(plan, tensors, shape)
    except Exception as error:  # noqa: BLE001 - one graph must not keep the others from being run
        return Refused(message=_said(error))
    checked()
    if unknown_ops(plan):
        return ""
    try:
        check_numbers(plan, tensors)
        network, job = Network(plan, tensors, torch.device("cpu")), means.job
        check_memory(plan, tensors, (job.batch_size, *shape), job.memory_mib)
        memory_format, _ = usable_layout(network, shape, job.data.num_classes)
        in_layout(network, memory_format)
        pixels = Pixels(means.stats, torch.device("cpu"), memory_format)
        check_one_image(plan, network, pixels(torch.from_numpy(means.split.images[:1])))
        views = views_of(plan)
        shown = _evidence(views, tensors, pixels, means)
        return probe(network, pixels, means.split, job, extents(views["eval"], tensors), shown)
    except Exception as error:  # noqa: BLE001 - as above
        return _said(error)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, GraphError) else one_line(error)


def _mixed(split: Split) -> Split:
    """Select `PROBED` images, the classes in turn: batch statistics over a single class would say nothing."""
    turn = np.empty_like(split.labels)
    for label in np.unique(split.labels):
        of_class = split.labels == label
        turn[of_class] = np.arange(of_class.sum())
    order = np.lexsort((split.labels, turn))
    return Split(split.images[order][:PROBED], split.labels[order][:PROBED])


def _evidence(views: Mapping[Mode, View], tensors: Tensors, pixels: Pixels, means: _Means) -> Evidence:
    """Train for a moment, on images of all classes, and measure what has influence."""
    count, train = STEPS * IMAGES, means.train
    chosen = np.arange(count) * 7919 % len(train.labels)
    images = pixels(torch.from_numpy(train.images[chosen])).contiguous()
    labels = torch.from_numpy(train.labels[chosen])
    return evidence(views, tensors, images, labels, every_layer=means.job.every_layer)


def _with_batch_statistics(
    network: Network, pixels: Pixels, split: Split, batch_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the train graph over the full batches of the split: logits and their labels."""
    network.train()
    count = max(len(split.labels) // batch_size, 1)
    batches = np.split(split.images[: count * batch_size], range(batch_size, count * batch_size, batch_size))
    logits = torch.cat([network(pixels(torch.from_numpy(images))) for images in batches])
    return logits, torch.from_numpy(split.labels[: len(logits)])


def _spread(outputs: torch.Tensor) -> float:
    """Return the share of the output that tells images apart; the rest is a bias, the same for all."""
    finite = outputs[outputs.flatten(1).isfinite().all(1)]
    if not finite.any():
        return 1.0
    apart = (finite - finite.mean(0)).abs().max() / finite.abs().max()
    return min(1.0, max(LEAST_SPREAD, apart.item()))


def _difference(one: torch.Tensor, other: torch.Tensor, spread: float = 1.0) -> float:
    """Return the largest difference relative to the largest output; 1 where only one is finite."""
    scale = one[one.isfinite()].abs().max().item() if one.isfinite().any() else 0.0
    gap = (one - other).abs() / (scale * spread or 1.0)
    # Two outputs that are equally not a number do not differ.
    gap = torch.where(one.isfinite() | other.isfinite(), gap, torch.zeros_like(gap))
    return gap.nan_to_num(nan=1.0, posinf=1.0).max().item()
