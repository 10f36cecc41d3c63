"""Philox4x32-10: random words that are a function of a key and a counter, and of nothing else.

There is no state to advance, so it does not matter on which device, in which order or in how many pieces
the words are computed. All of it is integer arithmetic, which every device does alike.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_WORD = 2**32 - 1
_CHUNK = 2**16
"""Blocks that a CPU computes at once, so that they stay in its cache."""
_NODES = 2**24

Number = int | torch.Tensor
"""An integer, or a tensor () int64 that holds one."""
Block = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Moment:
    """The step of a training in which numbers are drawn."""

    seed: int = 0
    epoch: Number = 0
    step: Number = 0

    def stream(self, node: int) -> "Stream":
        """Return the numbers of the node at place `node` of a graph."""
        return Stream(self, node)


@dataclass(frozen=True)
class Stream:
    """The random words of one node in one step; other words for every `part` below 256."""

    moment: Moment
    node: int
    part: int = 0

    def other(self, part: int) -> "Stream":
        """Return another stream of the same node."""
        return replace(self, part=part)

    def words(self, count: int, device: torch.device) -> torch.Tensor:
        """Return (count,) int32, each of the 2**32 values as likely; element i depends on i alone."""
        blocks = -(-count // 4)
        out = torch.empty(blocks, 4, dtype=torch.int32, device=device)
        place = self.node % _NODES + self.part * _NODES
        fixed = [_scalar(number, device) for number in (place, self.moment.step, self.moment.epoch)]
        key = (self.moment.seed & _WORD, self.moment.seed >> 32 & _WORD)
        at_once = _CHUNK if device.type == "cpu" else max(blocks, 1)
        for first in range(0, blocks, at_once):
            counter = torch.arange(first, min(first + at_once, blocks), device=device)
            for i, word in enumerate(philox((counter, fixed[0], fixed[1], fixed[2]), key)):
                out[first : first + at_once, i] = word
        return out.view(-1)[:count]


def philox(counter: Block, key: tuple[int, int]) -> Block:
    """Encrypt counters, four words each, to four words each; words are int64 in [0, 2**32).

    Words of different shapes are broadcast: those that all blocks share are worked out once.
    """
    c0, c1, c2, c3 = counter
    for k0, k1 in _keys(*key):
        # Modulo 2**64, which is how torch multiplies int64: the sign that a product may get is masked off.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1 = ((p1 >> 32) ^ c1 ^ k0) & _WORD, p1
        c2, c3 = ((p0 >> 32) ^ c3 ^ k1) & _WORD, p0
    return c0, c1 & _WORD, c2, c3 & _WORD


# Private functions


def _scalar(number: Number, device: torch.device) -> torch.Tensor:
    # Filled, not copied: a CUDA graph cannot be captured over a copy from the host.
    return number if isinstance(number, torch.Tensor) else torch.full((), number, device=device)


def _keys(k0: int, k1: int) -> Iterator[tuple[int, int]]:
    for i in range(_ROUNDS):
        yield (k0 + i * _WEYL[0]) & _WORD, (k1 + i * _WEYL[1]) & _WORD
