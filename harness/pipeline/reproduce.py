"""Grade a record once more from what is kept beside it, and say whether every byte is the same.

No student code runs. The graphs and initial weights that lie beside the record take the place of the
submission, and what the record says of them (hashes, recipe, seed, assignment) is checked against them first.
Everything after that is `harness.pipeline.grade`, as for the first time; the first epoch that differs
ends it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.assignment.gallery import shipped
from harness.assignment.spec import AssignmentSpec, load_assignment, parse_assignment
from harness.base.errors import AssignmentError, DataUnavailableError, TrainingError, UsageError
from harness.base.gpus import Gpu, gpus
from harness.base.machine import computes_bfloat16, cpu_features
from harness.base.tables import content_hash
from harness.loader.client import Loaded
from harness.pipeline.grade import grade
from harness.pipeline.results import task_of_record
from harness.pipeline.task import Listener, Settings, Stage, Task
from harness.record.record import Record
from harness.training.events import DataEvent, EpochEvent, Event, ReadyEvent

SHOWN = 200
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was; `where` names it, as in ``basic, seed 1, epoch 3: train_loss``."""

    where: str
    recorded: str
    now: str


@dataclass(frozen=True)
class Reproduction:
    """The result: the first difference, if there is one, and what changed in the fingerprint."""

    first: Difference | None
    changed: tuple[Difference, ...]
    known: bool
    """Whether the record has a fingerprint to compare with."""
    result_sha256: str


class _Differs(Exception):  # noqa: N818 - an outcome to report, not an error
    """The result cannot become the same any more."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.where)
        self.difference = difference


def reproduce(
    record: Record, beside: Path, assignment: AssignmentSpec, settings: Settings, listen: Listener
) -> Reproduction:
    """Grade the graphs and weights in the folders `beside` a record, and compare the results.

    Of `settings`, the seed, the device and whether the data is the embedded set are taken from the record.

    Raises:
        UsageError: a file beside the record is missing or is not the one that was graded.
        HarnessError: it could not be graded again: no data, or a child that died.
    """
    watch = _Watch(record, listen)
    task = task_of_record(record, beside, assignment, settings, watch)
    try:
        _check_recipes(record, task)
        again = grade(task, frozenset(name for name, variant in record.variants.items() if variant.full))
    except _Differs as end:
        return _reproduction(record, watch.fingerprint, end.difference)
    _check_trained(record, again)
    first = next(_differences(_result(record), _result(again)), None)
    return _reproduction(record, watch.fingerprint, first)


def assignment_of(record: Record, given: Path | None) -> AssignmentSpec:
    """Find the very assignment a record was judged by: the one given, in the record, or shipped.

    Raises:
        UsageError: none of them is.
        AssignmentError: the one given is not valid.
    """
    if given is not None:
        found = [load_assignment(given)]
    else:
        found = [*_in_provenance(record), *map(load_assignment, shipped().values())]
    for one in found:
        if content_hash(one) == record.assignment_sha256:
            return one
    where = str(given) if given else "the record, and the assignments that come with the harness"
    raise UsageError(
        f"{where}: not the assignment that was judged by; expected {record.assignment} with SHA-256 "
        f"{record.assignment_sha256}. Name the very file with --assignment."
    )


def foreseen(record: Record) -> tuple[str, ...]:
    """Return what the processor or the GPU will change: other bytes, or a training that takes long."""
    kept = record.provenance.get("fingerprint")
    kept = kept if isinstance(kept, dict) else {}
    before = kept.get("cpu_features")
    trainings = [training for variant in record.variants.values() for training in variant.trainings]
    on_cpu = [training for training in trainings if training.device == "cpu"]
    said: list[str] = []
    if on_cpu and before is not None and set(str(before).split()) != cpu_features():
        said.append("This processor has other instructions than the recorded one: expect other bytes.")
    if any(one.recipe.get("precision") == "bfloat16" for one in on_cpu) and not computes_bfloat16():
        said.append(
            "The record was trained in bfloat16, which this processor does not compute natively: "
            "expect 7 to 12 times the time of float32."
        )
    if len(on_cpu) < len(trainings) and "device" in kept:
        said += _other_gpu(kept, gpus())
    return tuple(said)


# Private functions


@dataclass
class _Watch:
    """Listens to a grade and stops it at the first number that is not as recorded."""

    record: Record
    listen: Listener
    fingerprint: dict[str, str] = field(default_factory=dict)
    _training: dict[str, int] = field(default_factory=dict)

    def __call__(self, variant: str, event: Event | Stage) -> None:
        self.listen(variant, event)
        if event == "train":
            self._training[variant] = self._training.get(variant, -1) + 1
        elif isinstance(event, ReadyEvent | EpochEvent):
            self._compare(variant, event)
        elif isinstance(event, DataEvent) and not event.root and not _is_preview(self.record):
            raise DataUnavailableError(event.message)

    def _compare(self, variant: str, event: ReadyEvent | EpochEvent) -> None:
        trainings = self.record.variants[variant].trainings
        at = self._training[variant]
        if isinstance(event, ReadyEvent):
            self.fingerprint |= event.fingerprint
        if at >= len(trainings):
            raise _Differs(_difference(f"{variant}: number of trainings", len(trainings), at + 1))
        recorded = trainings[at]
        where = f"{variant}, seed {recorded.seed}"
        if isinstance(event, ReadyEvent):
            _require_same(f"{where}: data", recorded.data.sha256, event.data_sha256)
            _require_same(f"{where}: initial weights", recorded.initial_sha256, event.initial_sha256)
            return
        epoch = event.log.epoch
        if epoch > len(recorded.epochs):
            raise _Differs(_difference(f"{where}: epochs", len(recorded.epochs), event.epochs))
        before = recorded.epochs[epoch - 1].model_dump()
        for name, number in event.log.model_dump().items():
            _require_same(f"{where}, epoch {epoch}: {name}", before[name], number)


def _require_same(where: str, recorded: Any, now: Any) -> None:
    if recorded != now:
        raise _Differs(_difference(where, recorded, now))


def _in_provenance(record: Record) -> Iterator[AssignmentSpec]:
    kept = record.provenance.get("assignment")
    if isinstance(kept, dict):
        with suppress(AssignmentError):  # of another version of the harness: a shipped one may do
            yield parse_assignment(kept, "provenance.assignment")


def _check_recipes(record: Record, task: Task) -> None:
    """Stop before anything is trained where this harness would train with another recipe."""
    loads = task.source(task).variants
    for name, variant in record.variants.items():
        loaded = loads.get(name)
        if variant.training is None or variant.training.data.name == "mini" or not isinstance(loaded, Loaded):
            continue
        now = task.recipe_of(name, loaded.architecture)
        for key in now.differences(variant.training.recipe):
            _require_same(
                f"{name}: recipe.{key}",
                variant.training.recipe.get(key),
                now.model_dump(mode="json").get(key),
            )


def _check_trained(record: Record, again: Record) -> None:
    """Raise where a training did not come about on this machine, which is no difference."""
    for name, variant in again.variants.items():
        if len(variant.trainings) < len(record.variants[name].trainings) and any(
            finding.cause in ("infrastructure", "harness", "resource") for finding in variant.findings
        ):
            why = " ".join(again.provenance["notes"]) or variant.findings[-1].actual
            raise TrainingError(f"{name}: it could not be trained again: {why}")


def _result(record: Record) -> dict[str, Any]:
    """Return the result as plain data; why there was no real data is a matter of the machine."""
    result = record.model_dump(mode="json", by_alias=True, exclude={"provenance", "result_sha256"})
    for variant in result["variants"].values():
        for finding in variant["findings"]:
            if _is_preview(record) and finding["measured"]:
                finding["actual"] = ""
    return result


def _is_preview(record: Record) -> bool:
    return any(t.data.name == "mini" for variant in record.variants.values() for t in variant.trainings)


def _differences(recorded: Any, now: Any, where: str = "") -> Iterator[Difference]:
    """Walk two results side by side, in their own order."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        for key in [*recorded, *(key for key in now if key not in recorded)]:
            yield from _differences(recorded.get(key), now.get(key), f"{where}.{key}" if where else key)
    elif isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        for i, (one, other) in enumerate(zip(recorded, now, strict=True)):
            yield from _differences(one, other, f"{where}[{i}]")
    elif recorded != now:
        yield _difference(where, recorded, now)


def _difference(where: str, recorded: Any, now: Any) -> Difference:
    return Difference(where, _short(recorded), _short(now))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _reproduction(record: Record, now: Mapping[str, str], first: Difference | None) -> Reproduction:
    before = record.provenance.get("fingerprint")
    recorded = before if isinstance(before, dict) else {}
    keys = [key for key in {**recorded, **now} if recorded.get(key) != now.get(key)] if now else []
    changed = tuple(Difference(key, str(recorded.get(key, "–")), now.get(key, "–")) for key in keys)
    return Reproduction(first, changed if recorded else (), bool(recorded), record.result_sha256)


def _other_gpu(kept: Mapping[str, object], here: Sequence[Gpu]) -> Iterator[str]:
    """Return how the GPU that a training will run on differs from the recorded one."""
    name = str(kept["device"]).partition(",")[0]  # older records have the versions of the libraries there too
    if not here:
        yield f"The record was trained on {name}, and no GPU can be used here: expect it to be refused."
        return
    driver = str(kept.get("gpu_driver", "unknown"))
    parts = [
        f"{what} {now}, recorded {recorded}"
        for what, recorded, now in (("GPU", name, here[0].name), ("driver", driver, here[0].driver))
        if recorded != "unknown" and now != recorded
    ]
    if parts:
        yield f"Not the recorded GPU: {'; '.join(parts)}. Expect other bytes."
