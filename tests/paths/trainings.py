"""Trainings in this process, on a few images."""

from collections.abc import Callable

import torch
from torch import nn

from harness.datasets.images import Data
from harness.record.trainings import Training
from harness.training.determinism import make_deterministic
from harness.training.events import Event
from harness.training.images.statistics import measured
from harness.training.jobs import Model, TrainJob
from harness.training.loop import Inputs, train
from harness.training.network import Network, read

Export = Callable[[nn.Module], Model]


def inputs_of(job: TrainJob, data: Data) -> Inputs:
    make_deterministic(job.recipe.threads)
    device = torch.device("cpu")
    network = Network(*read(job.model.architecture, job.model.weights), device)
    return Inputs(network=network, data=data, stats=measured(data.train.images), device=device)


def trained(job: TrainJob, data: Data, events: list[Event] | None = None) -> Training:
    return train(job, inputs_of(job, data), ([] if events is None else events).append)
