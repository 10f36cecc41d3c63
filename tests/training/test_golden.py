"""The same fingerprint gives the same bytes: two epochs of 20 steps, compared with ``golden.json``.

The file holds, for every kind of machine the tests have run on, the losses and the hash of the final
weights of both reference networks under the assignment's own recipe. On another kind of machine sums
are split in another way: there the losses must be close to the recorded ones, and two runs equal. To
record a kind of machine, add what the test warns of there.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness.assignment.spec import AssignmentSpec
from harness.datasets.images import Data, Split
from harness.datasets.miniature import load_mini
from harness.record.trainings import Training
from harness.training.determinism import make_deterministic
from harness.training.images.statistics import measured
from harness.training.jobs import Model, TrainJob
from harness.training.loop import Inputs, train
from harness.training.network import Network, read

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
STEPS = 20
TESTED = 200

pytestmark = pytest.mark.slow


def family(threads: int) -> str:
    """Name what decides the bytes on a CPU: torch, its instruction set, the processor, the threads."""
    first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    cpu = {key.strip(): value.strip() for key, _, value in pairs}
    processor = " ".join(cpu.get(key, "?") for key in ("vendor_id", "cpu family", "model"))
    kernels = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {kernels}, {processor}, {threads} threads"


@pytest.fixture(params=["basic", "dilated"])
def golden_job(
    request: pytest.FixtureRequest,
    assignment: AssignmentSpec,
    reference_network: Callable[[str], nn.Module],
    exported: Callable[..., Model],
    tmp_path: Path,
) -> tuple[str, TrainJob]:
    """One epoch at 16 px and one at full size, else the variant's own recipe."""
    variant = str(request.param)
    torch.manual_seed(0)
    model = exported(reference_network({"basic": "Net", "dilated": "NetDilated"}[variant]))
    own = assignment.recipe_for(variant).at_cost({"basic": 13.7, "dilated": 200.0}[variant])
    recipe = own.changed({"epochs": 2, "stages": [{"epochs": 1, "size_px": 16}]})
    return variant, TrainJob(
        model=model,
        data=assignment.data,
        recipe=recipe,
        seed=1,
        stats_cache=tmp_path / "stats.json",
        checkpoints=tmp_path / "checkpoints",
    )


def trained(job: TrainJob, *, filled: bool = False) -> Training:
    make_deterministic(job.recipe.threads)
    torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
    device = torch.device("cpu")
    network = Network(*read(job.model.architecture, job.model.weights), device)
    data = few(load_mini(job.data), STEPS * job.recipe.batch_size)
    return train(job, Inputs(network, data, measured(data.train.images), device), lambda _: None)


def few(data: Data, images: int) -> Data:
    return replace(data, train=spread(data.train, images), test=spread(data.test, TESTED))


def spread(split: Split, images: int) -> Split:
    """Take images at equal distances, for the set is sorted by class."""
    chosen = np.linspace(0, len(split.labels) - 1, images).astype(int)
    return Split(split.images[chosen], split.labels[chosen])


def said(training: Training) -> dict[str, object]:
    return {
        "train_loss": [log.train_loss for log in training.epochs],
        "test_loss": [log.test_loss for log in training.epochs],
        "weights_sha256": training.weights_sha256,
    }


@pytest.mark.filterwarnings("default:.*is not on record")
def test_the_first_steps_are_those_on_record(golden_job: tuple[str, TrainJob]) -> None:
    variant, job = golden_job
    found, kind = said(trained(job)), family(job.recipe.threads)
    if kind in GOLDEN:
        assert found == GOLDEN[kind][variant]
        return
    warnings.warn(f"{kind!r} is not on record: {json.dumps({variant: found})}", stacklevel=1)
    anywhere = next(iter(GOLDEN.values()))[variant]
    assert found["train_loss"] == pytest.approx(anywhere["train_loss"], rel=0.02)
    assert said(trained(job)) == found


def test_nothing_is_computed_from_memory_that_was_never_written(golden_job: tuple[str, TrainJob]) -> None:
    """With new memory filled with NaN the bytes are the same."""
    _, job = golden_job
    assert said(trained(job, filled=True)) == said(trained(job))
