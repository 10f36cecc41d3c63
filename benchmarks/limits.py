"""What this machine can do at most, and what a training step asks of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

SIDE = 2048
"""Of the square matrices whose product is timed: 16 MiB each in float32, far larger than the second cache."""
COPIED = 2**28
"""Bytes of the block whose copying is timed: eight times the third cache of a server."""
ROUNDS = 5


@dataclass(frozen=True)
class Work:
    """What a step does: arithmetic operations, and bytes that its operators read and write."""

    flops: int
    traffic_bytes: int


def gemm_flops_per_s(dtype: torch.dtype) -> float:
    """Time the product of two matrices: operations a second, a multiplication and an addition being two."""
    one, other = torch.randn(SIDE, SIDE).to(dtype), torch.randn(SIDE, SIDE).to(dtype)
    return 2 * SIDE**3 / fastest_s(lambda: one @ other)


def copied_bytes_per_s() -> float:
    """Time the copying of a large block: bytes read and written a second."""
    source = torch.zeros(COPIED, dtype=torch.uint8)
    target = torch.zeros(COPIED, dtype=torch.uint8)
    return 2 * COPIED / fastest_s(lambda: target.copy_(source))


def fastest_s(call: Callable[[], object]) -> float:
    """Time a call `ROUNDS` times after a first one: the least seconds."""
    call()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def work_of(step: Callable[[], object]) -> Work:
    """Count what a step does; the traffic is that of a machine whose operators share no cache."""
    with FlopCounterMode(display=False) as flops, _Traffic() as traffic:
        step()
    return Work(flops.get_total_flops(), traffic.bytes)


class _Traffic(TorchDispatchMode):
    """Adds up the tensors that operators take and give; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view and func._schema.name != "aten::detach":
            self.bytes += sum(
                leaf.numel() * leaf.element_size()
                for leaf in tree_leaves((args, kwargs, out))
                if isinstance(leaf, torch.Tensor)
            )
        return out
