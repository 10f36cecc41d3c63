"""A data set is one file: what is in the registry can be named, and a new one needs nothing else."""

import pickle
from dataclasses import replace

import pytest

from harness.assignment.spec import parse_assignment
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.dataset import Public
from harness.datasets.registry import DATASETS, environment, register
from harness.datasets.spec import DataSpec

PUBLIC = [dataset for dataset in DATASETS.values() if isinstance(dataset, Public)]


@pytest.fixture
def registered(monkeypatch):
    """A registry that a test may add to."""
    added = dict(DATASETS)
    monkeypatch.setattr("harness.datasets.registry.DATASETS", added)
    monkeypatch.setattr("harness.datasets.spec.DATASETS", added)
    return added


def test_a_data_set_from_outside_is_found_in_the_schema_and_in_an_assignment(registered, assignment):
    register(replace(CIFAR10, name="letters", title="Letters", shape=(1, 16, 16), classes=("a", "b"),
                     train_per_class=(4, 4), test_per_class=(2, 2), miniature=None, sha256=""))  # fmt: skip
    assert "letters" in DataSpec.model_json_schema()["properties"]["dataset"]["enum"]
    spec = parse_assignment(assignment.model_dump(mode="json") | {"data": {"dataset": "letters"}}).data
    assert (spec.title, spec.input_shape, spec.class_names) == ("Letters", (1, 16, 16), ("a", "b"))


def test_a_name_is_registered_once(registered):
    with pytest.raises(ValueError, match="cifar10: there is a data set of this name; choose another"):
        register(CIFAR10)
    with pytest.raises(ValueError, match="mini: there is a data set of this name"):
        register(replace(CIFAR10, name="mini"))


def test_every_data_set_has_its_own_variables():
    assert {"HARNESS_DATA", "CIFAR10_ROOT", "CIFAR10_URL", "FASHION_MNIST_ROOT"} <= set(environment())
    assert len(set(environment())) == 1 + 2 * len(DATASETS)


@pytest.mark.parametrize("dataset", PUBLIC, ids=lambda dataset: dataset.name)
def test_a_public_data_set_is_described_in_full(dataset):
    assert len(dataset.classes) == len(set(dataset.classes))
    assert len(dataset.classes) == len(dataset.train_per_class) == len(dataset.test_per_class)
    assert all(len(md5) == 32 for file in dataset.files for md5 in file.forms.values())
    assert all(len(one.md5) == 32 for one in dataset.downloads)
    assert dataset.licence
    assert dataset.about


@pytest.mark.parametrize(
    ("name", "train", "test", "balanced"),
    [
        ("cifar10", 50_000, 10_000, True),
        ("cifar100", 50_000, 10_000, True),
        ("mnist", 60_000, 10_000, False),
        ("fashion_mnist", 60_000, 10_000, True),
        ("svhn", 73_257, 26_032, False),
    ],
)
def test_the_published_numbers_of_images_are_met(name, train, test, balanced):
    dataset = next(one for one in PUBLIC if one.name == name)
    assert (sum(dataset.train_per_class), sum(dataset.test_per_class)) == (train, test)
    assert (len(set(dataset.test_per_class)) == 1) is balanced


def test_the_classes_of_cifar_100_are_in_the_order_of_their_names():
    names = DATASETS["cifar100"].classes
    assert list(names) == sorted(names)


@pytest.mark.parametrize("dataset", PUBLIC, ids=lambda dataset: dataset.name)
def test_names_and_checksums_are_those_that_torchvision_pins(dataset):
    datasets = pytest.importorskip("torchvision.datasets")
    theirs = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
    found = {name: md5 for file in dataset.files for name, md5 in file.forms.items()}
    if dataset.name == "svhn":
        expected = {file: md5 for _, file, md5 in map(datasets.SVHN.split_list.get, ("train", "test"))}
    elif "cifar" in dataset.name:
        cls = getattr(datasets, theirs[dataset.name])
        expected = dict([*cls.train_list, *cls.test_list, (cls.meta["filename"], cls.meta["md5"])])
        assert [(one.url, one.md5) for one in dataset.downloads] == [(cls.url, cls.tgz_md5)]
        assert dataset.folder == cls.base_folder
    else:
        expected = dict(getattr(datasets, theirs[dataset.name]).resources)
        found = {name: md5 for name, md5 in found.items() if name.endswith(".gz")}
    assert found == expected


def test_a_specification_can_be_sent_to_another_process():
    spec = DataSpec(dataset="cifar10")
    assert pickle.loads(pickle.dumps(spec)) == spec
