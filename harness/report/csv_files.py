"""The tables of a results folder as CSV: a training's log, scores by class, all trained variants."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.datasets.metrics import correct_of
from harness.record.record import Record
from harness.record.trainings import EpochLog, Training

COLUMNS = (
    "exp_name", "params", "best_test_acc", "best_epoch", "final_test_acc", "epochs", "train_time_sec",
    "augment", "optimizer", "lr",
)  # fmt: skip
"""Of the summary, as in the seed project."""


def train_log(epochs: Sequence[EpochLog]) -> str:
    """Render one row per epoch: epoch, train_loss, train_acc, test_loss, test_acc, lr."""
    header = ["epoch", "train_loss", "train_acc", "test_loss", "test_acc", "lr"]
    return _csv(header, [[getattr(epoch, name) for name in header] for epoch in epochs])


def classification_report(training: Training) -> str:
    """Render precision, recall, F1 and support of each class, then accuracy and the two averages."""
    return _csv(*class_scores(training.confusion, training.data.classes))


def class_scores(
    confusion: Sequence[Sequence[int]], classes: Sequence[str]
) -> tuple[list[str], list[list[object]]]:
    """Return header and rows of the classification report; numbers with four decimals, as text.

    ``confusion[i][j]`` counts images of class i called class j. A class that was never predicted has
    precision 0, as in scikit-learn.
    """
    rows = [_scores(confusion, i) for i in range(len(confusion))]
    total = sum(row[3] for row in rows)
    macro = [sum(row[k] for row in rows) / len(rows) for k in range(3)]
    weighted = [sum(row[k] * row[3] for row in rows) / total for k in range(3)]
    table: list[list[object]] = [
        [name, *_rounded(row[:3]), row[3]] for name, row in zip(classes, rows, strict=True)
    ]
    table += [
        ["accuracy", "", "", *_rounded([correct_of(confusion) / total]), total],
        ["macro avg", *_rounded(macro), total],
        ["weighted avg", *_rounded(weighted), total],
    ]
    return ["class", "precision", "recall", "f1", "support"], table


def summary_rows(record: Record, folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    """List one row per training; accuracies in percent, `exp_name` is the name of the variant's folder.

    That of a further seed is named ``folder/seed_N``. The best epoch is shown, the last one is what counts.
    A time that is not known is empty.
    """
    seconds = record.provenance.get("train_seconds") or {}
    return [
        {
            "exp_name": folders[name].name + (f"/seed_{training.seed}" if further else ""),
            "params": variant.facts.parameters,
            **_measured(training),
            "train_time_sec": seconds.get(f"{name}, seed {training.seed}" if further else name, ""),
            **_recipe(training),
        }
        for name, variant in record.variants.items()
        for further, training in enumerate(variant.trainings)
    ]


def summary_csv(record: Record, folders: Mapping[str, Path]) -> str:
    """Render the summary; see `summary_rows`."""
    return _csv(COLUMNS, ([row[name] for name in COLUMNS] for row in summary_rows(record, folders)))


# Private functions


def _measured(training: Training) -> dict[str, Any]:
    best = training.epochs[training.best_epoch - 1].test_acc
    return {
        "best_test_acc": f"{100 * best:.2f}",
        "best_epoch": training.best_epoch,
        "final_test_acc": f"{100 * training.accuracy:.2f}",
        "epochs": len(training.epochs),
    }


def _recipe(training: Training) -> dict[str, Any]:
    augmentation = training.recipe.get("augmentation") or ()
    return {
        "augment": " + ".join(str(transform["name"]) for transform in augmentation) or "none",
        "optimizer": "SGD (Nesterov), Muon" if training.recipe.get("muon") else "SGD (Nesterov)",
        "lr": training.recipe.get("lr", ""),
    }


def _scores(confusion: Sequence[Sequence[int]], i: int) -> tuple[float, float, float, int]:
    hits = confusion[i][i]
    predicted = sum(row[i] for row in confusion)
    support = sum(confusion[i])
    precision = hits / predicted if predicted else 0.0
    recall = hits / support if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return precision, recall, f1, support


def _rounded(values: Sequence[float]) -> list[str]:
    return [f"{value:.4f}" for value in values]


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
