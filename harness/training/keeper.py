"""Keep the labels of the test split in a process of their own: where a graph runs, they are not.

The keeper loads the data, hands over all but those labels, and then answers with what it makes of logits.
A graph that found a way to read the memory of the process it runs in would not find them there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError, TrainingError
from harness.training.data import Data, Split
from harness.training.marks import Marks


@dataclass(frozen=True)
class Held:
    """A test split whose labels are with a keeper: images (N, 32, 32, 3) uint8 RGB."""

    images: NDArray[np.uint8]
    keeper: "Connection | None" = field(repr=False, compare=False)

    def mark(self, logits: NDArray[np.float32]) -> Marks:
        """Have logits (N, classes) marked; see `harness.training.marks.mark`."""
        return self._asked("mark", logits)  # type: ignore[no-any-return]

    def classified(self, logits: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Have images chosen by logits (N, classes); see `harness.training.marks.classified`."""
        return self._asked("classified", logits)  # type: ignore[no-any-return]

    def _asked(self, what: str, logits: NDArray[np.float32]) -> Any:
        assert self.keeper is not None
        try:
            # Plain bytes: the keeper unpickles nothing from where a graph runs.
            self.keeper.send_bytes(what.encode())
            self.keeper.send_bytes(np.ascontiguousarray(logits, dtype=np.float32).tobytes())
            return self.keeper.recv()
        except (EOFError, OSError):
            raise TrainingError(
                "training: the process that keeps the test labels has ended; expected an answer, got none. "
                "The machine may have run out of memory: grade again with more of it free."
            ) from None


def held_data(folder: str | None, progress: Callable[[int, int | None], None]) -> Data:
    """Load the data as `harness.training.cifar10.load_data` does, its test labels left with a keeper.

    The keeper ends with this process.

    Raises:
        DataError, DataUnavailableError: as `load_data`.
        TrainingError: the keeper died.
    """
    context = get_context("spawn")
    mine, its = context.Pipe()
    context.Process(target=_keep, args=(its, folder), daemon=True).start()
    its.close()
    try:
        while not isinstance(said := mine.recv(), Data):
            if isinstance(said, HarnessError):
                raise said
            progress(*said)
    except EOFError:
        raise TrainingError("training: the process that loads the data ended without them.") from None
    return replace(said, test=Held(said.test.images, mine))


def _keep(out: Connection, folder: str | None) -> None:
    from harness.training.cifar10 import load_data  # torchvision comes with it, which only this process needs

    try:
        data = load_data(folder, lambda *done: out.send(done))
    except HarnessError as error:
        out.send(error)
        return
    test = data.test
    assert isinstance(test, Split)
    out.send(replace(data, test=Held(test.images, None), digest=data.sha256))
    try:
        while True:
            what, logits = out.recv_bytes().decode(), np.frombuffer(out.recv_bytes(), np.float32)
            logits = logits.reshape(len(test.labels), -1)
            out.send(test.mark(logits) if what == "mark" else test.classified(logits))
    except EOFError:
        return
