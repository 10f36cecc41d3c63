"""One step of a training, as it runs on every device."""

from dataclasses import dataclass, field

from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.settings.recipe import Precision
from harness.training.cuda.capture import Execution, Repeated
from harness.training.cuda.tally import Tally
from harness.training.events import Emit, SlowerEvent
from harness.training.images.feed import Feed
from harness.training.images.pixels import Pixels
from harness.training.measure import arithmetic
from harness.training.network import Network, running
from harness.training.optimiser import Trained


@dataclass
class TrainingStep:
    """Everything that a device computes for a batch, from its pixels to the new weights."""

    label_smoothing: float
    precision: Precision
    network: Network
    trained: Trained
    pixels: Pixels
    feed: Feed
    tally: Tally
    _size_px: int = 0
    _repeated: Repeated | None = field(default=None, repr=False)

    def at(self, size_px: int, execution: Execution, emit: Emit) -> Repeated:
        """Return the step on images of a size; one that was recorded for another size is dropped."""
        if self._repeated is None or size_px != self._size_px:
            self._size_px, self._repeated = size_px, None  # its memory first
            self._repeated = Repeated(
                self._run, execution.recorder, lambda reason: emit(SlowerEvent(message=reason))
            )
        return self._repeated

    def _run(self) -> None:
        stored, labels = self.feed.batch()
        images = self.pixels(stored, self._size_px)
        with running():
            with arithmetic(self.precision, self.pixels.device):
                logits = self.network(images).float()
            loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
            self.trained.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.trained.optimizer.step()
        self.tally.add(loss, logits, labels)
