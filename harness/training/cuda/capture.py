"""Run the same step again and again, from Python or as a CUDA graph: one launch in place of hundreds.

A recorded step is the sequence of kernels of one call with the memory that they read and write. Nothing that
Python decides is part of it: every number that changes from step to step has to lie on the device.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from harness.training.network import one_line

_SYNCHRONISED = "called a synchronizing CUDA operation"
"""What torch warns of where the host waits."""
WARM_UP = 3
"""Steps that run plainly before one is recorded: they take the memory and choose the kernels."""

Step = Callable[[], None]


class Recorder(Protocol):
    """A recorder of steps on a device."""

    def plainly(self, step: Step) -> None:
        """Run a step, so that it could be recorded next.

        Raises:
            Waits: the host has waited for the device in it; it has run all the same.
        """

    def record(self, step: Step) -> Step:
        """Return what does again what `step` does; nothing is computed yet.

        Raises:
            RuntimeError, GraphError: it cannot be recorded.
        """


class Waits(Exception):  # noqa: N818 - a property of a step, not an error
    """The host waits for the device in a step, which none that is recorded can do."""

    def __init__(self) -> None:
        super().__init__("in each step the host waits for a value from the device")


@dataclass(frozen=True)
class Execution:
    """The way in which the steps of a training run."""

    resident: bool = False
    """Whether the training images lie on the device, and are augmented there."""
    recorder: Recorder | None = None
    """None: every step runs from Python."""


def execution_on(device: torch.device) -> Execution:
    """Return how steps run on a device: plainly on a CPU, as CUDA graphs on a GPU."""
    if device.type != "cuda":
        return Execution()
    return Execution(resident=True, recorder=CudaRecorder(device))


class Repeated:
    """A step that is recorded after `WARM_UP` calls; where it cannot be, it goes on plainly and says why."""

    def __init__(self, step: Step, recorder: Recorder | None, say: Callable[[str], None]) -> None:
        self._step, self._recorder, self._say = step, recorder, say
        self._replay: Step | None = None
        self._left = WARM_UP

    def __call__(self) -> None:
        """Run the step once."""
        if self._recorder is not None and self._replay is None and self._left == 0:
            self._replay = self._recorded(self._recorder)
        if self._replay is not None:
            self._replay()
        elif self._recorder is None:
            self._step()
        else:
            self._warm_up(self._recorder)

    def _warm_up(self, recorder: Recorder) -> None:
        self._left -= 1
        try:
            recorder.plainly(self._step)
        except Waits as reason:
            # The first steps of a process may wait for what later ones have.
            if self._left == 0:
                self._give_up(str(reason))

    def _recorded(self, recorder: Recorder) -> Step:
        try:
            return recorder.record(self._step)
        except Exception as error:  # noqa: BLE001 - a plain step says what is wrong with the network itself
            self._give_up(one_line(_first(error)))
            return self._step

    def _give_up(self, reason: str) -> None:
        self._recorder = None
        self._say(f"Trained without a CUDA graph, which is slower: {reason}.")


class CudaRecorder:
    """Records steps as CUDA graphs; they have memory of their own until nobody holds the step."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def plainly(self, step: Step) -> None:
        """Run a step on a stream aside, as the recording asks of the steps before it."""
        current = torch.cuda.current_stream(self._device)
        self._aside.wait_stream(current)
        with torch.cuda.stream(self._aside), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                step()
            finally:
                torch.cuda.set_sync_debug_mode("default")
                current.wait_stream(self._aside)
        if any(_SYNCHRONISED in str(warning.message) for warning in caught):
            raise Waits

    def record(self, step: Step) -> Step:
        """Record a step."""
        graph = torch.cuda.CUDAGraph()
        # The stream aside is left again even where the end of a recording raises.
        with torch.cuda.stream(self._aside), torch.cuda.graph(graph, stream=self._aside):
            step()
        return graph.replay


# Private functions


def _first(error: BaseException) -> BaseException:
    """Return what went wrong first: the end of a recording that failed raises as well."""
    return error if error.__context__ is None else _first(error.__context__)
