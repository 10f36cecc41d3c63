"""The record of one graded submission: frozen data, and the one JSON form it is written in.

Everything but `Record.provenance` is the *result*: no clock, no host name, the same bytes for equal
runs. `result_sha256` is its hash. Reports are rendered from a record and never read back.
Every key is documented in docs/record.md.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from harness.base.errors import UsageError
from harness.base.frozen import Frozen
from harness.datasets.confusion import Confusion, correct_of, total_of

SCHEMA: Literal["harness/record/1"] = "harness/record/1"
WILSON_Z = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""

Status = Literal["passed", "failed", "not_judged"]
Cause = Literal["student", "resource", "infrastructure", "harness"]
Ending = Literal[
    "ok", "crashed", "killed", "timed_out", "over_memory", "over_output", "bad_output", "harness_error"
]
"""How the process that ran a submission ended; `harness.loader.load` says which is whose fault."""
Augmented = Literal["one by one", "in batches", "on the device"]
"""Whether Albumentations ran on each image, or its distribution was drawn for a batch at a time, of which
OpenCV made the images or the device did."""


class Where(Frozen):
    """A place in the submission: layer path, source line, operator. Text to show."""

    layer: str
    source: str = ""
    op: str = ""


class Finding(Frozen):
    """The verdict of one rule on one variant.

    `cause` says whose fault it is when `status` is not_judged, and is None otherwise. `points` is
    None for a rule that was not judged: never a zero.
    """

    rule: str
    asks: str = ""
    """What the rule asks for, in a few words."""
    status: Status
    cause: Cause | None = None
    expected: str
    actual: str
    where: tuple[Where, ...] = ()
    help: str = ""
    points: int | None = None
    max_points: int = 0
    measured: bool = False
    """Whether the rule is about what trainings reach."""
    step: int = 0
    """Place of its advice in the order of steps, from 1; 0 where there is none, or it comes last."""


class StridedConvolution(Frozen):
    """One executed convolution that raises the jump."""

    where: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]


class ReceptiveFieldRow(Frozen):
    """One layer of the receptive-field table, in input pixels (the smaller side of a non-square one)."""

    layer: str
    k: int
    s: int
    d: int
    rf_in: int
    jump_in: int
    rf_out: int
    jump_out: int


class SecondMeasurement(Frozen):
    """The receptive field once more, by gradients: whether it agrees with the one computed from the graph.

    `px` is the measured number, None where the border of the image hides it; `note` says why there is
    no number, or where the two differ.
    """

    status: Literal["agrees", "differs", "not_measured"]
    px: int | None = None
    note: str = ""


class Facts(Frozen):
    """The measurements of the executed graph; None where something could not be measured."""

    parameters: int | None = None
    receptive_field_px: int | None = None
    receptive_field_with_pool_px: int | None = None
    receptive_field_check: SecondMeasurement | None = None
    jump: int | None = None
    strided_convolutions: tuple[StridedConvolution, ...] = ()
    dilations: tuple[int, ...] = ()
    depthwise_convolutions: tuple[str, ...] = ()
    max_pools: tuple[str, ...] = ()
    head: str | None = None
    logits_shape: tuple[int | str, ...] | None = None
    untrained_accuracy: float | None = None
    accuracy: float | None = None
    accuracy_interval: tuple[float, float] | None = None
    weights_sha256: str | None = None
    warnings: tuple[str, ...] = ()


class EpochLog(Frozen):
    """One epoch: mean training loss and accuracy, test loss and accuracy, last learning rate."""

    epoch: int
    train_loss: float
    train_acc: float
    test_loss: float
    test_acc: float
    lr: float


class DataUsed(Frozen):
    """The data set that was used; `mini` is an embedded preview set, never graded."""

    name: str
    train_images: int
    test_images: int
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]


class Training(Frozen):
    """One seeded training of one variant. `confusion[i][j]`: images of class i called class j."""

    seed: int
    device: str
    data: DataUsed
    recipe: dict[str, Any]
    epochs: tuple[EpochLog, ...]
    best_epoch: int
    confusion: tuple[tuple[int, ...], ...]
    accuracy: float
    accuracy_interval: tuple[float, float]
    initial_sha256: str
    weights_sha256: str
    augmented: Augmented = "one by one"
    notes: tuple[str, ...] = ()

    @property
    def correct(self) -> int:
        """Test images that the last epoch's network calls by their own class."""
        return correct_of(self.confusion)


class Problem(Frozen):
    """The reason that a variant could not be loaded; `traceback` holds the student's own frames."""

    cause: Cause
    message: str
    traceback: str = ""
    ending: Ending = "crashed"


class VariantRecord(Frozen):
    """Everything about one variant of a submission. `full` says that training was part of it.

    `more_trainings` are those with further seeds, where the first came close to the line.
    """

    title: str
    class_name: str
    full: bool
    problem: Problem | None = None
    taken_in: tuple[str, ...] = ()
    """What was built, of which file and with which arguments, and what was left out; text to show."""
    verdict: Status
    points: int
    max_points: int
    findings: tuple[Finding, ...]
    facts: Facts
    receptive_field: tuple[ReceptiveFieldRow, ...] = ()
    summary: str = ""
    graph_sha256: str | None = None
    training: Training | None = None
    more_trainings: tuple[Training, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether it was asked for and not handed in."""
        return self.problem is None and self.class_name == ""

    @property
    def trainings(self) -> tuple[Training, ...]:
        """All trainings, by seed."""
        return (() if self.training is None else (self.training,)) + self.more_trainings


class Record(Frozen):
    """One graded submission."""

    schema_: Literal["harness/record/1"] = Field(default=SCHEMA, alias="schema")
    assignment: str
    assignment_title: str
    assignment_sha256: str
    submission_sha256: str
    self_check: bool = False
    """The submission ran on its author's own machine, without a sandbox: never a grade."""
    verdict: Status
    points: int
    max_points: int
    variants: dict[str, VariantRecord]
    result_sha256: str = ""
    provenance: dict[str, Any] = Field(default_factory=dict)


def combined(statuses: Iterable[Status]) -> Status:
    """Combine verdicts: one failure fails, else one not judged leaves it open."""
    seen = set(statuses)
    if "failed" in seen:
        return "failed"
    return "not_judged" if "not_judged" in seen else "passed"


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion, as shares in [0, 1].

    Raises:
        ValueError: `total` is not positive or `correct` is outside 0..total.

    Source: E. B. Wilson, JASA 22 (1927) 209-212, doi 10.1080/01621459.1927.10502953.
    """
    if total <= 0 or not 0 <= correct <= total:
        raise ValueError(f"expected 0 <= correct <= total and total > 0, got {correct} of {total}")
    share, z2 = correct / total, WILSON_Z**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = WILSON_Z / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def accuracy_of(confusion: Confusion) -> tuple[float, tuple[float, float]]:
    """Return the accuracy of a confusion matrix and its 95 % Wilson interval, as shares in [0, 1]."""
    correct, total = correct_of(confusion), total_of(confusion)
    return correct / total, wilson_interval(correct, total)


def mean_interval(correct: int, trainings: Sequence[Training]) -> tuple[float, float]:
    """Return the 95 % Wilson interval of the mean of trainings that have so many images right together.

    It is that of a single measurement: all trainings are measured on the same test images, so more of them do
    not make those images say more.
    """
    return wilson_interval(round(correct / len(trainings)), trainings[0].data.test_images)


def in_percent(share: float, digits: int = 2) -> str:
    """Write a share in [0, 1] in percent; 100 stands only for all of it, whatever rounding would say."""
    text = f"{100 * share:.{digits}f}"
    is_all = share > 1 - 1e-9  # what is left of sums that are 1
    return text if is_all or float(text) < 100 else f"{100 - 10**-digits:.{digits}f}"


def mean_accuracy(trainings: Sequence[Training]) -> tuple[float, tuple[float, float]]:
    """Return the mean accuracy of one training or more, and its `mean_interval`, as shares in [0, 1]."""
    correct = sum(training.correct for training in trainings)
    share = correct / (len(trainings) * trainings[0].data.test_images)
    return share, mean_interval(correct, trainings)


def sealed(record: Record) -> Record:
    """Return the record with `result_sha256` set to the hash of its result."""
    return record.model_copy(update={"result_sha256": _digest(record.model_dump(mode="json", by_alias=True))})


def to_json(record: Record) -> str:
    """Write a record: sorted keys, two-space indent, never NaN, one newline at the end."""
    data = record.model_dump(mode="json", by_alias=True)
    return json.dumps(data, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def load_record(path: Path) -> Record:
    """Read a record and check its seal.

    Raises:
        UsageError: no such file, not a record, its result does not have the hash it names, or it is a
            student's own check, which is no grade.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; expected a record such as results/scorecard.json.") from None
    return parse_record(text, str(path))


def parse_record(text: str | bytes, where: str) -> Record:
    """Parse a record that was written, and check its seal; `where` names its place in messages.

    Raises:
        UsageError: as `load_record`.
    """
    try:
        record = Record.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(f"{where}: not a record of schema {SCHEMA}: {error.errors()[0]['msg']}.") from None
    # Of what was written, not of what was read: a field added since has a default, and changes no old record.
    if (digest := _digest(json.loads(text))) != record.result_sha256:
        raise UsageError(
            f"{where}: the result was changed after it was written; expected SHA-256 "
            f"{record.result_sha256}, got {digest}. Grade the submission again."
        )
    if record.self_check:
        raise UsageError(
            f"{where}: a student's own check, made without a sandbox; expected a grade. Grade the submission."
        )
    return record


def _digest(data: dict[str, Any]) -> str:
    """Hash a written record without its provenance and its hash."""
    result = {key: value for key, value in data.items() if key not in ("provenance", "result_sha256")}
    return hashlib.sha256(_canonical(result).encode()).hexdigest()


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
