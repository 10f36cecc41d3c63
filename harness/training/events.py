"""The training child's answers, event by event: plain data, no torch; what it is asked is in `jobs`."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Union

from pydantic import Field, TypeAdapter

from harness.base.errors import (
    DataError,
    DataUnavailableError,
    GraphError,
    HarnessError,
    TrainingError,
    UsageError,
)
from harness.base.tables import Table
from harness.graph.evidence import Evidence
from harness.graph.receptive_field.agreement import Extents
from harness.record.trainings import DataUsed, EpochLog, Training


class DataEvent(Table):
    """The data that is used, and what to tell the user about it.

    `name` is the data set's, or "mini" for an embedded sample; `root` is "" where the data cannot be had.
    """

    event: Literal["data"] = "data"
    name: str
    root: str
    message: str


class ReadyEvent(Table):
    """Everything that decides a training is known, and nothing is trained yet."""

    event: Literal["ready"] = "ready"
    fingerprint: dict[str, str]
    """See `harness.training.fingerprint`."""
    data_sha256: str
    initial_sha256: str


class DownloadEvent(Table):
    """Progress of the download of a file in bytes; `total` is None when the server does not say."""

    event: Literal["download"] = "download"
    title: str
    """The data set's name in a sentence."""
    done: int
    total: int | None


class ContinuedEvent(Table):
    """A training goes on from a checkpoint: the epochs that it has."""

    event: Literal["continued"] = "continued"
    logs: tuple[EpochLog, ...]
    epochs: int


class StepEvent(Table):
    """Progress inside an epoch; loss and accuracy are means over the epoch so far."""

    event: Literal["step"] = "step"
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float


class EpochEvent(Table):
    """An epoch has ended."""

    event: Literal["epoch"] = "epoch"
    log: EpochLog
    epochs: int
    seconds: float


class SlowerEvent(Table):
    """A training takes longer than it could, and why: to tell the user, and part of no result."""

    event: Literal["slower"] = "slower"
    message: str


class Probe(Table):
    """The measurements of an untrained model. Accuracies are shares in [0, 1]; differences are relative."""

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


class StartedEvent(Table):
    """The child of a probe job has loaded what takes long to load; from now on each model has its time."""

    event: Literal["started"] = "started"


class Refused(Table):
    """A graph that is not what it says: nothing is to be judged by it."""

    message: str


class CheckedEvent(Table):
    """One model of a probe job is what it says; it is run now."""

    event: Literal["checked"] = "checked"
    model: str


class ProbedEvent(Table):
    """One model of a probe job has been run, or was refused, or could not be run.

    What could not be run for an operator that the harness does not know has no message: the rules name it.
    """

    event: Literal["probed"] = "probed"
    model: str
    found: Probe | Refused | str


class AllProbedEvent(Table):
    """The end of a probe job: each of its models has had its event."""

    event: Literal["all_probed"] = "all_probed"


class FieldEvent(Table):
    """The result of a field job.

    `heat` is the mean absolute input gradient of one position, rows of pixels, its largest value 1;
    `position` (h, w) is that position in the last feature map. All are None when not asked for.
    """

    event: Literal["field"] = "field"
    extents: Extents | None = None
    heat: tuple[tuple[float, ...], ...] | None = None
    position: tuple[int, int] | None = None


class TrainedEvent(Table):
    """The result of a training job; `seconds` are for provenance only."""

    event: Literal["trained"] = "trained"
    training: Training
    seconds: float


class MeasuredEvent(Table):
    """The result of an evaluation: mean test loss, ``confusion[i][j]`` (images of class i called class j)."""

    event: Literal["measured"] = "measured"
    data: DataUsed
    device: str
    loss: float
    confusion: tuple[tuple[int, ...], ...]
    accuracy: float
    accuracy_interval: tuple[float, float]
    weights_sha256: str


class DoctorEvent(Table):
    """The result of an examination."""

    event: Literal["doctor"] = "doctor"
    fingerprint: dict[str, str]
    switches: dict[str, bool]
    """By name, whether each switch of `harness.training.determinism` is where it has to be."""
    data: str
    """The folder of the data, "" where it is nowhere."""
    data_problem: str


class CalibratedEvent(Table):
    """The result of a calibration: the seconds of each kind of work, see `harness.graph.workload`."""

    event: Literal["calibrated"] = "calibrated"
    seconds: tuple[float, ...]


class EstimatedEvent(Table):
    """The time that the training which follows should take on this machine."""

    event: Literal["estimated"] = "estimated"
    message: str


class AugmentedEvent(Table):
    """The result of an augmentation job: the samples are written; the classes name their labels."""

    event: Literal["augmented"] = "augmented"
    classes: tuple[str, ...]


class DivergedEvent(Table):
    """The loss stopped being a number: a finding about the submission, not a crash."""

    event: Literal["diverged"] = "diverged"
    epoch: int
    step: int
    loss: Literal["training", "test"]
    peak_lr: float
    rising: bool
    """Whether the learning rate was still on its way to the peak."""
    message: str


class ErrorEvent(Table):
    """A job came to no result; `kind` names the class of `harness.base.errors` to raise in the parent.

    `fatal`: for a reason that nobody knows, so that the child does no other job.
    """

    event: Literal["error"] = "error"
    fatal: bool = False
    kind: Literal["data", "data_unavailable", "usage", "graph", "training"]
    message: str


Event = Annotated[
    Union[
        DataEvent,
        DoctorEvent,
        ReadyEvent,
        DownloadEvent,
        ContinuedEvent,
        StepEvent,
        EpochEvent,
        SlowerEvent,
        StartedEvent,
        CheckedEvent,
        ProbedEvent,
        AllProbedEvent,
        FieldEvent,
        TrainedEvent,
        MeasuredEvent,
        AugmentedEvent,
        CalibratedEvent,
        EstimatedEvent,
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
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)
Emit = Callable[[Event], None]
"""Takes one event of the child: writes it, or passes it on."""
