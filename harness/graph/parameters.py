"""The numbers that feed a network: how many there are."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.graph.flow import data_reads
from harness.graph.ir import Architecture, Node, Ref, Tensor
from harness.graph.operators import short_name
from harness.graph.receptive_field.engine import Measured

# Where a normalisation takes its running mean and variance.
_STATISTICS = {"batch_norm": (3, 4), "instance_norm": (3, 4)}
_NUMBER_BYTES = 4
"""What one number takes, a float32; a wider one could hold several."""
_BYTES = {"complex128": 16, "complex64": 8, "float64": 8, "int64": 8}


@dataclass(frozen=True)
class Counted:
    """The tensors that count, each tied group once, and parameters that no graph reads."""

    tensors: tuple[Tensor, ...]
    unused: tuple[Tensor, ...]

    @property
    def total(self) -> int:
        """Numbers in all; one of eight bytes is two."""
        return sum(numbers(tensor) for tensor in self.tensors)

    @property
    def hidden(self) -> tuple[Tensor, ...]:
        """Tensors that count though they are no parameters."""
        return tuple(tensor for tensor in self.tensors if tensor.kind != "parameter")


def count(
    architecture: Architecture, graphs: tuple[Measured, ...], filled: frozenset[str] = frozenset()
) -> Counted:
    """Count every parameter, used or not, and every other tensor that a graph's output depends on.

    Statistics of a normalisation do not count, but for those of `filled`, which are not as a new layer's.
    """
    read = {name for measured in graphs for node in measured.flow.nodes for name in _read(measured, node)}
    read |= {name for measured in graphs for name in _statistics_of(measured)} & filled
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
    """Count the numbers of one tensor: its elements, or as many float32 as take its memory."""
    return tensor.numel * math.ceil(_BYTES.get(tensor.dtype, _NUMBER_BYTES) / _NUMBER_BYTES)


def statistics(measured: Measured) -> frozenset[str]:
    """Return the names of the tensors that a normalisation reads as its running mean or variance."""
    return frozenset(_statistics_of(measured))


def _read(measured: Measured, node: Node) -> Iterator[str]:
    """Yield the names of the tensors a node reads, but not statistics that only a normalisation reads."""
    statistics = {id(arg) for arg in _free(measured, node)}
    kept = [arg for arg in (*node.args, *node.kwargs.values()) if id(arg) not in statistics]
    names = set(node.with_arguments(tuple(kept), {}).refs) if statistics else None
    for name in data_reads(node):
        if name in measured.graph.bindings and (names is None or name in names):
            yield measured.graph.bindings[name]


def _free(measured: Measured, node: Node) -> list[Ref]:
    """List the statistics of a node: those of the channels of what it normalises, which the image reaches."""
    places = _STATISTICS.get(short_name(node.op), ())
    given = [node.args[i] for i in places if i < len(node.args) and isinstance(node.args[i], Ref)]
    source = node.arg(0, "input")
    field = measured.fields.get(source.ref) if isinstance(source, Ref) else None
    if field is None:
        return []
    if field.layout is None:
        return given
    channels = math.prod(size or 1 for _, size in field.layout[1]) if len(field.layout) > 1 else 0
    return given if all(measured.shapes.get(one.ref) == (channels,) for one in given) else []


def _statistics_of(measured: Measured) -> Iterator[str]:
    for node in measured.flow.nodes:
        for one in _free(measured, node):
            if one.ref in measured.graph.bindings:
                yield measured.graph.bindings[one.ref]
