"""The official batches are read, wherever they lie, and nothing else is."""

import hashlib
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.base.errors import DataError, DataUnavailableError
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.dataset import File
from harness.datasets.formats import unpickled
from harness.datasets.images import Data
from harness.datasets.loading import load_data
from harness.datasets.registry import DATASETS
from harness.datasets.spec import DataSpec

SPEC = DataSpec(dataset="cifar10")


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def batches(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with batches of 4 images in the official format; their MD5 count as the official ones."""
    folder = elsewhere / "root" / CIFAR10.folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [next(iter(file.forms)) for file in CIFAR10.files]
    for name in names[:-1]:
        pixels = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 2, 3]}))
    (folder / names[-1]).write_bytes(pickle.dumps({"label_names": list(CIFAR10.classes)}))
    files = tuple(File({name: md5(folder / name)}) for name in names)
    monkeypatch.setitem(DATASETS, "cifar10", replace(CIFAR10, files=files))
    return elsewhere / "root"


def load(folder: Path | str | None) -> Data:
    return load_data(SPEC, None if folder is None else str(folder), never)


def never(done: int, total: int | None) -> None:
    raise AssertionError("nothing should be downloaded")


def test_the_official_batches_are_read(batches: Path) -> None:
    data = load(batches)
    assert (data.name, data.root) == ("cifar10", str(batches / CIFAR10.folder))
    assert data.train.images.shape == (20, 32, 32, 3)
    assert data.test.labels.tolist() == [0, 1, 2, 3]
    assert data.test.labels.dtype == np.int64
    raw = pickle.loads((batches / CIFAR10.folder / "test_batch").read_bytes())["data"]
    assert np.array_equal(data.test.images[0, :, :, 1].ravel(), raw[0, 1024:2048])


def test_the_folder_asked_for_comes_before_the_environment(
    batches: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIFAR10_ROOT", str(batches))
    other = elsewhere / "other"
    other.symlink_to(batches)
    assert load(other).root == str(other / CIFAR10.folder)
    assert load(None).root == str(batches / CIFAR10.folder)
    assert load(elsewhere / "empty").root == str(batches / CIFAR10.folder)


def test_the_data_folder_is_looked_in_last(batches: Path, elsewhere: Path) -> None:
    Path("data").symlink_to(batches)
    assert load(None).root == "data/cifar-10-batches-py"


def test_data_that_is_nowhere_names_every_place(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIFAR10_ROOT", "/nowhere")
    with pytest.raises(DataUnavailableError) as caught:
        load("asked")
    message = str(caught.value)
    assert "looked for cifar-10-batches-py in asked, /nowhere, data, and http://127.0.0.1:9/" in message
    assert "Put the files in ./data or set CIFAR10_ROOT" in message


def test_a_wrong_md5_names_the_file_and_deletes_nothing(batches: Path) -> None:
    path = batches / CIFAR10.folder / "data_batch_3"
    expected = md5(path)
    path.write_bytes(b"other")
    with pytest.raises(
        DataError, match=rf"data_batch_3: not the official file; expected MD5 {expected}, got \w+"
    ):
        load(batches)
    assert path.read_bytes() == b"other"


def test_a_missing_file_is_named(batches: Path) -> None:
    (batches / CIFAR10.folder / "batches.meta").unlink()
    with pytest.raises(DataError, match=r"batches\.meta: missing; expected the whole folder"):
        load(batches)


def test_a_file_that_cannot_be_read_is_named(batches: Path) -> None:
    path = batches / CIFAR10.folder / "test_batch"
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"test_batch: cannot be read \(Is a directory\)"):
        load(batches)


def test_the_folder_of_the_batches_itself_may_be_named(batches: Path) -> None:
    assert load(batches / CIFAR10.folder).root == str(batches / CIFAR10.folder)


def test_one_folder_may_hold_every_data_set(batches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(batches))
    assert load(None).root == str(batches / CIFAR10.folder)


@pytest.mark.parametrize("hidden", [print, Path, np.load])
def test_a_batch_that_names_anything_else_than_an_array_is_not_unpickled(
    tmp_path: Path, hidden: Callable[..., object]
) -> None:
    stream = io.BytesIO()
    pickle.dump({"data": hidden}, stream)
    (tmp_path / "batch").write_bytes(stream.getvalue())
    with pytest.raises(pickle.UnpicklingError, match="is not a part of an array"):
        unpickled(tmp_path / "batch")
