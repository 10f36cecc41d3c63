"""The samples show what a training did, to the same bytes, and change nothing about it."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.datasets.images import Data
from harness.datasets.spec import DataSpec
from harness.settings.recipe import RecipeSpec
from harness.training.determinism import make_deterministic
from harness.training.events import AugmentedEvent, Event
from harness.training.images.batches import Batches
from harness.training.images.samples import augmented, write_samples
from harness.training.images.statistics import measured
from harness.training.jobs import AugmentJob, TrainJob
from harness.training.loop import Inputs, train
from harness.training.network import Network, read
from harness.training.worker import do


def training_of(job: TrainJob, data: Data):
    make_deterministic(job.recipe.threads)
    device = torch.device("cpu")
    network = Network(*read(job.model.architecture, job.model.weights), device)
    inputs = Inputs(network=network, data=data, stats=measured(data.train.images), device=device)
    return train(job, inputs, lambda _: None)


def test_the_augmented_images_are_those_of_the_first_batch_of_the_training(few: Data, recipe: RecipeSpec):
    images, labels = Batches(few.train, recipe, seed=1)[0]
    found = augmented(few.train, recipe, seed=1)
    assert (found["train_augmented"][:, 0] == images.numpy()).all()
    assert (found["train_labels"] == labels.numpy()).all()
    assert (found["train_images"] == few.train.images[found["train_indices"]]).all()


def test_another_epoch_draws_the_same_image_otherwise(few: Data, recipe: RecipeSpec):
    drawn = augmented(few.train, recipe, seed=1)["train_augmented"]
    assert drawn.shape[:2] == (16, 4)
    assert (drawn[:, 0] != drawn[:, 1]).any()


def test_equal_arrays_give_equal_bytes_without_pickle(tmp_path: Path):
    hashes = set()
    for name in ("one.npz", "other.npz"):
        write_samples(tmp_path / name, {"a": np.arange(3), "b": np.zeros((2, 2), np.uint8)})
        hashes.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(hashes) == 1
    with np.load(tmp_path / "one.npz", allow_pickle=False) as file:
        assert file["a"].tolist() == [0, 1, 2]


def test_writing_samples_leaves_the_training_as_it_is(job: TrainJob, few: Data, tmp_path: Path):
    sampled = job.model_copy(update={"samples": tmp_path / "samples.npz"})
    assert training_of(sampled, few) == training_of(job, few)


def test_the_predictions_are_those_of_the_last_epoch(job: TrainJob, few: Data, tmp_path: Path):
    training = training_of(job.model_copy(update={"samples": tmp_path / "samples.npz"}), few)
    with np.load(tmp_path / "samples.npz") as file:
        mistakes = sum(map(sum, training.confusion)) - round(training.accuracy * len(few.test.labels))
        assert len(file["wrong_labels"]) == min(16, mistakes)
        for i, j in zip(file["wrong_labels"], file["wrong_probabilities"].argmax(1), strict=True):
            assert i != j
            assert training.confusion[i][j] > 0


def test_a_training_resumed_at_its_end_writes_the_same_samples(job: TrainJob, few: Data, tmp_path: Path):
    training_of(job.model_copy(update={"samples": tmp_path / "one.npz"}), few)
    again = {"samples": tmp_path / "other.npz", "resume": job.checkpoints / "last.pth"}
    training_of(job.model_copy(update=again), few)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()


def test_no_image_of_a_secret_test_split_is_kept(job: TrainJob, few: Data, tmp_path: Path):
    training_of(job.model_copy(update={"samples": tmp_path / "samples.npz"}), replace(few, secret=True))
    with np.load(tmp_path / "samples.npz") as file:
        assert {name.partition("_")[0] for name in file} == {"train"}


@pytest.mark.parametrize("images", [3, 20])
def test_an_augmentation_job_needs_no_training(recipe: RecipeSpec, tmp_path: Path, images: int):
    events: list[Event] = []
    path = tmp_path / "samples.npz"
    do(
        AugmentJob(
            data=DataSpec(dataset="cifar10"),
            recipe=recipe,
            seed=1,
            images=images,
            folder="mini",
            samples=path,
        ),
        events.append,
    )
    assert isinstance(events[-1], AugmentedEvent)
    assert len(events[-1].classes) == 10
    with np.load(path) as file:
        assert file["train_images"].shape == (images, 32, 32, 3)
