import pytest
import torch

import harness.training.images.feed as module
from harness.datasets.images import Data
from harness.settings.recipe import RecipeSpec
from harness.training.images.batches import Batches
from harness.training.images.feed import DeviceFeed, HostFeed, feed

CPU = torch.device("cpu")


def test_a_device_takes_the_images_that_the_host_sends(few: Data, recipe: RecipeSpec) -> None:
    """At any epoch; a pixel between two grey levels may be rounded to either."""
    batches = Batches(few.train, recipe, 1)
    found = feed(batches, range(12), 0, CPU, resident=True)
    assert isinstance(found, DeviceFeed)
    for epoch in (2, 0):
        found.begin(epoch)
        for step in range(batches.steps_per_epoch):
            found.advance()
            images, labels = found.batch()
            sent, sent_labels = batches[epoch * batches.steps_per_epoch + step]
            assert torch.equal(labels, sent_labels)
            assert (images.int() - sent.int()).abs().max() <= 1


def test_a_batch_from_the_host_lies_where_the_one_before_lay(few: Data, recipe: RecipeSpec) -> None:
    batches = Batches(few.train, recipe, 1)
    found = feed(batches, range(3, 6), 0, CPU, resident=False)
    assert isinstance(found, HostFeed)
    places = set()
    for step in range(3, 6):
        found.advance()
        images, labels = found.batch()
        assert torch.equal(images, batches[step][0])
        assert torch.equal(labels, batches[step][1])
        places.add((images.data_ptr(), labels.data_ptr()))
    assert len(places) == 1


def test_images_that_take_too_much_of_a_device_are_sent_batch_by_batch(
    few: Data, recipe: RecipeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESIDENT_MIB", few.train.images.nbytes / 2**20 / 2)
    found = feed(Batches(few.train, recipe, 1), range(4), 0, CPU, resident=True)
    assert (type(found), found.augmented) == (HostFeed, "in batches")
