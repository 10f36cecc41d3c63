"""Images a second of the training loop at full resolution, against the naive pipeline, in one run.

``make bench ARGS="-k training_speed"``; the ratio of the two medians is what counts. Both train the same
networks on the same embedded images with two threads.
"""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from naive import BATCH, Pictures, epoch
from safetensors.torch import save_file

from harness.analysis.graph import to_json
from harness.assignment import DEFAULT_ASSIGNMENT, load_assignment
from harness.intake.export import architecture_of
from harness.recipe import RecipeOverride
from harness.training.data import Split, load_mini, measured
from harness.training.jobs import Model, TrainJob
from harness.training.loop import Inputs, train
from harness.training.network import Network, read

SUBMISSION = Path(__file__).parents[1] / "submission" / "model.py"
STEPS = {"basic": 30, "dilated": 6}
NETWORKS = {"basic": "Net", "dilated": "NetDilated"}


@pytest.fixture(params=["basic", "dilated"])
def variant(request):
    return request.param


@pytest.fixture
def model(variant):
    torch.manual_seed(0)
    return runpy.run_path(str(SUBMISSION))[NETWORKS[variant]]()


@pytest.fixture(autouse=True)
def two_threads():
    torch.set_num_threads(2)


def test_training_speed_of_the_naive_pipeline(benchmark, model, variant):
    split = load_mini().train
    data = Pictures(split.images, split.labels)
    benchmark.group = variant
    benchmark.extra_info["images"] = STEPS[variant] * BATCH
    losses = benchmark.pedantic(lambda: list(epoch(model, data, STEPS[variant])), rounds=5, warmup_rounds=1)
    assert len(losses) == STEPS[variant]


def test_training_speed_of_the_harness(benchmark, model, variant, tmp_path):
    """One epoch at full size and its checkpoint; it measures ten images only, for the naive measures none."""
    assignment = load_assignment(DEFAULT_ASSIGNMENT)
    architecture, tensors = architecture_of(model, (3, 32, 32))
    files = Model(architecture=tmp_path / "architecture.json", weights=tmp_path / "initial.safetensors")
    files.architecture.write_text(to_json(architecture))
    save_file(tensors, files.weights)
    recipe = assignment.recipe_with(variant, RecipeOverride(), "benchmark").changed(
        {"epochs": 1, "stages": []}
    )
    mini, images = load_mini(), STEPS[variant] * BATCH
    data = replace(
        mini,
        train=Split(mini.train.images[:images], mini.train.labels[:images]),
        test=Split(mini.test.images[:10], mini.test.labels[:10]),
    )
    job = TrainJob(
        model=files, classes=10, recipe=recipe, seed=1,
        stats_cache=tmp_path / "stats.json", checkpoints=tmp_path / "checkpoints",
    )  # fmt: skip
    device, stats = torch.device("cpu"), measured(data.train.images)

    def one_epoch():
        network = Network(*read(files.architecture, files.weights), device)
        return train(job, Inputs(network, data, stats, device), lambda _: None)

    benchmark.group = variant
    benchmark.extra_info["images"] = images
    training = benchmark.pedantic(one_epoch, rounds=5, warmup_rounds=1)
    assert len(training.epochs) == 1
