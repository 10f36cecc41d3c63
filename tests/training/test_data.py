import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from harness.errors import DataError, DataUnavailableError
from harness.training.data import CLASSES, Data, Split, load_cifar10, load_data, load_mini, measured, stats_of


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


def test_the_mini_set_has_500_and_100_images_a_class_in_class_order(mini: Data) -> None:
    assert mini.train.images.shape == (5000, 32, 32, 3)
    assert mini.test.images.shape == (1000, 32, 32, 3)
    assert mini.train.images.dtype == np.uint8
    assert np.array_equal(mini.train.labels, np.repeat(np.arange(10), 500))
    assert np.array_equal(mini.test.labels, np.repeat(np.arange(10), 100))
    assert mini.classes == CLASSES


def test_the_mini_set_is_cut_along_the_right_lines(mini: Data) -> None:
    # Neighbouring pixels of a photograph are alike; across a wrong cut they would not be.
    images = mini.test.images.astype(int)
    inside = np.abs(images[:, 15] - images[:, 16]).mean()
    across = np.abs(images[:-1, 31] - images[1:, 0]).mean()
    assert inside < across / 2


def test_a_changed_mosaic_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.webp").write_bytes(b"other")
    with pytest.raises(DataError, match=r"train\.webp: not the file that was shipped; expected SHA-256 ae3d"):
        load_mini(tmp_path)


def test_a_missing_mosaic_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.webp: cannot be read \(No such file.*Install the harness"):
        load_mini(tmp_path)


def test_mini_is_a_name_not_a_folder(elsewhere: Path) -> None:
    assert load_data("mini", never).name == "mini"


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


def test_the_hash_of_data_depends_on_images_and_labels(few: Data) -> None:
    labels = few.train.labels.copy()
    labels[0] += 1
    other = Data(name="mini", root="", train=Split(few.train.images, labels), test=few.test)
    again = Data(name="cifar10", root="elsewhere", train=few.train, test=few.test)
    assert few.sha256 == again.sha256 != other.sha256


def test_statistics_are_shares_of_255_per_channel(few: Data) -> None:
    stats = measured(few.train.images)
    shares = few.train.images.astype(np.float64) / 255
    assert np.allclose(stats.mean, shares.mean((0, 1, 2)), rtol=0, atol=1e-12)
    assert np.allclose(stats.std, shares.std((0, 1, 2)), rtol=0, atol=1e-12)


@pytest.fixture
def real(few: Data) -> Data:
    return Data(name="cifar10", root="", train=few.train, test=few.test)


def test_statistics_are_cached_for_this_data(real: Data, tmp_path: Path) -> None:
    cache = tmp_path / "results" / "stats.json"
    stats = stats_of(real, cache)
    content = json.loads(cache.read_text())
    assert content == {"sha256": real.sha256, "mean": list(stats.mean), "std": list(stats.std)}
    cache.write_text(json.dumps(content | {"mean": [0.1, 0.2, 0.3]}))
    assert stats_of(real, cache).mean == (0.1, 0.2, 0.3)
    assert stats_of(real, cache, recompute=True) == stats
    assert json.loads(cache.read_text()) == content


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "other"},
        {"mean": [1]},
        {"mean": None},
        {"mean": ["x", 1, 1]},
        {"std": [0, 1, 1]},
        {"std": [1, 1, float("nan")]},
    ],
)
def test_an_unusable_cache_is_written_anew(real: Data, tmp_path: Path, change: dict[str, object]) -> None:
    cache = tmp_path / "stats.json"
    stats = stats_of(real, cache)
    good = cache.read_text()
    cache.write_text(json.dumps(json.loads(good) | change))
    assert stats_of(real, cache) == stats
    assert cache.read_text() == good


@pytest.mark.parametrize("text", ["", "[]", "{}", "\x00"])
def test_a_cache_that_is_no_table_is_written_anew(real: Data, tmp_path: Path, text: str) -> None:
    cache = tmp_path / "stats.json"
    cache.write_text(text)
    stats_of(real, cache)
    assert json.loads(cache.read_text())["sha256"] == real.sha256


def test_the_mini_set_never_enters_the_cache(few: Data, tmp_path: Path) -> None:
    stats_of(few, tmp_path / "stats.json", recompute=True)
    assert not (tmp_path / "stats.json").exists()
