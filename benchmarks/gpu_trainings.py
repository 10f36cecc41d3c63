"""Trainings of the two reference networks for `benchmarks/gpu.py`, on the data that is there."""

import json
import runpy
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pack_cifar import LABELS, unpack
from safetensors.torch import save_file

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.base.installation import package_data
from harness.datasets.images import Data, Split
from harness.datasets.loading import checked_folder, load_data
from harness.datasets.miniature import load_mini
from harness.graph.ir import to_json
from harness.loader.export import architecture_of
from harness.record.trainings import Training
from harness.settings.recipe import RecipeSpec
from harness.training.cuda.capture import CudaRecorder, Execution, Step, execution_on
from harness.training.determinism import make_deterministic
from harness.training.events import EpochEvent, Event, SlowerEvent
from harness.training.images.statistics import measured
from harness.training.jobs import Model, TrainJob
from harness.training.loop import Inputs, train
from harness.training.network import Network, read

NETWORKS = {"basic": "Net", "dilated": "NetDilated"}
TOGETHER_EPOCHS = 4
"""Of a training that is one of several."""
STEPS = 20
"""Of an epoch of which only the beginning is trained."""


class Unrecorded(CudaRecorder):
    """Runs every step from Python, with what a recorded one runs."""

    def record(self, step: Step) -> Step:
        """Give the step itself."""
        return step


@dataclass(frozen=True)
class Timed:
    """A training, what its epochs took, and what was said of its speed."""

    training: Training
    seconds: float
    epoch_s: tuple[float, ...]
    said: tuple[str, ...]
    images: int

    def summary(self) -> dict[str, Any]:
        """Say the training in numbers."""
        return {
            "accuracy": self.training.accuracy,
            "seconds": round(self.seconds, 2),
            "images_per_s": round(self.images * len(self.epoch_s) / self.seconds),
            "epoch_s": [round(seconds, 2) for seconds in self.epoch_s],
            "augmented": self.training.augmented,
            "precision": self.training.recipe["precision"],
            "weights_sha256": self.training.weights_sha256,
            "train_loss": [log.train_loss for log in self.training.epochs],
            "said": list(self.said),
        }


@dataclass(frozen=True)
class Bench:
    """Where the parts run, on which images, and whether everything is small."""

    device: torch.device
    pack: Path
    quick: bool = False

    @cached_property
    def assignment(self) -> Any:
        """The compact CNN's, which has both variants."""
        return load_assignment(DEFAULT_ASSIGNMENT)

    @cached_property
    def data(self) -> Data:
        """CIFAR-10 if it is here, else the pack, else the embedded images; nothing is downloaded."""
        spec = self.assignment.data
        if not self.quick and checked_folder(spec, None) is not None:
            return load_data(spec, None, lambda *_: None)
        return unpack(self.pack) if not self.quick and (self.pack / LABELS).is_file() else load_mini(spec)

    def few(self, images: int) -> Data:
        """Take that many training images, and some to test, at equal distances."""
        assert isinstance(self.data.test, Split)
        test = _spread(self.data.test, 20 if self.quick else 200)
        return replace(self.data, train=_spread(self.data.train, images), test=test)

    def recipe(self, variant: str, epochs: int | None = None) -> RecipeSpec:
        """Return the recipe of a variant, or a shorter one."""
        recipe: RecipeSpec = self.assignment.recipe_for(variant)
        if self.quick:
            recipe = recipe.changed({"batch_size": 16})
        return recipe if epochs is None else recipe.changed({"epochs": epochs})

    def plainly(self) -> Execution | None:
        """Say that no step is recorded."""
        if self.device.type != "cuda":
            return None
        return replace(execution_on(self.device), recorder=Unrecorded(self.device))

    def train(
        self, variant: str, recipe: RecipeSpec, data: Data, execution: Execution | None = None
    ) -> Timed:
        """Train a reference network from the same initial weights each time."""
        make_deterministic(recipe.threads)
        epochs: list[float] = []
        said: list[str] = []

        def listen(event: Event) -> None:
            if isinstance(event, EpochEvent):
                epochs.append(event.seconds)
            if isinstance(event, SlowerEvent):
                said.append(event.message)

        with tempfile.TemporaryDirectory() as folder:
            job = self._job(variant, recipe, Path(folder))
            network = Network(*read(job.model.architecture, job.model.weights), self.device)
            inputs = Inputs(network, data, measured(data.train.images), self.device, execution)
            _wait_for(self.device)
            started = time.monotonic()
            training = train(job, inputs, listen)
            _wait_for(self.device)
            seconds = time.monotonic() - started
        return Timed(training, seconds, tuple(epochs), tuple(said), len(data.train.labels))

    def _job(self, variant: str, recipe: RecipeSpec, folder: Path) -> TrainJob:
        torch.manual_seed(0)
        model = runpy.run_path(str(package_data("submission") / "model.py"))[NETWORKS[variant]]()
        architecture, tensors = architecture_of(model, self.data.shape)
        files = Model(architecture=folder / "architecture.json", weights=folder / "initial.safetensors")
        files.architecture.write_text(to_json(architecture))
        save_file(tensors, files.weights)
        return TrainJob(
            model=files, data=self.assignment.data, recipe=recipe, seed=1,
            stats_cache=folder / "stats.json", checkpoints=folder / "checkpoints",
        )  # fmt: skip


def train_on_command(bench: Bench, epochs: int) -> None:
    """Say ``ready``, then train once for every line of standard input and answer with a line of JSON."""
    data = bench.few(STEPS * bench.recipe("basic").batch_size) if bench.quick else bench.data
    recipe = bench.recipe("basic", epochs).changed({"stages": []})
    bench.train("basic", recipe.changed({"epochs": 1, "stages": []}), bench.few(256))  # kernels are loaded
    print("ready", flush=True)
    for _ in sys.stdin:
        timed = bench.train("basic", recipe, data)
        print(json.dumps(timed.summary() | {"images": timed.images * len(timed.epoch_s)}), flush=True)


# Private functions


def _spread(split: Split, images: int) -> Split:
    chosen = np.linspace(0, len(split.labels) - 1, images).astype(int)
    return Split(split.images[chosen], split.labels[chosen])


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
