"""Trainings that did not happen: a perfect one has to pass the rules about them, a guessing one must not."""

from collections.abc import Iterator

from harness.assignment.spec import AssignmentSpec
from harness.base.machine import Check
from harness.record.record import Training, accuracy_of
from harness.rules.judging import judge_trainings


def judged(spec: AssignmentSpec, variant: str, training: Training) -> Iterator[Check]:
    """Judge what a perfect network and one that guesses would have reached in place of `training`."""
    rules = spec.rules_for(variant)
    perfect = judge_trainings(_several(spec, variant, _with(spec, training, 1.0)), rules)
    guessing = judge_trainings(_several(spec, variant, _with(spec, training, spec.data.chance)), rules)
    for best, worst in zip(perfect, guessing, strict=True):
        name = f"{variant}: {best.rule}"
        if best.status != "passed":
            yield Check(name, "FAIL", f"nobody can pass: expected {best.expected}", "Ask for less.")
        elif worst.status != "failed":
            yield Check(name, "CAUTION", "a network that guesses passes", "Is it what you meant?")
        else:
            yield Check(name, "PASS", "fails for a network that guesses, passes for a perfect one")


# Private functions


def _with(spec: AssignmentSpec, training: Training, share: float) -> Training:
    """Return a training with another accuracy, in each of the recipe's epochs."""
    images, classes = training.data.test_images, spec.data.num_classes
    right = round(share * images)
    confusion = [[0] * classes for _ in range(classes)]
    confusion[0][0], confusion[0][1] = right, images - right
    accuracy, interval = accuracy_of(confusion)
    log = training.epochs[-1].model_copy(update={"train_acc": share, "test_acc": share})
    epochs = spec.recipe.epochs
    return training.model_copy(
        update={
            "epochs": tuple(log.model_copy(update={"epoch": number + 1}) for number in range(epochs)),
            "best_epoch": epochs,
            "confusion": tuple(map(tuple, confusion)),
            "accuracy": accuracy,
            "accuracy_interval": interval,
        }
    )


def _several(spec: AssignmentSpec, variant: str, training: Training) -> list[Training]:
    """Repeat a training with as many seeds as decide."""
    count = spec.seeds_needed((), variant)
    return [training.model_copy(update={"seed": spec.seed + number}) for number in range(count)]
