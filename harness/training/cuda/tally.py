"""Sums over an epoch that stay on the device: to read them is what makes the host wait."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Means:
    """Mean loss and accuracy of an epoch's first `step` steps."""

    step: int
    loss: float
    accuracy: float


class Tally:
    """The loss and the right answers of an epoch so far."""

    def __init__(self, batch_size: int, device: torch.device) -> None:
        self._batch_size = batch_size
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._asked: tuple[int, torch.Tensor, torch.cuda.Event] | None = None

    def begin(self) -> None:
        """Forget everything, in the same memory: a recorded step adds to what lies there."""
        self._loss.zero_()
        self._correct.zero_()
        self._asked = None

    def add(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch: its mean loss, logits (N, classes), labels (N,)."""
        self._loss += loss.detach() * len(labels)
        self._correct += (logits.detach().argmax(1) == labels).sum()

    def means(self, step: int) -> Means:
        """Wait for the first `step` steps, which are all so far, and return their means."""
        return self._means(step, self._sums())

    def arrived(self, step: int) -> Means | None:
        """Return the means of some earlier step without waiting, and ask for those of `step`.

        On a CPU, where nothing waits, the means of `step` itself. None where none has arrived yet.
        """
        if self._loss.device.type == "cpu":
            return self.means(step)
        found = None
        if self._asked is not None and self._asked[2].query():  # type: ignore[no-untyped-call]
            found = self._means(*self._asked[:2])
            self._asked = None
        if self._asked is None:
            # Into pinned memory, as torch does it where it need not wait.
            sums = self._sums().to("cpu", non_blocking=True)
            self._asked = (step, sums, torch.cuda.current_stream(self._loss.device).record_event())
        return found

    def _sums(self) -> torch.Tensor:
        return torch.stack([self._loss, self._correct.to(torch.float64)])

    def _means(self, step: int, sums: torch.Tensor) -> Means:
        loss, correct = sums.tolist()
        images = step * self._batch_size
        return Means(step, loss / images, correct / images)
