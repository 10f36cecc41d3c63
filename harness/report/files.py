"""Write a record and everything rendered from it under the results folder."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.base.files import write_text
from harness.record import record as records
from harness.record.record import Record
from harness.record.trainings import EpochLog, Training
from harness.report.embedded import embedded
from harness.report.html import render_html, render_page
from harness.report.material import Material, Measured, materials
from harness.report.pictures import COMBINED, Pictures, write_pictures
from harness.report.plots.sources import write_effective_field
from harness.report.scorecard import pictures_beside, render_scorecard
from harness.report.scores import class_scores
from harness.report.summary import summary_csv


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


def train_log(epochs: Sequence[EpochLog]) -> str:
    """Render one row per epoch: epoch, train_loss, train_acc, test_loss, test_acc, lr."""
    header = ["epoch", "train_loss", "train_acc", "test_loss", "test_acc", "lr"]
    return _csv(header, [[getattr(epoch, name) for name in header] for epoch in epochs])


def classification_report(training: Training) -> str:
    """Render precision, recall, F1 and support of each class, then accuracy and the two averages."""
    return _csv(*class_scores(training.confusion, training.data.classes))


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


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
