"""Every public data set: read from files of its format, and, where they are here, from the official ones."""

import hashlib
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from harness.datasets.cifar100 import CIFAR100
from harness.datasets.dataset import File, Public
from harness.datasets.images import Data, Split
from harness.datasets.loading import load_data, local_folder
from harness.datasets.registry import DATASETS
from harness.datasets.spec import DataSpec
from harness.datasets.svhn import SVHN

ROOT = os.environ.get("CIFAR10_ROOT")
PUBLIC = [dataset for dataset in DATASETS.values() if isinstance(dataset, Public)]


def as_official(dataset: Public, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    """Load a data set as if the files in `folder` were its official ones."""
    md5 = {
        name: hashlib.md5((folder / name).read_bytes()).hexdigest()
        for file in dataset.files
        for name in file.forms
    }
    monkeypatch.setitem(
        DATASETS, dataset.name, replace(dataset, files=tuple(File({name: one}) for name, one in md5.items()))
    )
    return load_data(DataSpec(dataset=dataset.name), str(folder), print)


def test_cifar_100_is_read_with_its_fine_labels(tmp_path, monkeypatch):
    pixels = np.arange(2 * 3072, dtype=np.int64).astype(np.uint8).reshape(2, 3072)
    for name, labels in (("train", [99, 0]), ("test", [5, 7])):
        content = {"data": pixels, "fine_labels": labels, "coarse_labels": [1, 1]}
        (tmp_path / name).write_bytes(pickle.dumps(content))
    (tmp_path / "meta").write_bytes(pickle.dumps({"fine_label_names": list(CIFAR100.classes)}))
    data = as_official(CIFAR100, tmp_path, monkeypatch)
    assert data.train.labels.tolist() == [99, 0]
    assert np.array_equal(data.test.images[1, :, :, 2].ravel(), pixels[1, 2048:])


def test_svhn_is_read_and_its_digit_ten_is_the_zero(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    for name in ("train_32x32.mat", "test_32x32.mat"):
        savemat(tmp_path / name, {"X": images, "y": np.array([[1], [9], [10], [2]], np.uint8)})
    data = as_official(SVHN, tmp_path, monkeypatch)
    assert data.train.labels.tolist() == [1, 9, 0, 2]
    assert np.array_equal(data.train.images[3], images[..., 3])


@pytest.mark.slow
@pytest.mark.parametrize("dataset", PUBLIC, ids=lambda dataset: dataset.name)
def test_the_official_files_hold_what_is_said_of_them(dataset):
    if local_folder(dataset, ROOT) is None:
        pytest.skip(f"{dataset.title} is not here")
    data = load_data(DataSpec(dataset=dataset.name), ROOT, print)
    assert isinstance(data.test, Split)
    assert tuple(np.bincount(data.train.labels)) == dataset.train_per_class
    assert tuple(np.bincount(data.test.labels)) == dataset.test_per_class
    assert data.shape == dataset.shape
    assert data.sha256 == dataset.sha256 or not dataset.sha256
