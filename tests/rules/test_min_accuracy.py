"""What trainings say about the accuracy: the verdict, how many seeds decide, why a training went wrong."""

from types import SimpleNamespace

import pytest

from harness.assignment.spec import AssignmentSpec, Seeds, parse_assignment
from harness.base.errors import AssignmentError
from harness.datasets.loading import how_to_get
from harness.record.findings import Finding
from harness.record.trainings import DataUsed, EpochLog, Training, mean_accuracy, wilson_interval
from harness.rules.judging import judge_trainings, not_trained
from harness.rules.min_accuracy import MinAccuracy
from harness.rules.registry import asked
from harness.rules.verdicts import diverged, not_measured, untrainable

CLASSES = tuple("abcdefghij")


def a_training(correct: int, seed: int = 1, course: tuple[float, ...] = (), **last: float) -> Training:
    """A training that gets `correct` of 10,000 images right; `course` are the test accuracies before."""
    share = correct / 10_000
    values = {"train_loss": 1.0, "train_acc": 0.9, "test_loss": 1.0, "test_acc": share, "lr": 0.1} | last
    tests = [*(course or [0.5] * 17), values["test_acc"]]
    data = {
        "name": "cifar10", "train_images": 50_000, "test_images": 10_000, "sha256": "d" * 64,
        "mean": (0.5,) * 3, "std": (0.2,) * 3, "classes": CLASSES,
    }  # fmt: skip
    return Training(
        seed=seed,
        device="cpu",
        data=DataUsed.model_validate(data),
        recipe={"lr": 0.2},
        epochs=tuple(
            EpochLog.model_validate(values | {"epoch": i, "test_acc": t}) for i, t in enumerate(tests, 1)
        ),
        best_epoch=1,
        confusion=((correct, 10_000 - correct), (0, 0)),
        accuracy=share,
        accuracy_interval=wilson_interval(correct, 10_000),
        initial_sha256="a" * 64,
        weights_sha256="b" * 64,
    )


def reached(trainings: list[Training], assignment: AssignmentSpec) -> Finding:
    (finding,) = judge_trainings(trainings, assignment.rules_for("basic"))
    return finding


def several(*correct: int) -> list[Training]:
    return [a_training(number, seed) for seed, number in enumerate(correct, 1)]


@pytest.mark.parametrize(("correct", "status"), [(8500, "passed"), (8499, "failed")])
def test_the_threshold_is_met_to_the_image(assignment, correct, status):
    finding = reached([a_training(correct)], assignment)
    assert finding.status == status
    assert finding.points == (25 if status == "passed" else 0)


def test_accuracy_is_shown_with_interval_margin_and_epoch(assignment):
    finding = reached([a_training(8600)], assignment)
    assert finding.actual == (
        "86.00 % after epoch 18 on 10,000 test images, 95 % interval 85.31 to 86.67 %, margin +1.00 points"
    )


def test_a_missing_image_is_counted_and_the_tendency_named(assignment):
    finding = reached([a_training(8499, train_acc=0.99)], assignment)
    assert finding.help.startswith(
        "1 more of 10,000 test images must be right. Training accuracy is 14.0 points above"
    )
    assert "lower than test" in reached([a_training(8000, train_acc=0.7)], assignment).help


@pytest.mark.parametrize(
    ("correct", "status"),
    [((8490, 8505, 8505), "passed"), ((8510, 8495, 8494), "failed"), ((8499, 8500, 8500), "failed")],
)
def test_of_several_trainings_the_mean_decides_to_the_image(assignment, correct, status):
    assert reached(several(*correct), assignment).status == status


def test_of_several_trainings_all_are_named(assignment):
    finding = reached(several(8450, 8500, 8505), assignment)
    assert finding.actual == (
        "84.85 % on average over seeds 1, 2, 3 (84.50, 85.00, 85.05 %; standard deviation 0.30 points) after "
        "epoch 18 on 10,000 test images, 95 % interval 84.13 to 85.54 %, margin -0.15 points"
    )
    assert finding.help.startswith("15 more of 10,000 test images must be right. ")


def test_more_trainings_on_the_same_images_do_not_narrow_the_interval():
    share, interval = mean_accuracy(several(8500, 8600, 8400))
    assert share == pytest.approx(0.85)
    assert interval == wilson_interval(8500, 10_000)
    assert mean_accuracy(several(8612)) == (0.8612, wilson_interval(8612, 10_000))


@pytest.mark.parametrize(
    ("correct", "near"),
    [(8400, False), (8429, False), (8431, True), (8500, True), (8569, True), (8572, False)],
)
def test_near_the_line_is_where_the_threshold_lies_inside_the_interval(correct, near):
    settings = MinAccuracy.Settings(at_least=0.85)
    assert MinAccuracy().is_close(several(correct), settings) == near
    low, high = wilson_interval(correct, 10_000)
    assert near == (low <= 0.85 <= high)


def with_seeds(assignment: AssignmentSpec, first: int, borderline: int) -> AssignmentSpec:
    return assignment.model_copy(update={"seeds": Seeds(first=first, borderline=borderline)})


def test_the_shipped_assignment_asks_for_one_seed_and_for_three_near_the_line(assignment):
    assert assignment.seeds == Seeds(first=1, borderline=3)
    assert assignment.seeds_needed(several(9000), "basic") == 1
    assert assignment.seeds_needed(several(8510), "basic") == 3
    # The further ones do not change how many there are to be, however they end.
    assert assignment.seeds_needed(several(8510, 9000), "basic") == 3
    assert assignment.seeds_needed(several(8510, 9000, 9000), "basic") == 3


def test_the_first_seeds_are_always_trained(assignment):
    two = with_seeds(assignment, 2, 4)
    assert two.seeds_needed(several(9000), "basic") == 2
    assert two.seeds_needed(several(9000, 9010), "basic") == 2
    assert two.seeds_needed(several(8400, 8620), "basic") == 4  # their mean is near


@pytest.mark.parametrize(
    ("event", "actual", "reason"),
    [
        (
            ("training", True),
            "the training loss is not",
            "still rising to its peak of 0.2, which is",
        ),
        (
            ("training", False),
            "the training loss is not",
            "past its peak of 0.2: look for a layer",
        ),
        (
            ("test", True),
            "the test loss is not",
            "The training loss is a number, so look",
        ),
    ],
)
def test_divergence_fails_and_names_the_epoch_and_the_likely_reason(assignment, event, actual, reason):
    loss, rising = event
    one = SimpleNamespace(epoch=3, loss=loss, peak_lr=0.2, rising=rising)
    (finding,) = not_trained(diverged(one), assignment.rules_for("basic"))
    assert (finding.status, finding.points) == ("failed", 0)
    assert finding.actual == f"training diverged at epoch 3: {actual} a number"
    assert reason in finding.help


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (
            a_training(1000, course=(0.1, 0.1), train_acc=0.1),
            "It is stuck at chance (10 %) since epoch 1: it never learned anything. Most likely no gradient",
        ),
        (
            a_training(1011, course=(0.3, 0.44, 0.1, 0.099), train_acc=0.1),
            "It is stuck at chance (10 %) since epoch 3: it had reached 44.0 % at epoch 2 and lost it, most "
            "likely to a learning rate that is too high (peak 0.2). Lower recipe.lr in submission.toml.",
        ),
        (
            a_training(1000, course=(0.1, 0.1), train_acc=0.8),
            "It is stuck at chance (10 %) since epoch 1: in training it reaches 80.0 %, so what it",
        ),
    ],
)
def test_an_accuracy_stuck_at_chance_names_the_epoch_and_the_likely_reason(assignment, training, said):
    finding = reached([training], assignment)
    assert finding.status == "failed"
    assert said in finding.help


def test_a_poor_accuracy_above_chance_is_not_called_stuck(assignment):
    poor = a_training(1200, course=(0.1, 0.1), train_acc=0.11)
    assert "chance" not in reached([poor], assignment).help


def test_without_data_the_accuracy_is_open_and_a_preview_is_no_grade(assignment):
    why = not_measured(a_training(5000), "no CIFAR-10 here.", how_to_get(assignment.data))
    (finding,) = not_trained(why, assignment.rules_for("basic"))
    assert (finding.status, finding.cause, finding.points) == ("not_judged", "infrastructure", None)
    assert "50.0 %; that number is not a grade" in finding.actual
    assert "CIFAR10_ROOT" in finding.help
    assert "preview" not in not_measured(None, "no CIFAR-10 here.", how_to_get(assignment.data)).actual


def test_a_network_that_cannot_be_rebuilt_is_not_trained():
    assert untrainable("harness", "no").cause == "harness"


RISING = "curve: expected two points or more, [accuracy, points], accuracies rising, points not falling."
CURVE = [[0.6, 0], [0.85, 20], [0.92, 25]]


def judged_by(trainings: list[Training], **table: object) -> Finding:
    (finding,) = judge_trainings(trainings, [asked("min_accuracy", table, "a.toml", "rules.min_accuracy")])
    return finding


@pytest.mark.parametrize(
    ("correct", "points", "status"),
    [(5999, 0, "failed"), (6000, 0, "passed"), (7250, 10, "passed"), (7249, 9, "passed"),
     (8500, 20, "passed"), (9199, 24, "passed"), (9200, 25, "passed"), (9900, 25, "passed")],
)  # fmt: skip
def test_a_curve_gives_whole_points_linear_in_between(correct, points, status):
    finding = judged_by([a_training(correct)], curve=CURVE)
    assert (finding.points, finding.max_points, finding.status) == (points, 25, status)


def test_a_curve_says_how_far_the_next_point_is():
    assert judged_by([a_training(7200)], curve=CURVE).actual.endswith(
        "; 9 of 25 points, the next one 0.50 points of accuracy further"
    )
    assert judged_by([a_training(9300)], curve=CURVE).actual.endswith("; 25 of 25 points")


def test_a_threshold_beside_a_curve_decides_and_takes_no_points():
    finding = judged_by([a_training(7250)], curve=CURVE, at_least=0.85)
    assert (finding.status, finding.points) == ("failed", 10)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "at_least: missing; a value is required."),
        ({"at_least": 85}, "at_least: expected a share from 0 to 1, got 85; write 0.85."),
        ({"curve": [[0.6, 0]]}, RISING),
        ({"curve": [[0.6, 5], [0.5, 6]]}, RISING),
        ({"curve": CURVE, "points": 30}, ": points are those of the curve's end; expected 25, got 30."),
    ],
)  # fmt: skip
def test_a_mistake_in_what_is_asked_of_the_accuracy_is_said_plainly(table, message):
    with pytest.raises(AssignmentError) as caught:
        asked("min_accuracy", table, "a.toml", "rules.min_accuracy")
    place = "a.toml: rules.min_accuracy"
    assert str(caught.value) == place + (message if message.startswith(":") else f".{message}")


def test_the_accuracy_after_an_earlier_epoch_can_be_asked_for():
    training = a_training(9900, course=(0.5, 0.7, 0.995))
    finding = judged_by([training], at_least=0.99, after_epochs=2)
    assert (finding.status, finding.expected) == ("failed", "at least 99 % after epoch 2")
    assert finding.actual.startswith("70.00 % after epoch 2 on 10,000 test images")
    assert judged_by([training], at_least=0.99, after_epochs=3).status == "passed"


def test_each_of_the_last_epochs_can_be_asked_for():
    training = a_training(9950, course=(0.5, 0.9939, 0.9945))
    finding = judged_by([training], at_least=0.994, in_each_of_last=3)
    assert (finding.status, finding.expected) == ("failed", "at least 99.4 % in each of the last 3 epochs")
    assert finding.actual.startswith("99.39 % at least in epochs 2 to 4 on")
    assert finding.help.startswith("1 more of 10,000")
    assert judged_by([training], at_least=0.994, in_each_of_last=2).status == "passed"


def test_fewer_epochs_than_have_to_reach_it_are_too_few():
    training = a_training(9950, course=(0.994,))
    finding = judged_by([training], at_least=0.99, in_each_of_last=3)
    assert (finding.status, finding.points, finding.actual) == ("failed", 0, "2 epochs trained")
    assert finding.help == "Train for 3 epochs at least: each of them has to reach it."


def test_a_mean_of_seeds_asks_for_as_many_trainings(assignment):
    table = assignment.model_dump(mode="json")
    table["rules"]["min_accuracy"]["mean_of_seeds"] = 3
    spec = parse_assignment(table)
    assert [spec.seeds_needed(several(*[9000] * n), "basic") for n in (1, 2, 3)] == [3, 3, 3]
    (finding,) = judge_trainings(several(9000, 9000, 9000), spec.rules_for("basic"))
    assert finding.expected == "at least 85 % after the last epoch, on average over 3 seeds"
