"""The folder of one run, watched: its trainings as their curves grow, and the scorecard in the end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.report.charts import Chart, accuracy_chart
from harness.training.progress import PROGRESS, Progress, read_progress
from harness.watch.page import Kind, Parts, part

CARD = "scorecard.html"


@dataclass(frozen=True)
class Training:
    """A training as it is shown: how far it is, its curve, and how long nothing was heard of it."""

    progress: Progress
    chart: Chart | None
    silent_s: float


class RunView:
    """Shows what `harness grade` and `harness train` write to a folder."""

    kind: Kind = "run"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def title(self) -> str:
        """The folder's name."""
        return self.folder.absolute().name

    def parts(self) -> Parts:
        """Return the parts: the trainings, and the scorecard where there is one of this run."""
        found = list(self._trainings())
        return {
            "now": part("trainings", trainings=found),
            "card": part("card_of_run", there=self.card("run") is not None, trainings=found),
        }

    def card(self, name: str) -> Path | None:
        """Return the folder's scorecard, unless it is of an earlier run than the trainings beside it."""
        path = self.folder / CARD
        if name != "run" or not path.is_file():
            return None
        heard_at = max((one.progress.heard_at for one in self._trainings()), default=0.0)
        return path if path.stat().st_mtime >= heard_at else None

    def _trainings(self) -> Iterator[Training]:
        for pattern in (PROGRESS, f"*/{PROGRESS}", f"*/*/{PROGRESS}"):
            for path in sorted(self.folder.glob(pattern)):
                yield from map(training, read_progress(path))


def training(progress: Progress, threshold: float | None = None) -> Training:
    """Return a training as it is shown; `threshold` is the accuracy that is asked, a share in [0, 1]."""
    chart = accuracy_chart(progress.log, threshold, progress.epochs) if progress.log else None
    return Training(progress, chart, 0.0 if progress.ended else max(0.0, time.time() - progress.heard_at))
