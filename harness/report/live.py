"""The log and the curves of a training while it goes on, written after every epoch."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.base.files import write_bytes, write_text
from harness.record.trainings import EpochLog
from harness.report.charts import accuracy_chart, loss_chart
from harness.report.files import train_log
from harness.report.pictures import PLOTS
from harness.report.plots.curves import draw_chart


def write_so_far(epochs: Sequence[EpochLog], folder: Path, title: str, threshold: float | None) -> None:
    """Write ``train_log.csv`` and both curves into a variant's folder; what cannot be written is left out.

    `threshold` is the accuracy that is asked for, a share in [0, 1].
    """
    with suppress(Exception):  # whatever goes wrong with a picture, the training goes on
        write_text(folder / "train_log.csv", train_log(epochs))
        heading = f"{title}, epoch {len(epochs)}"
        accuracy = draw_chart(accuracy_chart(epochs, threshold), heading)
        write_bytes(folder / PLOTS / "acc_curves.png", accuracy)
        write_bytes(folder / PLOTS / "loss_curves.png", draw_chart(loss_chart(epochs), heading))
