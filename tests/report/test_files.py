"""The files of a run: complete, in the seed project's layout, and readable by a spreadsheet."""

import csv
import shutil

from checkout import REPOSITORY

from harness.record.record import load_record
from harness.report.files import classification_report, train_log, write_reports
from harness.report.folders import variant_folders


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_the_log_has_one_row_per_epoch_with_the_columns_of_the_seed_project(training):
    log = rows(train_log(training.epochs))
    assert list(log[0]) == ["epoch", "train_loss", "train_acc", "test_loss", "test_acc", "lr"]
    assert [(row["epoch"], row["train_loss"]) for row in log] == [("1", "1.5"), ("2", "1.0")]


def test_precision_recall_and_f1_agree_with_a_count_by_hand(training):
    """Cat: 8 of 14 called cat are cats, 8 of 10 cats are found; a frog is never named."""
    report = {row["class"]: row for row in rows(classification_report(training))}
    assert report["cat"] == {
        "class": "cat", "precision": "0.5714", "recall": "0.8000", "f1": "0.6667", "support": "10",
    }  # fmt: skip
    assert report["frog"]["precision"] == report["frog"]["recall"] == report["frog"]["f1"] == "0.0000"
    assert report["accuracy"]["f1"] == "0.5667"
    assert report["macro avg"]["recall"] == "0.5667"
    assert report["weighted avg"]["support"] == "30"


def test_every_file_of_the_layout_is_written(record, tmp_path):
    folders = {"basic": tmp_path / "base_model", "dilated": tmp_path / "dilated_model"}
    write_reports(record, tmp_path, folders)
    assert load_record(tmp_path / "scorecard.json") == record
    markdown = (tmp_path / "scorecard.md").read_text()
    assert markdown.startswith("# Scorecard: A title")
    assert "![Confusion matrix](base_model/plots/cm.png)" in markdown
    assert (tmp_path / "scorecard.html").read_text().startswith("<!doctype html>")
    written = {path.name for path in (tmp_path / "base_model").iterdir()}
    assert written == {"model_summary.txt", "train_log.csv", "classification_report.csv", "plots"}
    assert not (tmp_path / "dilated_model").exists()


def test_pictures_drawn_anew_have_the_bytes_they_had(tmp_path):
    """The shipped results, written anew: all pictures but those of images, which are not shipped."""
    shipped = REPOSITORY / "submission" / "results"
    results = shutil.copytree(shipped, tmp_path / "results")
    record = load_record(results / "scorecard.json")
    assert write_reports(record, results, variant_folders(record, results)) == ()
    of_numbers = ("acc_curves.png", "loss_curves.png", "cm.png", "architecture.svg", "combined_acc.png")
    for drawn in (path for path in shipped.rglob("plots/*") if path.name in of_numbers):
        assert (results / drawn.relative_to(shipped)).read_bytes() == drawn.read_bytes(), drawn.name
