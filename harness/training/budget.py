"""The memory a graph takes: computed before any of it is allocated, and bounded while it runs."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from harness.base.errors import GraphError
from harness.graph import ir as plain
from harness.training.network import one_line
from harness.training.program import Watch, compiled

WORKSPACE_MIB = 2_048
"""What a run may take besides the values of a batch: `NetDilated` takes 300 to 800 MiB."""


def check_memory(
    plan: plain.Architecture,
    tensors: Mapping[str, torch.Tensor],
    images_shape: tuple[int, int, int, int],
    memory_mib: int,
) -> None:
    """Run both graphs on the meta device, where values have a shape and no memory.

    `images_shape` is (N, C, H, W) of a training batch, `memory_mib` the most that the values of one forward
    pass may take together: backward keeps them all. `NetDilated`, the larger of the two reference networks,
    takes 1,108 MiB for 128 images of 32x32 px.

    Raises:
        GraphError: the values take more than `memory_mib`, or their sizes cannot be worked out.
    """
    for graph in (plan.train, plan.eval):
        taken = _Taken(memory_mib)
        try:
            run_on_meta(plan, graph, tensors, images_shape, taken.add)
        except GraphError:
            raise
        except Exception as error:  # noqa: BLE001 - torch may raise anything on a forged graph
            raise GraphError(
                f"graph: the memory it takes cannot be worked out: {one_line(error)}. "
                "Try a step of training on a full batch of images."
            ) from None


def run_on_meta(
    plan: plain.Architecture,
    graph: plain.Graph,
    tensors: Mapping[str, torch.Tensor],
    images_shape: tuple[int, int, int, int],
    watch: Watch,
) -> None:
    """Run a graph on the meta device, where values have a shape, a dtype and no memory; `watch` sees each.

    Raises:
        Exception: whatever torch or `watch` raises.
    """
    with bounded_memory(WORKSPACE_MIB), torch.no_grad(), _any_algorithm():
        weights = {name: tensors[_owner(plan, name)].to("meta") for name in graph.bindings.values()}
        program = compiled(graph, torch.device("meta"))
        program.run(torch.zeros(images_shape, device="meta"), weights, watch)


@contextmanager
def bounded_memory(memory_mib: int) -> Iterator[None]:
    """Make an allocation fail that takes the process `memory_mib` above what it has now.

    What a graph takes is worked out for one size of batch, and without what an operator needs for itself: one
    that takes far more ends with an error of its own, and not with the machine out of memory. Linux only.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[5])
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = pages * resource.getpagesize() + memory_mib * 2**20
    lower = [most, *(limit for limit in before if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(lower), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


# Private functions


class _Taken:
    """Bytes of the values so far; stops the pass as soon as they are too many."""

    def __init__(self, memory_mib: int) -> None:
        self._most_mib, self._bytes = memory_mib, 0

    def add(self, name: str, value: object) -> None:
        for one in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(one, torch.Tensor):
                self._bytes += one.numel() * one.element_size()
        if self._bytes > self._most_mib * 2**20:
            raise GraphError(
                f"graph: too much memory for one batch; expected at most {self._most_mib:,} MiB for all "
                f"values, got {self._bytes / 2**20:,.0f} MiB at {name}. Make the feature maps smaller."
            )


@contextmanager
def _any_algorithm() -> Iterator[None]:
    """Lift the demand for determinism, which operators such as the median refuse on the meta device."""
    demanded = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(demanded)


def _owner(plan: plain.Architecture, name: str) -> str:
    return plan.by_name[name].tied_to or name
