"""A record made elsewhere is believed as far as it can be computed again; each way to doctor one is found."""

import json
import shutil
import subprocess
import sys

import pytest

from harness.assignment.points import grade_variant
from harness.assignment.spec import AssignmentSpec
from harness.base.tables import content_hash
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.spec import DataSpec
from harness.pipeline.verify import doubts
from harness.record.facts import Facts
from harness.record.findings import Finding
from harness.record.record import Record, VariantRecord, sealed, to_json
from harness.record.trainings import DataUsed, EpochLog, Training, wilson_interval
from harness.rules.judging import judge_trainings

GRAPH = "c" * 64
CONFUSION = tuple(tuple(910 if i == j else 10 for j in range(10)) for i in range(10))


def a_training(assignment: AssignmentSpec, **changes) -> Training:
    epochs = assignment.recipe.epochs
    data = DataUsed(
        name="cifar10",
        train_images=50_000,
        test_images=10_000,
        sha256=CIFAR10.sha256,
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
        classes=CIFAR10.classes,
    )
    log = [
        EpochLog(
            epoch=e, train_loss=1, train_acc=0.9, test_loss=1, test_acc=0.4 if e < epochs else 0.91, lr=0.1
        )
        for e in range(1, epochs + 1)
    ]
    values = {
        "seed": assignment.seed,
        "device": "cpu",
        "data": data,
        "recipe": assignment.recipe.at_cost(14).model_dump(mode="json"),
        "epochs": log,
        "best_epoch": epochs,
        "confusion": CONFUSION,
        "accuracy": 0.91,
        "accuracy_interval": wilson_interval(9100, 10_000),
        "initial_sha256": "a" * 64,
        "weights_sha256": "b" * 64,
    }
    return Training.model_validate(values | changes)


def reached(assignment: AssignmentSpec, *trainings: Training) -> tuple[Finding, ...]:
    return judge_trainings(trainings, assignment.rules_for("basic"))


def a_record(assignment: AssignmentSpec, training: Training | None, *findings: Finding, **changes) -> Record:
    listed = findings or (reached(assignment, training) if training else ())
    verdict, points, most = grade_variant(listed, 100)
    variant = VariantRecord(
        title="three strides", class_name="Net", full=True, verdict=verdict, points=points, max_points=most,
        findings=listed, facts=Facts(), graph_sha256=GRAPH, training=training,
    )  # fmt: skip
    values = {
        "assignment": assignment.id,
        "assignment_title": assignment.title,
        "assignment_sha256": content_hash(assignment),
        "submission_sha256": "1" * 64,
        "verdict": verdict,
        "points": points,
        "max_points": most,
        "variants": {"basic": variant},
    }
    return sealed(Record.model_validate(values | changes))


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


OTHER_DATA = {"sha256": "0" * 64}
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
        ({"epochs": ()}, "its log does not have epochs 1 to 16"),
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


@pytest.mark.parametrize("epochs", [9, 12, 14])
def test_a_network_that_refuses_small_images_has_fewer_epochs_and_says_why(assignment, epochs):
    short = assignment.model_copy(
        update={"recipe": assignment.recipe.model_copy(update={"epochs": epochs, "stages": ()})}
    )
    recipe = assignment.recipe.at_cost(14).model_dump(mode="json")
    noted = a_training(short, recipe=recipe, notes=("the graph cannot run at 16 px",))
    (finding,) = reached(assignment, noted)
    doubt = "its log does not have epochs 1 to 16"
    possible = epochs != 14
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


def harness(*args, cwd):
    command = [sys.executable, "-m", "harness", *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_what_cannot_be_opened_is_told_to_the_student_and_is_no_grade(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "results.json").write_text('{"score": 100, "output": "of the submission before"}')
    done = harness("verify", "empty", "--gradescope", "results.json", cwd=tmp_path)
    assert done.returncode == 2
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["output"].startswith("NOT GRADED. The 0 is no grade: there was nothing to judge.\n")
    assert "expected submission.toml, a .py file or a notebook, got none" in results["output"]
    assert results["tests"] == []


@pytest.fixture
def submitted(reference, tmp_path):
    folder = tmp_path / "submission"
    folder.mkdir()
    shutil.copy(reference / "model.py", folder)
    (folder / "submission.toml").write_text('[variants.basic]\nfile = "model.py"\nclass = "Net"\n')
    return folder


@pytest.mark.slow
def test_the_rules_are_judged_live_and_the_accuracy_waits_for_a_record(submitted, tmp_path):
    done = harness("verify", submitted, "--gradescope", "results.json", "--json", "record.json", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["score"] == 75
    left = [test for test in results["tests"] if "score" not in test]
    assert [test["name"] for test in left] == ["basic: min_accuracy"]
    assert (
        "no record of a training came with the submission; expected results/scorecard.json or"
        in (left[0]["output"])
    )


@pytest.mark.slow
def test_a_record_that_holds_up_gives_the_accuracys_points(submitted, tmp_path, assignment):
    harness("verify", submitted, "--json", "live.json", cwd=tmp_path)
    live = Record.model_validate_json((tmp_path / "live.json").read_bytes()).variants["basic"]
    training = a_training(assignment)
    findings = (*live.findings[:-1], *reached(assignment, training))
    record = a_record(assignment, training, *findings)
    basic = record.variants["basic"].model_copy(update={"graph_sha256": live.graph_sha256})
    (submitted / "scorecard.json").write_text(
        to_json(sealed(record.model_copy(update={"variants": {"basic": basic}})))
    )
    done = harness("verify", submitted, "--gradescope", "results.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["score"], results["extra_data"]["verdict"]) == (100, "passed")


@pytest.mark.slow
def test_a_record_changed_by_hand_gives_none(submitted, tmp_path, assignment):
    text = to_json(a_record(assignment, a_training(assignment))).replace('"seed": 1', '"seed": 2')
    (submitted / "scorecard.json").write_text(text)
    done = harness("verify", submitted, "--gradescope", "results.json", cwd=tmp_path)
    assert done.returncode == 3
    left = [t for t in json.loads((tmp_path / "results.json").read_text())["tests"] if "score" not in t]
    assert "the result was changed after it was written" in left[0]["output"]


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
