"""The summary over the trained variants: one row each, in the seed project's columns."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.record.record import Record
from harness.record.trainings import Training

COLUMNS = (
    "exp_name", "params", "best_test_acc", "best_epoch", "final_test_acc", "epochs", "train_time_sec",
    "augment", "optimizer", "lr",
)  # fmt: skip


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
    """Write the summary as CSV; see `summary_rows`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(summary_rows(record, folders))
    return text.getvalue()


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
