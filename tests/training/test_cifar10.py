import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from harness.errors import DataError, DataUnavailableError
from harness.training.cifar10 import load_cifar10, load_data
from harness.training.data import CLASSES


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with batches of 4 images in the official format; their MD5 count as the official ones."""
    folder = tmp_path / "root" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    for name in names:
        pixels = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 2, 3]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CLASSES)}))
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(folder / name)] for name in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(folder / "test_batch")]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5(folder / "batches.meta")})
    return tmp_path / "root"


def never(done: int, total: int | None) -> None:
    raise AssertionError("nothing should be downloaded")


def test_the_official_batches_are_read(batches: Path) -> None:
    data = load_cifar10(batches)
    assert (data.name, data.root) == ("cifar10", str(batches))
    assert data.train.images.shape == (20, 32, 32, 3)
    assert data.test.labels.tolist() == [0, 1, 2, 3]
    assert data.test.labels.dtype == np.int64
    raw = pickle.loads((batches / CIFAR10.base_folder / "test_batch").read_bytes())["data"]
    assert np.array_equal(data.test.images[0, :, :, 1].ravel(), raw[0, 1024:2048])


def test_the_folder_asked_for_comes_before_the_environment(
    batches: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIFAR10_ROOT", str(batches))
    other = elsewhere / "other"
    other.symlink_to(batches)
    assert load_data(str(other), never).root == str(other)
    assert load_data(None, never).root == str(batches)
    assert load_data(str(elsewhere / "empty"), never).root == str(batches)


def test_the_data_folder_is_looked_in_last(batches: Path, elsewhere: Path) -> None:
    Path("data").symlink_to(batches)
    assert load_data(None, never).root == "data"


def test_data_that_is_nowhere_names_every_place(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIFAR10_ROOT", "/nowhere")
    with pytest.raises(DataUnavailableError) as caught:
        load_data("asked", never)
    message = str(caught.value)
    assert "looked for cifar-10-batches-py in asked, /nowhere, data, and http://127.0.0.1:9/" in message
    assert "Put the batches in ./data or set CIFAR10_ROOT" in message


def test_a_wrong_md5_names_the_file_and_deletes_nothing(batches: Path) -> None:
    path = batches / CIFAR10.base_folder / "data_batch_3"
    expected = md5(path)
    path.write_bytes(b"other")
    with pytest.raises(
        DataError, match=rf"data_batch_3: not the official file; expected MD5 {expected}, got \w+"
    ):
        load_cifar10(batches)
    assert path.read_bytes() == b"other"


def test_a_missing_file_is_named(batches: Path) -> None:
    (batches / CIFAR10.base_folder / "batches.meta").unlink()
    with pytest.raises(DataError, match=r"batches\.meta: missing; expected the whole folder"):
        load_cifar10(batches)


def test_a_file_that_cannot_be_read_is_named(batches: Path) -> None:
    path = batches / CIFAR10.base_folder / "test_batch"
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"test_batch: cannot be read \(Is a directory\)"):
        load_cifar10(batches)
