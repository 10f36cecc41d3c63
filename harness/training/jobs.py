"""The jobs that the parent gives the training child: plain data, no torch.

The child (``python -m harness.training.worker``) reads jobs from standard input, each a line of JSON, and
writes one event as a line of JSON to standard output for every step worth showing. The last event of a
job that ends well is its result.
"""

from pathlib import Path
from typing import Annotated, Literal, Union

from pydantic import Field, TypeAdapter

from harness.base.tables import Table
from harness.datasets.spec import DataSpec
from harness.settings.recipe import Precision, RecipeSpec

MEMORY_MIB = 12_288
"""Most that the values of one batch may take together, where an assignment does not say it."""


class Model(Table):
    """An exported model on disk: ``architecture.json`` and ``initial.safetensors``."""

    architecture: Path
    weights: Path


class ProbeJob(Table):
    """Run each model forward, untrained, on images that come with the harness."""

    kind: Literal["probe"] = "probe"
    models: dict[str, Model]
    data: DataSpec
    batch_size: int
    """Images per forward pass, for the accuracy with batch statistics."""
    threads: int
    memory_mib: int = MEMORY_MIB
    every_layer: bool = False
    """Whether all layers are tried for influence, and not only those that the receptive field needs."""


class TrainJob(Table):
    """Train one model from its initial weights and measure it after every epoch."""

    kind: Literal["train"] = "train"
    model: Model
    data: DataSpec
    recipe: RecipeSpec
    seed: int
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = 0
    """Data-loading processes; the result does not depend on it."""
    folder: str | None = None
    """Where to look for the data first, or "mini" for the embedded sample of it."""
    memory_mib: int = MEMORY_MIB
    stats_cache: Path
    recompute_stats: bool = False
    checkpoints: Path
    """Folder for last.pth, best.pth and snapshots."""
    resume: Path | None = None
    """A checkpoint to go on from: it has to be of this training."""
    continues: bool = False
    """Go on from the ``last.pth`` in `checkpoints`, if it is sealed with `seal_key` and of this training."""
    seal_key: str = ""
    """Hex; checkpoints are sealed with it. "": they are not, and none is gone on from by itself."""
    save_every: int = 0
    """Keep a snapshot every N epochs; 0 keeps none."""
    samples: Path | None = None
    """Where to write images that show what the training did; see `harness.training.images.samples`."""


class EvaluateJob(Table):
    """Measure a checkpoint from elsewhere on the test set; the fields are those of `TrainJob`."""

    kind: Literal["evaluate"] = "evaluate"
    model: Model
    checkpoint: Path
    """Read as data, never trusted; see `harness.training.weights`."""
    data: DataSpec
    batch_size: int
    threads: int
    memory_mib: int = MEMORY_MIB
    device: Literal["auto", "cpu", "cuda"] = "auto"
    folder: str | None = None
    stats_cache: Path
    recompute_stats: bool = False


class FieldJob(Table):
    """Measure by gradients what the last feature map sees."""

    kind: Literal["field"] = "field"
    model: Model
    checkpoint: Path | None = None
    """A checkpoint of the model, whose weights take the place of the initial ones in the effective field."""
    threads: int
    extents: bool = True
    """Whether to measure the receptive field: how far a position sees, whatever the weights are."""
    images: int
    """Random images the effective receptive field is averaged over; 0 leaves it out."""
    seed: int
    memory_mib: int = MEMORY_MIB


class AugmentJob(Table):
    """Augment the first images of a training as its first epochs do, without training."""

    kind: Literal["augment"] = "augment"
    data: DataSpec
    recipe: RecipeSpec
    seed: int
    images: int
    folder: str | None = None
    """As in `TrainJob`."""
    samples: Path
    """Where to write them."""


class CalibrateJob(Table):
    """Measure how fast this machine trains; see `harness.training.calibration`."""

    kind: Literal["calibrate"] = "calibrate"
    precision: Precision
    threads: int


class DoctorJob(Table):
    """A job to report what torch is and does on this machine, and whether the data is the official one."""

    kind: Literal["doctor"] = "doctor"
    threads: int
    data: DataSpec
    folder: str | None = None
    """As in `TrainJob`; nothing is downloaded."""


Job = Annotated[
    Union[ProbeJob, TrainJob, EvaluateJob, FieldJob, AugmentJob, CalibrateJob, DoctorJob],
    Field(discriminator="kind"),
]
JOBS: TypeAdapter[Job] = TypeAdapter(Job)
