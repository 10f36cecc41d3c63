"""Precision, recall and F1 of each class, from a confusion matrix."""

from collections.abc import Sequence

from harness.datasets.metrics import correct_of


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


# Private functions


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
