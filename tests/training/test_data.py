import json
from pathlib import Path

import numpy as np
import pytest

from harness.errors import DataError
from harness.training.data import CLASSES, Data, Split, load_mini, measured, stats_of


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
