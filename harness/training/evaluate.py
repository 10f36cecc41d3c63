"""Measure weights from elsewhere on the test set, with the code that grades."""

import math

from harness.base.errors import UsageError
from harness.record.trainings import wilson_interval
from harness.training.checkpoint import weights_sha256
from harness.training.events import MeasuredEvent
from harness.training.images.pixels import Pixels
from harness.training.images.statistics import used
from harness.training.jobs import EvaluateJob
from harness.training.loop import Inputs
from harness.training.measure import measure
from harness.training.network import in_layout, usable_layout
from harness.training.weights import load_weights


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
