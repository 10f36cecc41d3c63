from pathlib import Path

import numpy as np
import pack_cifar
import pytest

from harness.datasets.images import Split
from harness.datasets.miniature import load_mini
from harness.datasets.spec import DataSpec


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> tuple[Split, Split]:
    """600 training and 200 test images, and mosaics of 100."""
    monkeypatch.setattr(pack_cifar, "EACH", 100)
    mini = load_mini(DataSpec(dataset="cifar10"))
    assert isinstance(mini.test, Split)
    train, test = pack_cifar.balanced(mini.train), pack_cifar.balanced(mini.test)
    return Split(train.images[:600], train.labels[:600]), Split(test.images[:200], test.labels[:200])


def test_what_is_packed_is_read_again_pixel_by_pixel(tmp_path: Path, small: tuple[Split, Split]) -> None:
    train, test = small
    packed, found = pack_cifar.pack(train, test, tmp_path, 2**30), pack_cifar.unpack(tmp_path)
    assert len(packed.labels) == 600
    assert isinstance(found.test, Split)
    for one, other in ((packed, found.train), (test, found.test)):
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.labels, other.labels)


def test_a_limit_leaves_out_training_images_of_every_class_alike(
    tmp_path: Path, small: tuple[Split, Split]
) -> None:
    packed = pack_cifar.pack(*small, tmp_path, 1_000_000)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 1_000_000
    assert 0 < len(packed.labels) < 600
    assert len(set(np.bincount(packed.labels))) == 1
    assert len(pack_cifar.unpack(tmp_path).test.images) == 200
