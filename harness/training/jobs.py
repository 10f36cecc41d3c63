"""What the parent asks of the training child and what the child answers: plain data, no torch.

The child (``python -m harness.training.engine``) reads jobs from standard input, each a line of JSON, and
writes one event as a line of JSON to standard output for every step worth showing. The last event of a
job that ends well is its result.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from harness.analysis.agreement import Extents
from harness.analysis.evidence import Evidence
from harness.datasets.spec import DataSpec
from harness.errors import (
    DataError,
    DataUnavailableError,
    GraphError,
    HarnessError,
    TrainingError,
    UsageError,
)
from harness.recipe import RecipeSpec
from harness.record import DataUsed, EpochLog, Training

MEMORY_MIB = 12_288
"""Most that the values of one batch may take together, where an assignment does not say it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Model(_Frozen):
    """An exported model on disk: ``architecture.json`` and ``initial.safetensors``."""

    architecture: Path
    weights: Path


class ProbeJob(_Frozen):
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


class TrainJob(_Frozen):
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
    save_every: int = 0
    """Keep a snapshot every N epochs; 0 keeps none."""
    samples: Path | None = None
    """Where to write images that show what the training did; see `harness.training.samples`."""


class EvaluateJob(_Frozen):
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


class FieldJob(_Frozen):
    """Measure the receptive field by gradients, and draw the effective one."""

    kind: Literal["field"] = "field"
    model: Model
    checkpoint: Path | None = None
    """A checkpoint of the model, whose weights take the place of the initial ones in the effective field."""
    threads: int
    images: int
    """Random images the effective receptive field is averaged over; 0 leaves it out."""
    seed: int
    memory_mib: int = MEMORY_MIB


class AugmentJob(_Frozen):
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


class DoctorJob(_Frozen):
    """Say what torch is and does on this machine, and whether the data that is here is the official one."""

    kind: Literal["doctor"] = "doctor"
    threads: int
    data: DataSpec
    folder: str | None = None
    """As in `TrainJob`; nothing is downloaded."""


Job = Annotated[
    Union[ProbeJob, TrainJob, EvaluateJob, FieldJob, AugmentJob, DoctorJob], Field(discriminator="kind")
]


class DataEvent(_Frozen):
    """Which data is used, and what to tell the user about it.

    `name` is the data set's, or "mini" for an embedded sample; `root` is "" where the data cannot be had.
    """

    event: Literal["data"] = "data"
    name: str
    root: str
    message: str


class ReadyEvent(_Frozen):
    """Everything that decides a training is known, and nothing is trained yet."""

    event: Literal["ready"] = "ready"
    fingerprint: dict[str, str]
    """See `harness.training.fingerprint`."""
    data_sha256: str
    initial_sha256: str


class DownloadEvent(_Frozen):
    """Progress of the download of a file in bytes; `total` is None when the server does not say."""

    event: Literal["download"] = "download"
    title: str
    """The data set's name in a sentence."""
    done: int
    total: int | None


class StepEvent(_Frozen):
    """Progress inside an epoch; loss and accuracy are means over the epoch so far."""

    event: Literal["step"] = "step"
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float


class EpochEvent(_Frozen):
    """An epoch has ended."""

    event: Literal["epoch"] = "epoch"
    log: EpochLog
    epochs: int
    seconds: float


class Probe(_Frozen):
    """What an untrained model does. Accuracies are shares in [0, 1]; differences are relative."""

    logits_shape: tuple[int, ...]
    accuracy_running: float
    """With running statistics (eval graph)."""
    accuracy_batch: float
    """With batch statistics (train graph)."""
    repeat_difference: float
    """Largest difference of two identical eval passes, relative to the largest output."""
    batch_difference: float
    """Largest difference of an image's output alone and in batches of several sizes, likewise relative."""
    finite: bool
    extents: Extents
    """The receptive field measured by gradients."""
    evidence: Evidence
    """What of the graph has influence."""


class StartedEvent(_Frozen):
    """The child of a probe job has loaded what takes long to load; from now on each model has its time."""

    event: Literal["started"] = "started"


class Refused(_Frozen):
    """A graph that is not what it says: nothing is to be judged by it."""

    message: str


class CheckedEvent(_Frozen):
    """One model of a probe job is what it says; it is run now."""

    event: Literal["checked"] = "checked"
    model: str


class ProbedEvent(_Frozen):
    """One model of a probe job has been run, or was refused, or could not be run.

    What could not be run for an operator that the harness does not know has no message: the rules name it.
    """

    event: Literal["probed"] = "probed"
    model: str
    found: Probe | Refused | str


class ProbeEvent(_Frozen):
    """The result of a probe job, by model; a model that cannot run has a message instead."""

    event: Literal["probe"] = "probe"
    probes: dict[str, Probe]
    failures: dict[str, str]


class FieldEvent(_Frozen):
    """The result of a field job.

    `heat` is the mean absolute input gradient of one position, rows of pixels, its largest value 1;
    `position` (h, w) is that position in the last feature map. Both are None when not asked for.
    """

    event: Literal["field"] = "field"
    extents: Extents
    heat: tuple[tuple[float, ...], ...] | None = None
    position: tuple[int, int] | None = None


class TrainedEvent(_Frozen):
    """The result of a training job; `seconds` are for provenance only."""

    event: Literal["trained"] = "trained"
    training: Training
    seconds: float


class MeasuredEvent(_Frozen):
    """The result of an evaluation: mean test loss, ``confusion[i][j]`` (images of class i called class j)."""

    event: Literal["measured"] = "measured"
    data: DataUsed
    device: str
    loss: float
    confusion: tuple[tuple[int, ...], ...]
    accuracy: float
    accuracy_interval: tuple[float, float]
    weights_sha256: str


class DoctorEvent(_Frozen):
    """The result of an examination."""

    event: Literal["doctor"] = "doctor"
    fingerprint: dict[str, str]
    switches: dict[str, bool]
    """By name, whether each switch of `harness.training.determinism` is where it has to be."""
    data: str
    """The folder of the data, "" where it is nowhere."""
    data_problem: str


class AugmentedEvent(_Frozen):
    """The result of an augmentation job: the samples are written; the classes name their labels."""

    event: Literal["augmented"] = "augmented"
    classes: tuple[str, ...]


class DivergedEvent(_Frozen):
    """The loss stopped being a number: a finding about the submission, not a crash."""

    event: Literal["diverged"] = "diverged"
    epoch: int
    step: int
    loss: Literal["training", "test"]
    peak_lr: float
    rising: bool
    """Whether the learning rate was still on its way to the peak."""
    message: str


class ErrorEvent(_Frozen):
    """The child cannot go on; `kind` names the class of `harness.errors` to raise in the parent."""

    event: Literal["error"] = "error"
    kind: Literal["data", "data_unavailable", "usage", "graph", "training"]
    message: str


Event = Annotated[
    Union[
        DataEvent,
        DoctorEvent,
        ReadyEvent,
        DownloadEvent,
        StepEvent,
        EpochEvent,
        StartedEvent,
        CheckedEvent,
        ProbedEvent,
        ProbeEvent,
        FieldEvent,
        TrainedEvent,
        MeasuredEvent,
        AugmentedEvent,
        DivergedEvent,
        ErrorEvent,
    ],
    Field(discriminator="event"),
]

ERRORS: Mapping[str, type[HarnessError]] = {
    "data": DataError,
    "data_unavailable": DataUnavailableError,
    "usage": UsageError,
    "graph": GraphError,
    "training": TrainingError,
}
"""The errors that cross from the child to the parent, by `ErrorEvent.kind`."""

JOBS: TypeAdapter[Job] = TypeAdapter(Job)
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)

Emit = Callable[[Event], None]
"""Takes one event of the child: writes it, or passes it on."""
