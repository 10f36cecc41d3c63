"""The rule about accuracy: what trainings reach on the test images."""

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from harness.base.tables import Positive, Share
from harness.record.findings import Status
from harness.record.trainings import Training, in_percent, mean_interval
from harness.rules.base import RuleSettings, TrainingRule, rule
from harness.rules.verdicts import Verdict

Point = tuple[Share, Annotated[int, Field(ge=0)]]


@rule(asks="test accuracy reaches the threshold", needs="training")
class MinAccuracy(TrainingRule):
    """Check the accuracy on the test images, after the last epoch, against what is asked."""

    class Settings(RuleSettings):
        """Accuracy on the test set must be at least `at_least`; a curve gives points by accuracy instead."""

        at_least: Share
        """Without it, a curve passes from its first point on that is worth something."""
        curve: tuple[Point, ...] = ()
        """Accuracies and the points that they earn, both rising; linear in between, in whole points."""
        after_epochs: Positive | None = None
        """Measure after this epoch; not given: after the last one."""
        in_each_of_last: Positive = 1
        """Every one of so many epochs must reach it, the one that is measured the last of them."""
        mean_of_seeds: Positive = 1
        """Trainings, each with a seed of its own, of which the mean decides."""

        @model_validator(mode="before")
        @classmethod
        def _worth_its_curve(cls, table: Any) -> Any:
            """Read the most points from a curve, and the accuracy at which it begins to be worth some."""
            curve = table.get("curve") if isinstance(table, dict) else None
            if not isinstance(curve, list) or not all(isinstance(p, list) and len(p) == 2 for p in curve):
                return table
            if "points" in table and curve and table["points"] != curve[-1][1]:
                raise ValueError(
                    f"points are those of the curve's end; expected {curve[-1][1]}, got {table['points']}"
                )
            rising = ((low, high) for (low, _), (_, high) in pairwise(curve))
            begins = next((low for low, points in rising if points > 0), 0.0)
            if not curve:
                return table
            worth = {"points": curve[-1][1], "curve": tuple(map(tuple, curve))}
            return {"at_least": begins, **table, **worth}

        @field_validator("curve")
        @classmethod
        def _rises(cls, curve: tuple[Point, ...]) -> tuple[Point, ...]:
            pairs = list(pairwise(curve))
            if len(curve) == 1 or any(a[0] >= b[0] or a[1] > b[1] for a, b in pairs):
                raise ValueError(
                    "expected two points or more, [accuracy, points], accuracies rising, points not falling"
                )
            return curve

    def expected(self, settings: Settings) -> str:
        """Return the accuracy that is asked for."""
        after, each = settings.after_epochs, settings.in_each_of_last
        when = "after the last epoch" if after is None else f"after epoch {after}"
        if each > 1:
            when = f"in each of the last {each} epochs" + (f" up to epoch {after}" if after else "")
        seeds = f", on average over {settings.mean_of_seeds} seeds" if settings.mean_of_seeds > 1 else ""
        return f"at least {100 * settings.at_least:g} % {when}{seeds}"

    def least_seeds(self, settings: Settings) -> int:
        """Return how many trainings the mean is of."""
        return settings.mean_of_seeds

    def is_close(self, trainings: Sequence[Training], settings: Settings) -> bool:
        """Return whether the threshold lies inside the 95 % interval, so that chance may have decided."""
        low, high = _interval(trainings, settings)
        return low <= settings.at_least <= high

    def judge(self, trainings: Sequence[Training], settings: Settings) -> Verdict:
        """Judge the accuracy; of several trainings, the mean decides."""
        trained = len(trainings[0].epochs)
        if trained < settings.in_each_of_last:
            actual = f"{trained} epoch{'s' if trained > 1 else ''} trained"
            advice = f"Train for {settings.in_each_of_last} epochs at least: each of them has to reach it."
            return Verdict("failed", self.expected(settings), actual, help=advice)
        measured = [_correct(training, settings) for training in trainings]
        images = trainings[0].data.test_images
        total, correct = images * len(trainings), sum(measured)
        actual = _said(trainings, settings, correct)
        # Whole images are compared: 0.85 is not a number that binary fractions can hold.
        short = round(settings.at_least * total - correct, 6)
        points = _earned(correct / total, settings)
        missing = math.ceil(short / len(trainings))
        advice = f"{missing:,} more of {images:,} test images must be right. {_tendency(trainings[0])}"
        if settings.curve:
            actual += _worth(correct / total, settings)
        status: Status = "passed" if short <= 0 else "failed"
        return Verdict(
            status, self.expected(settings), actual, help=advice if short > 0 else "", points=points
        )


def stuck_at_chance(training: Training) -> str | None:
    """Return since when the network only guesses, and the likely reason; None if it does not."""
    chance = 1 / len(training.data.classes)
    # Three standard deviations of a network that guesses.
    most = chance + 3 * math.sqrt(chance * (1 - chance) / training.data.test_images)
    better = [log for log in training.epochs if log.test_acc > most]
    since = better[-1].epoch + 1 if better else 1
    if since > len(training.epochs):
        return None
    said = f"It is stuck at chance ({100 * chance:g} %) since epoch {since}: "
    last, peak = training.epochs[-1], training.recipe.get("lr", "unknown")
    if last.train_acc > 2 * chance:
        return said + (
            f"in training it reaches {in_percent(last.train_acc, 1)} %, so what it learns is lost in eval. "
            "Look at the running statistics of batch-norm, and at layers that do something else in eval."
        )
    if better:
        best = max(better, key=lambda log: log.test_acc)
        return said + (
            f"it had reached {in_percent(best.test_acc, 1)} % at epoch {best.epoch} and lost it, most likely "
            f"to a learning rate that is too high (peak {peak}). Lower recipe.lr in submission.toml."
        )
    return said + (
        "it never learned anything. Most likely no gradient reaches its weights (an output that hardly "
        "depends on the image, ReLUs that are always off, weights that start at zero), or the learning rate "
        f"(peak {peak}) is too high."
    )


# Private functions

Settings = MinAccuracy.Settings


def _correct(training: Training, settings: Settings) -> int:
    """Count the images that are right: the fewest of the epochs that count."""
    last = len(training.epochs) if settings.after_epochs is None else settings.after_epochs
    if last >= len(training.epochs) and settings.in_each_of_last == 1:
        return training.correct
    counted = training.epochs[max(0, last - settings.in_each_of_last) : last]
    images = training.data.test_images
    return min(round(log.test_acc * images) for log in counted)


def _interval(trainings: Sequence[Training], settings: Settings) -> tuple[float, float]:
    """Return the 95 % interval of one measurement: all trainings are measured on the same images."""
    correct = sum(_correct(training, settings) for training in trainings)
    return mean_interval(correct, trainings)


def _said(trainings: Sequence[Training], settings: Settings, correct: int) -> str:
    share, images = correct / (len(trainings) * trainings[0].data.test_images), trainings[0].data.test_images
    low, high = _interval(trainings, settings)
    last = min(settings.after_epochs or len(trainings[0].epochs), len(trainings[0].epochs))
    when = f"after epoch {last}"
    if settings.in_each_of_last > 1:
        when = f"at least in epochs {max(1, last - settings.in_each_of_last + 1)} to {last}"
    return (
        f"{in_percent(share)} %{_over_seeds(trainings)} {when} on {images:,} "
        f"test images, 95 % interval {in_percent(low)} to {in_percent(high)} %, "
        f"margin {100 * (share - settings.at_least):+.2f} points"
    )


def _earned(share: float, settings: Settings) -> int | None:
    """Return the points of a curve at an accuracy, in whole points; None without a curve."""
    if not settings.curve:
        return None
    return math.floor(round(_along(settings.curve, share), 6))


def _along(curve: Sequence[Point], share: float) -> float:
    if share <= curve[0][0]:
        return curve[0][1] if share == curve[0][0] else 0
    for (low, least), (high, most) in pairwise(curve):
        if share <= high:
            return least + (most - least) * (share - low) / (high - low)
    return curve[-1][1]


def _worth(share: float, settings: Settings) -> str:
    """Return how many points of a curve an accuracy earns, and how far the next one is."""
    points, most = _earned(share, settings) or 0, settings.points
    if points >= most:
        return f"; {points} of {most} points"
    further = _reaching(settings.curve, points + 1) - share
    return f"; {points} of {most} points, the next one {100 * further:.2f} points of accuracy further"


def _reaching(curve: Sequence[Point], points: int) -> float:
    """Return the accuracy at which a curve gives so many points."""
    if points <= curve[0][1]:
        return curve[0][0]
    for (low, least), (high, most) in pairwise(curve):
        if points <= most:
            return low + (high - low) * (points - least) / (most - least)
    return curve[-1][0]


def _over_seeds(trainings: Sequence[Training]) -> str:
    """Return the words for the trainings of a mean; "" for a single one."""
    if len(trainings) == 1:
        return ""
    each = ", ".join(in_percent(training.accuracy) for training in trainings)
    seeds = ", ".join(str(training.seed) for training in trainings)
    spread = 100 * statistics.stdev(training.accuracy for training in trainings)
    return f" on average over seeds {seeds} ({each} %; standard deviation {spread:.2f} points)"


def _tendency(training: Training) -> str:
    """Return whether the network is stuck at chance, underfits or overfits, from its log."""
    last = training.epochs[-1]
    if (stuck := stuck_at_chance(training)) is not None:
        return stuck
    if last.train_acc < last.test_acc:
        return (
            "Training accuracy is lower than test accuracy: the network is too small or trained too briefly."
        )
    gap = 100 * (last.train_acc - last.test_acc)
    return f"Training accuracy is {gap:.1f} points above test accuracy: more augmentation or a wider network."
