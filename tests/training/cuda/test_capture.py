"""Steps that are recorded once and done again, on a CPU: `Tape` records as a CUDA graph does.

What it records are operators with the memory that they read and write; what Python does in between is
forgotten. So whatever a step does not take from memory is the same each time, and a test sees it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import harness.training.loop as loop
from harness.datasets.images import Data, Split
from harness.record.trainings import Training
from harness.settings.recipe import TransformSpec
from harness.training.cuda.capture import WARM_UP, Execution, Repeated, Step, Waits, execution_on
from harness.training.determinism import make_deterministic
from harness.training.events import Event, SlowerEvent
from harness.training.images.statistics import measured
from harness.training.jobs import TrainJob
from harness.training.loop import Inputs, train
from harness.training.network import Network, read

CPU = torch.device("cpu")
WAITING = {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::masked_select"}
"""Operators whose value the host has to know."""


def tensors(*values: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


class Tape(TorchDispatchMode):
    """What a step computes; recorded while it runs, and then undone, for a recording computes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], Mapping[str, Any], Any]] = []
        self._made: dict[int, torch.Tensor] = {}
        self._before: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func._schema.name in WAITING:
            raise RuntimeError("operation not permitted when stream is capturing")
        for tensor in tensors(args, kwargs):
            if id(tensor) not in self._made and id(tensor) not in self._before:
                self._before[id(tensor)] = (tensor, tensor.detach().clone())
        out = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, out))
        self._made.update({id(tensor): tensor for tensor in tensors(out)})
        return out

    def undo(self) -> None:
        for tensor, before in self._before.values():
            tensor.detach().copy_(before)

    def play(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, out in self.calls:
                again = func(*args, **kwargs)
                for old, new in zip(tensors(out), tensors(again), strict=True):
                    if old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                        old.copy_(new)


class TapeRecorder:
    """Records steps on tapes; `played` counts what was done from them."""

    def __init__(self) -> None:
        self.recorded = self.played = 0

    def plainly(self, step: Step) -> None:
        step()

    def record(self, step: Step) -> Step:
        drawn = torch.get_rng_state()
        tape = Tape()
        try:
            with tape:
                step()
        finally:
            tape.undo()
            torch.set_rng_state(drawn)
        self.recorded += 1

        def play() -> None:
            self.played += 1
            tape.play()

        return play


class NoRecorder(TapeRecorder):
    """Cannot record anything."""

    def record(self, step: Step) -> Step:
        try:
            raise RuntimeError("no kernel can be recorded here")
        finally:
            raise RuntimeError("the recording is not valid")


@pytest.fixture
def long(job: TrainJob) -> TrainJob:
    """Three epochs of eight steps, the first on smaller images."""
    return job.model_copy(update={"recipe": job.recipe.model_copy(update={"batch_size": 8})})


def trained(
    job: TrainJob, data: Data, execution: Execution | None, emit: Callable[[Event], None] = lambda _: None
) -> Training:
    make_deterministic(job.recipe.threads)
    network = Network(*read(job.model.architecture, job.model.weights), CPU)
    return train(job, Inputs(network, data, measured(data.train.images), CPU, execution), emit)


@pytest.mark.parametrize("resident", [False, True], ids=["from the host", "on the device"])
def test_recorded_steps_give_the_bytes_of_plain_ones(long: TrainJob, few: Data, *, resident: bool) -> None:
    recorder = TapeRecorder()
    found = trained(long, few, Execution(resident, recorder))
    assert found == trained(long, few, Execution(resident, NoRecorder()))
    # One for each size of images; the steps before it run plainly.
    assert recorder.recorded == 2
    assert recorder.played == 3 * 8 - 2 * WARM_UP


def test_recorded_steps_learn_what_plain_ones_learn_on_a_cpu(long: TrainJob, few: Data) -> None:
    """The order of a sum differs, and here and there a grey level."""
    found, usual = trained(long, few, Execution(True, TapeRecorder())), trained(long, few, None)
    assert (found.augmented, usual.augmented) == ("on the device", "in batches")
    for one, other in zip(found.epochs, usual.epochs, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
        assert one.test_loss == pytest.approx(other.test_loss, rel=1e-3)


def test_what_albumentations_alone_can_do_is_augmented_on_the_host(long: TrainJob, few: Data) -> None:
    flipped = long.recipe.model_copy(update={"augmentation": (TransformSpec(name="VerticalFlip", p=0.5),)})
    job = long.model_copy(update={"recipe": flipped})
    recorder = TapeRecorder()
    found = trained(job, few, Execution(True, recorder))
    assert found.augmented == "one by one"
    assert recorder.played > 0
    assert found == trained(job, few, Execution(True, NoRecorder()))


def test_a_resumed_training_ends_like_an_unbroken_one(long: TrainJob, few: Data) -> None:
    whole = trained(long.model_copy(update={"save_every": 1}), few, Execution(True, TapeRecorder()))
    middle = long.model_copy(update={"resume": long.checkpoints / "epoch_002.pth"})
    assert trained(middle, few, Execution(True, TapeRecorder())) == whole


def test_a_step_that_cannot_be_recorded_goes_on_plainly_and_says_why(
    long: TrainJob, few: Data, events: list[Event]
) -> None:
    trained(long, few, Execution(True, NoRecorder()), events.append)
    said = [event.message for event in events if isinstance(event, SlowerEvent)]
    assert said == [
        "Trained without a CUDA graph, which is slower: RuntimeError: no kernel can be recorded here."
    ] * 2  # fmt: skip


def test_a_step_in_which_the_host_waits_is_not_recorded() -> None:
    done: list[str] = []
    said: list[str] = []

    class Waiting(TapeRecorder):
        def plainly(self, step: Step) -> None:
            step()
            raise Waits

    recorder = Waiting()
    repeated = Repeated(lambda: done.append("step"), recorder, said.append)
    for _ in range(2 * WARM_UP):
        repeated()
    assert len(done) == 2 * WARM_UP
    assert recorder.recorded == 0
    assert said == [f"Trained without a CUDA graph, which is slower: {Waits()}."]
    assert "the host waits for a value" in said[0]


def test_on_a_cpu_steps_run_from_python_and_images_come_from_the_host() -> None:
    assert execution_on(CPU) == Execution(resident=False, recorder=None)


def test_a_longer_epoch_makes_the_host_wait_no_more_often(
    long: TrainJob, few: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what a step shows nothing is read here, for a CPU reads it at once."""
    monkeypatch.setattr(loop, "STEP_EVENT_S", 3600.0)
    half = replace(few, train=Split(few.train.images[:32], few.train.labels[:32]))

    def waits(data: Data) -> int:
        counter = Counter()
        with counter:
            trained(long, data, Execution(True, NoRecorder()))
        return counter.waits

    assert waits(few) == waits(half) > 0


class Counter(TorchDispatchMode):
    """Counts the operators whose value the host has to know."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.waits += func._schema.name in WAITING
        return func(*args, **(kwargs or {}))
