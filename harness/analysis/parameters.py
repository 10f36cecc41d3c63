"""How many numbers feed a network."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.analysis.flow import data_reads
from harness.analysis.graph import Architecture, Node, Tensor
from harness.analysis.ops import short_name
from harness.analysis.receptive import Measured

# Where a normalisation takes its running mean and variance.
_STATISTICS = {"batch_norm": (3, 4), "instance_norm": (3, 4)}


@dataclass(frozen=True)
class Counted:
    """The tensors that count, each tied group once, and parameters that no graph reads."""

    tensors: tuple[Tensor, ...]
    unused: tuple[Tensor, ...]

    @property
    def total(self) -> int:
        """Numbers in all; a complex one is two."""
        return sum(numbers(tensor) for tensor in self.tensors)

    @property
    def hidden(self) -> tuple[Tensor, ...]:
        """Tensors that count though they are no parameters."""
        return tuple(tensor for tensor in self.tensors if tensor.kind != "parameter")


def count(architecture: Architecture, graphs: tuple[Measured, ...]) -> Counted:
    """Count every parameter, used or not, and every other tensor that a graph's output depends on."""
    read = {name for measured in graphs for node in measured.flow.nodes for name in _read(measured, node)}
    by_name = architecture.by_name
    owners = {by_name[name].tied_to or name for name in read}
    counted: dict[str, Tensor] = {}
    for tensor in architecture.tensors:
        owner = by_name[tensor.tied_to] if tensor.tied_to else tensor
        if tensor.kind == "parameter" or owner.name in owners:
            counted.setdefault(owner.name, owner)
    unused = (
        t for t in architecture.tensors if t.kind == "parameter" and (t.tied_to or t.name) not in owners
    )
    return Counted(tuple(counted.values()), tuple(unused))


def numbers(tensor: Tensor) -> int:
    """Count the numbers of one tensor."""
    return tensor.numel * (2 if tensor.dtype.startswith("complex") else 1)


def _read(measured: Measured, node: Node) -> Iterator[str]:
    """Yield the names of the tensors a node reads, but not statistics that only a normalisation reads."""
    statistics = {id(node.args[i]) for i in _STATISTICS.get(short_name(node.op), ()) if i < len(node.args)}
    kept = [arg for arg in (*node.args, *node.kwargs.values()) if id(arg) not in statistics]
    names = set(node.with_arguments(tuple(kept), {}).refs) if statistics else None
    for name in data_reads(node):
        if name in measured.graph.bindings and (names is None or name in names):
            yield measured.graph.bindings[name]
