"""The label server: a process that holds the labels of the test split, apart from where a graph runs.

The server loads the data, sends all but those labels, and then answers logits with metrics.
A graph that found a way to read the memory of the process it runs in would not find them there.
"""

from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import HarnessError, TrainingError
from harness.datasets.download import Progress
from harness.datasets.images import Data, Images, Split
from harness.datasets.loading import load_data
from harness.datasets.metrics import Metrics
from harness.datasets.spec import DataSpec


@dataclass(frozen=True)
class ServedSplit:
    """A test split whose labels are held by a label server: images (N, H, W, C) uint8."""

    images: Images
    server: "Connection | None" = field(repr=False, compare=False)

    def measure(self, logits: NDArray[np.float32]) -> Metrics:
        """Return the metrics of logits (N, classes), see `harness.datasets.metrics.measure`."""
        return self._asked("measure", logits)  # type: ignore[no-any-return]

    def classified(self, logits: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return images chosen by logits (N, classes), see `harness.datasets.metrics.classified`."""
        return self._asked("classified", logits)  # type: ignore[no-any-return]

    def _asked(self, what: str, logits: NDArray[np.float32]) -> Any:
        assert self.server is not None
        try:
            # Plain bytes: the server unpickles nothing from where a graph runs.
            self.server.send_bytes(what.encode())
            self.server.send_bytes(np.ascontiguousarray(logits, dtype=np.float32).tobytes())
            return self.server.recv()
        except (EOFError, OSError):
            raise TrainingError(
                "training: the process that keeps the test labels has ended; expected an answer, got none. "
                "The machine may have run out of memory: grade again with more of it free."
            ) from None


def data_with_label_server(spec: DataSpec, folder: str | None, progress: Progress) -> Data:
    """Load the data as `harness.datasets.loading.load_data` does, its test labels in a label server.

    The server ends with this process.

    Raises:
        DataError, DataUnavailableError: as `load_data`.
        TrainingError: the server died.
    """
    context = get_context("spawn")
    mine, its = context.Pipe()
    context.Process(target=_serve, args=(its, spec, folder), daemon=True).start()
    its.close()
    try:
        while not isinstance(said := mine.recv(), Data):
            if isinstance(said, HarnessError):
                raise said
            progress(*said)
    except EOFError:
        raise TrainingError("training: the process that loads the data ended without them.") from None
    return replace(said, test=ServedSplit(said.test.images, mine))


def _serve(out: Connection, spec: DataSpec, folder: str | None) -> None:
    try:
        data = load_data(spec, folder, lambda *done: out.send(done))
    except HarnessError as error:
        out.send(error)
        return
    test = data.test
    assert isinstance(test, Split)
    out.send(replace(data, test=ServedSplit(test.images, None), digest=data.sha256))
    try:
        while True:
            what, logits = out.recv_bytes().decode(), np.frombuffer(out.recv_bytes(), np.float32)
            logits = logits.reshape(len(test.labels), -1)
            out.send(test.measure(logits) if what == "measure" else test.classified(logits))
    except EOFError:
        return
