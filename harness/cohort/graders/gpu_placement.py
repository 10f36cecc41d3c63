"""The number of graders on each GPU: a function of what is free there and of what a training takes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from harness.assignment.spec import AssignmentSpec
from harness.base.errors import HarnessError
from harness.base.gpus import Gpu
from harness.cohort.graders.cached import load_intake
from harness.graph.cost import bytes_of, million_multiply_adds
from harness.graph.ir import Graph, parse_architecture
from harness.loader.protocol import ARCHITECTURE

BASE_MIB = 1_536
"""What a process takes of a GPU before it computes: CUDA itself, work space of its libraries, the images."""


def graders_that_fit(gpus: Sequence[Gpu], need_mib: int) -> int:
    """Return how many trainings have room at the same time; one where no device has room for any.

    A device whose free memory is not known has room for one.
    """
    return max(sum(_room(gpu, need_mib) for gpu in gpus), min(1, len(gpus)))


def placed(gpus: Sequence[Gpu], need_mib: int, graders: int) -> tuple[Gpu, ...]:
    """Return the device of each grader: as many on each as its share of the free memory, where there is room.

    A slice has about the share of its card's arithmetic that it has of the memory. More graders than have
    room are shared out in the same way. Source: V. D'Hondt 1882, each seat to the highest quotient.
    """
    chosen: list[Gpu] = []
    while gpus and len(chosen) < graders:
        with_room = [gpu for gpu in gpus if chosen.count(gpu) < _room(gpu, need_mib)]
        chosen.append(
            max(
                with_room or gpus,
                key=lambda gpu: (
                    (need_mib if gpu.free_mib is None else gpu.free_mib) / (1 + chosen.count(gpu))
                ),
            )
        )
    return tuple(chosen)


def need_mib(graph: Graph, batch_size: int) -> int:
    """Estimate what a training takes of a GPU, in MiB.

    Every value of a batch is kept until its gradient is computed, and the gradient of the largest needs its
    size twice more. Values of bfloat16 take half of it.
    """
    sizes = [bytes_of(node.shape, node.dtype) for node in graph.nodes if node.shape]
    return BASE_MIB + (sum(sizes) + 2 * max(sizes, default=0)) * batch_size // 2**20


def largest_need_mib(folders: Iterable[Path], assignment: AssignmentSpec) -> int:
    """Estimate what the largest network takes of those that were judged; their artefacts are in `folders`.

    What cannot be read is left out: whoever trains it will say so.
    """
    needs = [BASE_MIB]
    for folder in folders:
        with suppress(HarnessError, OSError):
            needs += _needs(folder, assignment)
    return max(needs)


# Private functions


def _needs(folder: Path, assignment: AssignmentSpec) -> Iterator[int]:
    for name, taken in load_intake(folder).variants.items():
        if taken.graph_sha256 is not None:
            graph = parse_architecture((folder / taken.folder / ARCHITECTURE).read_bytes())
            recipe = assignment.recipe_with(name, taken.recipe, name).at_cost(million_multiply_adds(graph))
            yield need_mib(graph.train, recipe.batch_size)


def _room(gpu: Gpu, need_mib: int) -> int:
    return 1 if gpu.free_mib is None else gpu.free_mib // need_mib
