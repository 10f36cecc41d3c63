"""Metrics are those of torch, and the images shown are chosen by them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.datasets.images import Split
from harness.datasets.metrics import measure


def split_of(labels: list[int]) -> Split:
    labels_ = np.array(labels, dtype=np.int64)
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    return Split(images, labels_)


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 200), classes=st.integers(2, 12))
def test_loss_and_confusion_are_those_of_torch(seed, images, classes):
    chance = np.random.default_rng(seed)
    logits = (chance.normal(size=(images, classes)) * 20).astype(np.float32)
    labels = chance.integers(0, classes, images)
    found = measure(labels, logits)
    expected = F.cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(labels)).item()
    assert found.loss == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert found.total == images
    assert found.correct == (logits.argmax(1) == labels).sum()
    rows = [[((labels == i) & (logits.argmax(1) == j)).sum() for j in range(classes)] for i in range(classes)]
    assert np.array_equal(found.confusion, rows)


@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_logits_that_are_no_numbers_give_a_loss_that_is_none(wrong):
    logits = np.zeros((3, 4), np.float32)
    logits[1, 2] = wrong
    assert not np.isfinite(measure(np.array([0, 1, 2]), logits).loss)


def test_the_test_images_are_evenly_spaced_in_the_split():
    found = split_of([0] * 48).classified(np.zeros((48, 2), np.float32))
    assert found["test_indices"].tolist() == list(range(0, 48, 3))
    assert (found["test_images"][:, 0, 0, 0] == found["test_indices"]).all()


def test_the_wrong_images_come_with_the_most_confident_first():
    logits = np.array([[3.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 9.0]], np.float32)
    found = split_of([1, 1, 0, 1]).classified(logits)
    assert found["wrong_indices"].tolist() == [0, 2, 1]
    assert found["wrong_probabilities"].argmax(1).tolist() == [0, 1, 0]
    assert found["wrong_probabilities"].sum(1) == pytest.approx(1)


def test_a_network_without_a_mistake_has_no_wrong_images():
    found = split_of([0, 0]).classified(np.array([[1.0, 0.0], [1.0, 0.0]], np.float32))
    assert found["wrong_images"].shape == (0, 2, 2, 3)
