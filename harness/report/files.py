"""Write a record and everything rendered from it under the results folder."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from harness.base.files import write_bytes, write_text
from harness.record import record as records
from harness.record.record import Record
from harness.record.trainings import EpochLog, Training
from harness.report.charts import accuracy_chart, loss_chart
from harness.report.csv_files import classification_report, summary_csv, train_log
from harness.report.embedded import embedded
from harness.report.html import render_html, render_page
from harness.report.markdown import pictures_beside, render_scorecard
from harness.report.material import Material, Measured, materials
from harness.report.pictures import COMBINED, PLOTS, Pictures, write_pictures
from harness.report.plots.curves import draw_chart
from harness.report.plots.sources import write_effective_field


def write_reports(
    record: Record, out: Path, folders: Mapping[str, Path], measured: Mapping[str, Measured] | None = None
) -> tuple[str, ...]:
    """Write the record and its scorecards under `out`, and each variant's files in its folder.

    The record comes first, the scorecards last, as they show the pictures. A picture that cannot be drawn
    is a note in what is returned, and costs no grade. `measured` is what this process knows of the networks;
    None: their files are read.
    """
    write_text(out / "scorecard.json", records.to_json(record))
    made_of = materials(folders, measured)
    for name, variant in record.variants.items():
        if measured is not None:
            write_effective_field(folders[name], measured[name].field if name in measured else None)
        if variant.summary:
            write_text(folders[name] / "model_summary.txt", variant.summary + "\n")
        if variant.training is not None:
            write_training(variant.training, folders[name])
    if any(variant.training is not None for variant in record.variants.values()):
        write_text(out / COMBINED / "summary.csv", summary_csv(record, folders))
    pictures, notes = write_pictures(record, made_of, out)
    write_text(out / "scorecard.md", render_scorecard(record, pictures_beside(out, folders)))
    write_text(out / "scorecard.html", _page(record, made_of, pictures, known=measured is not None))
    return notes


def write_training(training: Training, folder: Path) -> None:
    """Write ``train_log.csv`` and ``classification_report.csv`` of one training."""
    write_text(folder / "train_log.csv", train_log(training.epochs))
    write_text(folder / "classification_report.csv", classification_report(training))


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


# Private functions


def _page(
    record: Record, made_of: Mapping[str, Material], pictures: Mapping[str, Pictures], *, known: bool
) -> str:
    """Render the page with what was drawn; where networks are known by their files, with all of those."""
    if not known:
        return render_html(record, {name: material.folder for name, material in made_of.items()})
    shown = {
        name: embedded(variant, made_of[name], pictures[name].drawn)
        for name, variant in record.variants.items()
    }
    return render_page(record, shown)
