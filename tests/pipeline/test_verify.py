"""A record made elsewhere is believed as far as it can be computed again; each way to doctor one is found."""

import pytest
from doctored import GRAPH, a_record, a_training, reached

from harness.assignment.spec import AssignmentSpec
from harness.datasets.spec import DataSpec
from harness.pipeline.verify import doubts
from harness.record.record import Record, sealed
from harness.record.trainings import Training, wilson_interval


def said(assignment: AssignmentSpec, record: Record, graph: str = GRAPH) -> list[str]:
    live = record.variants["basic"].model_copy(update={"graph_sha256": graph})
    return list(doubts("basic", live, record, assignment, assignment.recipe.at_cost(14)))


def test_an_honest_record_leaves_no_doubt(assignment):
    assert said(assignment, a_record(assignment, a_training(assignment))) == []


def near_the_line(assignment: AssignmentSpec, *seeds: int) -> list[Training]:
    confusion = tuple(
        tuple(850 if i == j else (150 if j == (i + 1) % 10 else 0) for j in range(10)) for i in range(10)
    )
    honest = a_training(assignment)
    last = honest.epochs[-1].model_copy(update={"test_acc": 0.85})
    changes = {
        "confusion": confusion,
        "accuracy": 0.85,
        "accuracy_interval": wilson_interval(8500, 10_000),
        "epochs": (*honest.epochs[:-1], last),
    }
    return [honest.model_copy(update=changes | {"seed": seed}) for seed in seeds]


def with_trainings(assignment: AssignmentSpec, trainings: list[Training]) -> Record:
    record = a_record(assignment, trainings[0], *reached(assignment, *trainings))
    basic = record.variants["basic"].model_copy(update={"more_trainings": tuple(trainings[1:])})
    return sealed(record.model_copy(update={"variants": {"basic": basic}}))


@pytest.mark.parametrize(
    ("seeds", "doubts"),
    [
        ((1, 2, 3), []),
        ((1,), ["it was trained with 1 seeds; its accuracy asks for 3"]),
        ((1, 2), ["it was trained with 2 seeds; its accuracy asks for 3"]),
        ((1, 2, 3, 4), ["it was trained with 4 seeds; its accuracy asks for 3"]),
        ((1, 2, 7), ["it was trained with seed 7; expected 3"]),
        ((1, 1, 1), ["it was trained with seed 1; expected 2", "it was trained with seed 1; expected 3"]),
    ],
)
def test_near_the_line_the_record_must_hold_every_seed_and_no_chosen_ones(assignment, seeds, doubts):
    assert said(assignment, with_trainings(assignment, near_the_line(assignment, *seeds))) == doubts


def test_every_training_of_a_record_is_checked(assignment):
    trainings = near_the_line(assignment, 1, 2, 3)
    trainings[2] = trainings[2].model_copy(update={"best_epoch": 3})
    assert said(assignment, with_trainings(assignment, trainings)) == ["its best epoch is not 3"]


ROUNDED = tuple(tuple(911 if i == j else 10 for j in range(10)) for i in range(10))


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"accuracy": 0.99}, "its accuracy is not that of its confusion matrix: 0.99 and 0.91"),
        ({"accuracy_interval": (0.9, 0.92)}, "its interval is not the 95 % Wilson interval of its accuracy"),
        ({"confusion": ROUNDED}, "its confusion matrix does not count 1,000 test images of each class"),
        ({"confusion": ()}, "its confusion matrix does not count 1,000 test images of each class"),
        ({"confusion": ((1000,),)}, "its confusion matrix does not count 1,000 test images of each class"),
        ({"seed": 7}, "it was trained with seed 7; expected 1"),
        ({"recipe": {"epochs": 60}}, "it was trained with another recipe"),
        ({"epochs": ()}, "its log does not have epochs 1 to 14"),
        ({"best_epoch": 3}, "its best epoch is not 3"),
        ({"best_epoch": 99}, "its best epoch is not 99"),
        ({"best_epoch": 0}, "its best epoch is not 0"),
    ],
)  # fmt: skip
def test_a_doctored_training_is_found_out(assignment, changes, doubt):
    honest = a_training(assignment)
    changed = honest.model_copy(update=changes)
    (finding,) = reached(assignment, honest)
    assert doubt in said(assignment, a_record(assignment, changed, finding))


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"name": "mini"}, "it was trained on other data than CIFAR-10 (mini, "),
        ({"sha256": "0" * 64}, "it was trained on other data than CIFAR-10 (cifar10, SHA-256 000000000000…)"),
        ({"train_images": 60_000}, "it counts 60,000 training and 10,000 test images; expected 50,000 and"),
    ],
)
def test_other_data_is_found_out(assignment, changes, doubt):
    honest = a_training(assignment)
    changed = honest.model_copy(update={"data": honest.data.model_copy(update=changes)})
    assert any(one.startswith(doubt) for one in said(assignment, a_record(assignment, changed)))


def on_digits(assignment: AssignmentSpec, **changes) -> tuple[AssignmentSpec, Training]:
    """A training on MNIST, whose classes differ in number, and its assignment."""
    digits = DataSpec(dataset="mnist")
    counts = digits.test_per_class
    confusion = tuple(tuple(n - 90 if i == j else 10 for j in range(10)) for i, n in enumerate(counts))
    names = {"name": "mnist", "sha256": digits.known_sha256, "train_images": 60_000}
    data = a_training(assignment).data.model_copy(update=names | {"classes": digits.class_names})
    training = a_training(assignment, data=data, confusion=confusion, **changes)
    return assignment.model_copy(update={"data": digits}), training


def test_of_classes_that_differ_in_number_each_has_its_own(assignment):
    spec, training = on_digits(assignment)
    assert said(spec, a_record(spec, training)) == []
    spec, training = on_digits(assignment)
    (first, *others) = training.confusion
    moved = (
        (*first[:-1], first[-1] + 1),
        (others[0][0], others[0][1] - 1, *others[0][2:]),
        *others[1:],
    )
    changed = training.model_copy(update={"confusion": moved})
    assert "its confusion matrix does not count the test images of each class" in said(
        spec, a_record(spec, changed)
    )


def test_of_own_images_the_matrix_has_to_count_those_there_are(assignment):
    own = DataSpec.model_validate(
        {"dataset": "folder", "path": "pets", "classes": tuple("abcdefghij"), "resize": 32}
    )
    spec = assignment.model_copy(update={"data": own})
    data = a_training(assignment).data.model_copy(update={"name": "folder", "classes": own.class_names})
    training = a_training(assignment, data=data)
    assert said(spec, a_record(spec, training)) == []
    fewer = training.model_copy(update={"data": data.model_copy(update={"test_images": 11_000})})
    assert "its confusion matrix does not count the 11,000 test images" in said(spec, a_record(spec, fewer))
    other = training.model_copy(update={"data": data.model_copy(update={"classes": tuple("bacdefghij")})})
    assert any(
        "other data than the folder pets (folder, " in one for one in said(spec, a_record(spec, other))
    )


@pytest.mark.parametrize("epochs", [8, 11, 13])
def test_a_network_that_refuses_small_images_has_fewer_epochs_and_says_why(assignment, epochs):
    short = assignment.model_copy(
        update={"recipe": assignment.recipe.model_copy(update={"epochs": epochs, "stages": ()})}
    )
    recipe = assignment.recipe.at_cost(14).model_dump(mode="json")
    noted = a_training(short, recipe=recipe, notes=("the graph cannot run at 16 px",))
    (finding,) = reached(assignment, noted)
    doubt = "its log does not have epochs 1 to 14"
    possible = epochs != 13
    assert (doubt not in said(assignment, a_record(assignment, noted, finding))) == possible
    silent = noted.model_copy(update={"notes": ()})
    assert doubt in said(assignment, a_record(assignment, silent, finding))


def test_a_last_epoch_with_another_accuracy_is_found_out(assignment):
    honest = a_training(assignment)
    last = honest.epochs[-1].model_copy(update={"test_acc": 0.92})
    changed = honest.model_copy(update={"epochs": (*honest.epochs[:-1], last)})
    assert said(assignment, a_record(assignment, changed)) == [
        "the last epoch of its log has another accuracy"
    ]


def test_the_record_of_another_network_or_edition_is_found_out(assignment):
    record = a_record(assignment, a_training(assignment))
    assert said(assignment, record, "d" * 64) == [
        "the record is of another network: the hashes of the graphs differ"
    ]
    other = a_record(assignment, a_training(assignment), assignment_sha256="0" * 64)
    assert said(assignment, other) == [
        "the record is of another edition of the assignment (cifar10-compact-cnn)"
    ]


def test_a_record_without_a_training_is_no_evidence(assignment):
    assert said(assignment, a_record(assignment, None)) == ["the record holds no training of basic"]


def test_points_that_do_not_follow_are_found_out(assignment):
    training = a_training(assignment)
    (finding,) = reached(assignment, training)
    more = a_record(assignment, training, finding.model_copy(update={"points": 30, "max_points": 30}))
    assert said(assignment, more) == ["its verdict on min_accuracy does not follow from its training"]
    assert said(assignment, a_record(assignment, training, points=99)) == [
        "its total is not that of its variants"
    ]
    honest = a_record(assignment, training)
    inflated = honest.variants["basic"].model_copy(update={"points": 99})
    assert said(assignment, honest.model_copy(update={"variants": {"basic": inflated}})) == [
        "its points are not the sum of its findings", "its total is not that of its variants",
    ]  # fmt: skip


@pytest.mark.slow
def test_what_was_judged_before_the_end_is_published_and_the_rest_waits(reference, tmp_path, assignment):
    from pathlib import Path

    from harness.cli.options import opened
    from harness.pipeline.task import Settings
    from harness.pipeline.verify import verify

    class Quiet:
        def show(self, *_):
            pass

    seen = []
    task = opened(reference, None, [], None, [], Settings(out=Path(tmp_path)), Quiet())
    final = verify(task, None, "none came", seen.append)
    assert [(record.points, record.max_points) for record in seen] == [(0, 100), (75, 100), (75, 100)]
    waiting = seen[1].variants["dilated"].findings
    assert {(f.status, f.cause, f.actual) for f in waiting} == {
        ("not_judged", "infrastructure", "not reached yet")
    }
    assert all(sealed(record) == record for record in seen)
    assert (final.points, final.max_points) == (75, 100)
