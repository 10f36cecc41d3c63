import json
from pathlib import Path

import numpy as np
import pytest

from harness.datasets.images import Data
from harness.training.images.statistics import measured, stats_of


def test_statistics_are_shares_of_255_per_channel(few: Data) -> None:
    stats = measured(few.train.images)
    shares = few.train.images.astype(np.float64) / 255
    assert np.allclose(stats.mean, shares.mean((0, 1, 2)), rtol=0, atol=1e-12)
    assert np.allclose(stats.std, shares.std((0, 1, 2)), rtol=0, atol=1e-12)


@pytest.fixture
def real(few: Data) -> Data:
    return Data(name="cifar10", root="", train=few.train, test=few.test, classes=few.classes)


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
