"""The table [data] of an assignment: what follows from it, and every mistake in words."""

import pytest

from harness.base.errors import AssignmentError
from harness.base.tables import Table, validate
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.mnist import MNIST
from harness.datasets.spec import DataSpec


class Assignment(Table):
    data: DataSpec


OWN = {"dataset": "folder", "path": "pets", "classes": ["cat", "dog"], "resize": 32}


def data(**table) -> DataSpec:
    return validate(Assignment, {"data": table}, "a.toml").data


@pytest.mark.parametrize(
    ("table", "shape", "classes"),
    [
        ({"dataset": "cifar10"}, (3, 32, 32), 10),
        ({"dataset": "cifar100"}, (3, 32, 32), 100),
        ({"dataset": "svhn"}, (3, 32, 32), 10),
        ({"dataset": "mnist"}, (1, 28, 28), 10),
        ({"dataset": "fashion_mnist", "resize": 32, "channels": 3}, (3, 32, 32), 10),
        ({"dataset": "cifar10", "classes": ["ship", "cat", "frog"], "channels": 1}, (1, 32, 32), 3),
        ({"dataset": "mnist", "input_shape": [1, 28, 28]}, (1, 28, 28), 10),
        (OWN, (3, 32, 32), 2),
        (OWN | {"channels": 1, "resize": 8}, (1, 8, 8), 2),
        (OWN | {"dataset": "npz", "input_shape": [1, 64, 64], "resize": None}, (1, 64, 64), 2),
        (OWN | {"input_shape": [3, 100, 80], "resize": 512}, (3, 512, 512), 2),
    ],
)
def test_shape_and_classes_follow_from_the_table(table, shape, classes):
    spec = data(**table)
    assert spec.input_shape == shape
    assert spec.num_classes == len(spec.class_names) == classes
    assert spec.chance == 1 / classes


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"dataset": "cifar"}, "data.dataset: unknown data set 'cifar' (Did you mean 'cifar10'?)"),
        ({"dataset": "coco"}, "unknown data set 'coco' (Known data sets: cifar10, cifar100, "),
        ({"dataset": "mnist", "path": "x"}, "path: only for images of your own; leave it out, "),
        ({"dataset": "cifar10", "test": "x"}, "test: only for images of your own"),
        (
            {"dataset": "mnist", "input_shape": [3, 32, 32]},
            "input_shape: images of mnist are [1, 28, 28]; leave it out, or change them with",
        ),
        (
            {"dataset": "cifar10", "classes": ["cat", "dogs"]},
            "classes: cifar10 has no 'dogs' (Did you mean 'dog'?)",
        ),
        ({"dataset": "cifar10", "classes": ["cat", "cat"]}, "classes: cat is there more than once"),
        ({"dataset": "cifar10", "classes": ["cat"]}, "classes: expected two or more, got 1"),
        ({"dataset": "cifar10", "classes": 10}, "data.classes: "),
        ({"dataset": "cifar10", "validation": 50_000}, "validation: expected fewer than the 50,000 training"),
        ({"dataset": "cifar10", "resize": 600}, "data.resize: "),
        ({"dataset": "cifar10", "channels": 2}, "1 or 3"),
        ({"dataset": "cifar10", "clases": ["cat", "dog"]}, "data.clases: unknown key. Did you mean 'cl"),
        (OWN | {"path": None}, "path: missing; name the folder, relative to where data is looked for"),
        (OWN | {"classes": None}, 'classes: missing; name them in order, as in classes = ["cat", "dog"]'),
        (OWN | {"resize": None}, "resize: missing; write resize = 32 for images of any size, or"),
        (
            OWN | {"resize": None, "input_shape": [3, 32, 48]},
            "input_shape: expected 1 or 3 channels and a square of 8 to 512 px, got [3, 32, 48]; resize = N",
        ),
        (OWN | {"resize": None, "input_shape": [4, 32, 32]}, "got [4, 32, 32]"),
        (OWN | {"sha256": "abc"}, "data.sha256: expected 64 hexadecimal digits, got 'abc'; leave it out"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_words(table, message):
    with pytest.raises(AssignmentError) as caught:
        data(**table)
    assert message in str(caught.value)


def test_a_table_survives_being_written_and_read(assignment):
    for spec in (assignment.data, data(**OWN, input_shape=[3, 40, 50])):
        assert DataSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("table", "train", "test"),
    [
        ({}, 60_000, MNIST.test_per_class),
        ({"validation": 10_000}, 50_000, MNIST.test_per_class),
        ({"classes": ["7", "1"], "validation": 1_000}, 12_007, (1_028, 1_135)),
    ],
)
def test_how_many_images_there_are_is_known_beforehand(table, train, test):
    spec = data(dataset="mnist", **table)
    assert (spec.train_images, spec.test_per_class) == (train, test)


def test_of_own_images_the_numbers_are_not_known_beforehand():
    spec = data(**OWN)
    assert (spec.train_images, spec.test_per_class, spec.known_sha256) == (None, None, "")


def test_the_hash_is_known_where_nothing_is_changed():
    assert data(dataset="cifar10").known_sha256 == CIFAR10.sha256
    assert data(dataset="cifar10", channels=1).known_sha256 == ""
    assert data(dataset="cifar100").known_sha256 == ""
