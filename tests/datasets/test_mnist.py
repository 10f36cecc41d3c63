"""The four files of MNIST are read, packed or not."""

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.base.errors import DataError
from harness.datasets.dataset import File
from harness.datasets.fashion_mnist import FASHION_MNIST
from harness.datasets.loading import load_data
from harness.datasets.mnist import MNIST, NAMES
from harness.datasets.registry import DATASETS
from harness.datasets.spec import DataSpec

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
LABELS = np.array([7, 0, 9], dtype=np.uint8)


def idx(values: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


def write(folder: Path, *, packed: bool) -> tuple[File, ...]:
    """Write three images as both splits; returns them as the official files."""
    folder.mkdir(parents=True)
    files = []
    for name in NAMES:
        content = idx(IMAGES if "images" in name else LABELS)
        content, form = (gzip.compress(content), f"{name}.gz") if packed else (content, name)
        (folder / form).write_bytes(content)
        files.append(File({"another form": "0" * 32, form: hashlib.md5(content).hexdigest()}))
    return tuple(files)


@pytest.mark.parametrize("dataset", [MNIST, FASHION_MNIST])
@pytest.mark.parametrize("packed", [True, False])
def test_the_files_are_read_packed_or_not(elsewhere, monkeypatch, dataset, packed):
    files = write(elsewhere / "data" / dataset.folder, packed=packed)
    monkeypatch.setitem(DATASETS, dataset.name, replace(dataset, files=files))
    data = load_data(DataSpec(dataset=dataset.name), None, print)
    assert np.array_equal(data.train.images[..., 0], IMAGES)
    assert data.test.labels.tolist() == [7, 0, 9]
    assert data.test.labels.dtype == np.int64
    assert data.classes == dataset.classes
    assert data.train.images.flags.writeable


def test_a_missing_file_is_named_in_both_its_forms(elsewhere):
    (elsewhere / "data" / "MNIST" / "raw").mkdir(parents=True)
    message = r"train-images-idx3-ubyte: missing, and so is train-images-idx3-ubyte\.gz; expected the whole"
    with pytest.raises(DataError, match=message):
        load_data(DataSpec(dataset="mnist"), None, print)
