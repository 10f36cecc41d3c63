"""The speed of this machine: small networks are timed, and their seconds shared among kinds of work."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import nnls
from torch import nn

from harness.graph.workload import Workload, orthogonalising
from harness.settings.recipe import Precision, RecipeSpec
from harness.training.depthwise import grouped
from harness.training.measure import arithmetic
from harness.training.optimiser import optimised

IMAGES = 128
SIZES_PX = (8, 16, 32)
ROUNDS = 4
LEAST_S = 0.03
"""Of a round: clocks of processors tick some hundred times a second."""
USUAL_S = (3e-5, 6e-5, 1.5e-4, 1.2e-3, 1e-4, 3e-5)
"""Seconds of each kind of work on a core of 2023: machines differ by one factor more than by several."""
ALIKE = 0.05
"""How much one factor is preferred to several: a few small networks do not tell all kinds apart."""
BUSY = 1.5
"""Seconds for each second of a processor from which on others are taken to have the rest of them."""
_RECIPE = RecipeSpec(epochs=1, batch_size=IMAGES, lr=1e-3, muon=0.1)


class _OfEachChannel(nn.Conv2d):
    """A depthwise convolution as trainings compute it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        convolve = grouped(torch.ops.aten.conv2d.default)
        image: torch.Tensor = convolve(
            x, self.weight, None, self.stride, self.padding, self.dilation, self.groups
        )
        return image


@dataclass(frozen=True)
class Layer:
    """A convolution, batch-norm and ReLU; without `channels_out`, of each channel alone."""

    channels_in: int
    channels_out: int = 0
    kernel: int = 3
    stride: int = 1
    dilation: int = 1

    @property
    def made(self) -> int:
        """Channels of the map that it makes."""
        return self.channels_out or self.channels_in

    def build(self) -> nn.Sequential:
        """Build it."""
        padding, groups = self.dilation * (self.kernel - 1) // 2, 1 if self.channels_out else self.channels_in
        kind = nn.Conv2d if self.channels_out else _OfEachChannel
        convolution = kind(
            self.channels_in, self.made, self.kernel, self.stride, padding, self.dilation, groups, bias=False
        )
        return nn.Sequential(convolution, nn.BatchNorm2d(self.made), nn.ReLU())


NETWORKS = (
    (Layer(3, 32), Layer(32, 32), Layer(32, 32)),
    (Layer(3, 32), Layer(32, 48, stride=2), Layer(48, 64), Layer(64, 64, dilation=2)),
    (Layer(3, 32), Layer(32, 96, 1), Layer(96, 64, 1)),
    (Layer(3, 32), Layer(32), Layer(32), Layer(32, 48, 1)),
    (
        Layer(3, 16, stride=2), Layer(16), Layer(16, 48, 1), Layer(48, stride=2), Layer(48, 96, 1),
        Layer(96), Layer(96, 128, 1), Layer(128, stride=2), Layer(128, 192, 1),
    ),
)  # fmt: skip
"""Wide maps and narrow ones, of the kinds of work that networks are made of."""


def seconds_of_work(precision: Precision, threads: int) -> tuple[float, ...]:
    """Time the networks of this file; return the seconds that one of each kind of work takes in a step.

    The kinds are those of `Workload.amounts`. It takes about two seconds on two idle cores.
    """
    rows = []
    for layers in NETWORKS:
        for size_px in SIZES_PX:
            seconds = fastest_s(_step(layers, size_px, precision), threads)
            rows.append([amount / seconds for amount in _workload(layers, size_px).amounts(IMAGES)])
    # Each network counts by its relative error, and so does what sets one kind of work apart from the others.
    usual, kinds = np.array(USUAL_S), len(USUAL_S)
    alike = ALIKE * (np.eye(kinds) - 1 / kinds)
    factors, _ = nnls(np.vstack([np.array(rows) * usual, alike]), np.array([1.0] * len(rows) + [0.0] * kinds))
    return tuple(map(float, factors * usual))


def fastest_s(step: Callable[[], None], threads: int) -> float:
    """Return the seconds of a step in the fastest of a few rounds.

    Where others have the processors too, it is the seconds of the processors, shared among the threads.
    """
    step()
    once, _ = _timed_s(step, 1)
    steps = max(1, round(LEAST_S / once))
    rounds = [_timed_s(step, steps) for _ in range(ROUNDS)]
    return (
        min(
            elapsed if elapsed < BUSY * processors / threads else processors / threads
            for elapsed, processors in rounds
        )
        / steps
    )


# Private functions


def _workload(layers: tuple[Layer, ...], size_px: int) -> Workload:
    amounts, numbers, side, matrices = {"dense": 0.0, "pointwise": 0.0, "depthwise": 0.0}, 0.0, size_px, 0
    for layer in layers:
        side = -(-side // layer.stride)
        made = side**2 * layer.made
        kind = "pointwise" if layer.kernel == 1 else "dense" if layer.channels_out else "depthwise"
        from_each = layer.kernel**2 * (layer.channels_in if layer.channels_out else 1)
        amounts[kind] += made * from_each / 1e6
        numbers += 3 * made / 1e6
        matrices += orthogonalising((layer.made, from_each // layer.kernel**2, layer.kernel, layer.kernel))
    return Workload(**amounts, numbers=numbers, operators=3 * len(layers), matrices=matrices / 1e6)


def _step(layers: tuple[Layer, ...], size_px: int, precision: Precision) -> Callable[[], None]:
    network = nn.Sequential(*(layer.build() for layer in layers)).to(memory_format=torch.channels_last)
    images = torch.randn(IMAGES, 3, size_px, size_px).contiguous(memory_format=torch.channels_last)
    optimizer = optimised(network, _RECIPE, 1000).optimizer

    def step() -> None:
        with arithmetic(precision, images.device):
            maps = network(images)
        optimizer.zero_grad()
        maps.float().mean().backward()
        optimizer.step()

    return step


def _timed_s(step: Callable[[], None], steps: int) -> tuple[float, float]:
    """Return the seconds of some steps, and those of the processors."""
    started, before = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    return time.perf_counter() - started, time.process_time() - before
