"""A confusion matrix: ``confusion[i][j]`` counts images of class i that were called class j."""

from collections.abc import Sequence

Confusion = Sequence[Sequence[int]]


def correct_of(confusion: Confusion) -> int:
    """Count the images that were called by their own class."""
    return sum(row[i] for i, row in enumerate(confusion))


def total_of(confusion: Confusion) -> int:
    """Count the images."""
    return sum(map(sum, confusion))
