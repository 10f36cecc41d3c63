"""Hours that a hundred works take: nine networks such as students hand in, by three recipes.

``.venv/bin/python benchmarks/class_as_it_comes`` times steps of each network at each size of the images, with
all that belongs to a step, and multiplies by the steps of a training. Where others use the processors too, a
step takes the seconds of the processors, shared among the threads:

- *now*: the recipe of the shipped assignment, with its tiers, in the precision that `auto` chooses here;
- *before*: its 16 epochs in float32 without tiers; a network with a pool of a fixed size ran at full size
  alone, 9 epochs, as many as cost no more than the 16 (*whole*: all 16 of them);
- *naive*: 60 epochs of `benchmarks/naive.py`, of which some steps are run: full size, float32, NCHW, eager,
  Albumentations image by image in two processes.

``--only NAME`` takes some of the networks, ``--train`` trains them by the shipped recipe on CIFAR-10.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from naive import BATCH, Pictures, epoch
from networks import NETWORKS
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.base.seeds import seed_for
from harness.datasets.loading import load_data
from harness.datasets.miniature import load_mini
from harness.graph.cost import million_multiply_adds
from harness.graph.ir import to_json
from harness.loader.export import architecture_of
from harness.settings.recipe import RecipeSpec
from harness.training.calibration import fastest_s
from harness.training.determinism import make_deterministic
from harness.training.images.batches import Batches
from harness.training.images.pixels import Pixels
from harness.training.images.statistics import measured, stats_of
from harness.training.jobs import Model, TrainJob
from harness.training.loop import Inputs, train
from harness.training.measure import arithmetic
from harness.training.network import Network, read
from harness.training.optimiser import optimised
from harness.training.plan import planned

SPEC = load_assignment(DEFAULT_ASSIGNMENT)
SHAPE, CPU, NAIVE_EPOCHS = (3, 32, 32), torch.device("cpu"), 60
NAIVE_STEPS, FIRST = 24, 4
"""Naive steps that are run, and how many of them wait for the first images."""
STEPS_AN_EPOCH, TESTED = 390, 0.3 * 10_000 / BATCH
"""Steps of an epoch, and as many more as measuring on the test images costs: no way back, a third."""


@dataclass(frozen=True)
class Hours:
    """Of one training by each recipe."""

    now: float
    before: float
    whole: float
    naive: float


def built(name: str, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed_for(seed, "init") % 2**63)
    return NETWORKS[name]()


def recipe_of(network: Network) -> RecipeSpec:
    return SPEC.recipe.at_cost(million_multiply_adds(network.architecture))


def rebuilt(model: nn.Module) -> Network:
    architecture, tensors = architecture_of(model, SHAPE)
    return Network(architecture, tensors, CPU)


def timed(name: str) -> Hours:
    network, data = rebuilt(built(name)), load_mini(SPEC.data)
    recipe = recipe_of(network)
    plain = SPEC.recipe.model_copy(update={"tiers": (), "precision": "float32"})
    plan = planned(network, recipe, SHAPE, 10, CPU)
    if plan.pooled_px:
        plain = plain.at_full_size(plan.pooled_px, SHAPE[-1])
    before = planned(network, plain, SHAPE, 10, CPU)
    whole = planned(network, plain.model_copy(update={"epochs": SPEC.recipe.epochs}), SHAPE, 10, CPU)
    sizes = {(px, one.precision) for one in (plan, before) for px in one.sizes_px}
    step_s = {
        (px, precision): fastest_s(
            _step(network, recipe, data, px, precision, px in plan.pooled_px), recipe.threads
        )
        for px, precision in sorted(sizes)
    }
    chosen = np.resize(np.arange(len(data.train.labels)), NAIVE_STEPS * BATCH)
    naive_s = _naive_s(built(name), Pictures(data.train.images[chosen], data.train.labels[chosen]))
    return Hours(
        *(
            sum(step_s[px, one.precision] * (STEPS_AN_EPOCH + TESTED) for px in one.sizes_px) / 3600
            for one in (plan, before, whole)
        ),
        NAIVE_EPOCHS * (STEPS_AN_EPOCH + TESTED) * naive_s / 3600,
    )


def trained(name: str, seed: int) -> None:
    network = rebuilt(built(name, seed))
    recipe, data = recipe_of(network), load_data(SPEC.data, None, lambda *_: None)
    with tempfile.TemporaryDirectory() as folder:
        files = Model(architecture=Path(folder) / "architecture.json", weights=Path(folder) / "w.safetensors")
        files.architecture.write_text(to_json(network.architecture))
        save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, files.weights)
        stats = Path(folder) / "stats.json"
        job = TrainJob(
            model=files, data=SPEC.data, recipe=recipe, seed=seed,
            stats_cache=stats, checkpoints=Path(folder) / "checkpoints",
        )  # fmt: skip
        inputs = Inputs(
            Network(*read(files.architecture, files.weights), CPU),
            data,
            stats_of(data, stats, recompute=False),
            CPU,
        )
        training = train(job, inputs, lambda _: None)
    print(f"{name}, seed {seed}: {training.accuracy:.2%} after {len(training.epochs)} epochs", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list(NETWORKS), help="a network; repeatable")
    parser.add_argument("--train", action="store_true", help="train each on CIFAR-10, too")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    names = given.only or list(NETWORKS)
    make_deterministic(SPEC.recipe.threads)
    found = [_shown(name) for name in names]
    hours = {
        key: 100 * mean(getattr(one, key) for one in found) for key in ("now", "before", "whole", "naive")
    }
    said = (f"{key} {one:.1f} h ({one / hours['now']:.1f} times)" for key, one in hours.items())
    print(f"A hundred works: {', '.join(said)}")
    for name in names if given.train else ():
        trained(name, given.seed)


# Private functions


def _shown(name: str) -> Hours:
    network = rebuilt(built(name))
    plan = planned(network, recipe_of(network), SHAPE, 10, CPU)
    mmacs, hours = million_multiply_adds(network.architecture), timed(name)
    print(
        f"{name:17} {mmacs:6.1f} M {len(plan.sizes_px):3} epochs {plan.precision:9}"
        f" now {60 * hours.now:5.1f} min, before {60 * hours.before:5.1f} ({hours.before / hours.now:.1f}),"
        f" naive {60 * hours.naive:6.1f} ({hours.naive / hours.now:.1f})",
        flush=True,
    )
    return hours


def _step(network, recipe, data, px, precision, pooled) -> Callable[[], None]:
    batches = Batches(data.train, recipe, 1)
    pixels, optimiser = Pixels(measured(data.train.images), CPU), optimised(network, recipe, 10_000).optimizer
    network.train()
    network.to(memory_format=torch.channels_last)
    numbers = iter(range(100_000))

    def step() -> None:
        network.pools_globally = pooled
        images, labels = batches[next(numbers)]
        with arithmetic(precision, CPU):
            logits = network(pixels(images, px)).float()
        optimiser.zero_grad()
        cross_entropy(logits, labels).backward()
        optimiser.step()

    return step


def _naive_s(model: nn.Module, data: Pictures) -> float:
    """Return the seconds of a step, the images of the next ones made meanwhile as in a whole epoch."""
    moments = [time.perf_counter() for _ in epoch(model, data, NAIVE_STEPS)]
    return (moments[-1] - moments[FIRST]) / (len(moments) - 1 - FIRST)


if __name__ == "__main__":
    main()
