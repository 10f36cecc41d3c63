"""Tensors that forward makes and fills in place, part by part, written as the numbers they come to.

``k = torch.ones(1, 1, 3, 3); k[:, :, 1, 1] = 0`` is a chain of views that are written to. Nothing of the
image or of the weights is in it, and no table: here it becomes a row of `full` in the tensor's shape.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

MOST_RUNS = 64
"""Runs of equal numbers that all such tensors of a graph may have; with more of them nothing is rewritten."""
_LARGEST = 65_536
_ATEN = torch.ops.aten

Runs = Sequence[tuple[int, Any]]
"""How many, and which number."""


def write_out(graph: fx.Graph, constants: Mapping[str, Tensor]) -> None:
    """Rewrite a graph in place; `constants` are the tensors written in its program, by placeholder.

    Of these only single numbers count for nothing: what is copied from a larger one stays as it is.
    """
    known = _Known()
    readings: list[_Reading] = []
    for node in graph.nodes:
        if node.op == "placeholder" and node.name in constants and constants[node.name].ndim == 0:
            known.values[node] = constants[node.name].clone()
        elif not known.learn(node):
            if known.is_lost(node):
                return
            readings += [_Reading(node, read, known.values[read].clone()) for read in known.filled_of(node)]
    _replace(readings, known)


@dataclass(frozen=True)
class _Reading:
    """An operator that reads a tensor which was filled in place, and what is in that as it does."""

    reader: fx.Node
    read: fx.Node
    value: Tensor

    @property
    def runs(self) -> Runs:
        """The numbers in their order, equal ones together."""
        numbers, counts = torch.unique_consecutive(self.value.flatten(), return_counts=True)
        return list(zip(counts.tolist(), numbers.tolist(), strict=True))


@dataclass
class _Known:
    """The values of a graph that depend on no input of it, as far as it has been run."""

    values: dict[fx.Node, Any] = field(default_factory=dict)
    filled: set[int] = field(default_factory=set)
    """Memory that an operator has written to."""
    seen_through: dict[fx.Node, set[int]] = field(default_factory=dict)
    """What is not known and may share memory with what is."""

    def learn(self, node: fx.Node) -> bool:
        """Run an operator if all that it reads is known and nothing in it is chance; tell whether it was."""
        target: Any = node.target
        if not isinstance(target, torch._ops.OpOverload) or torch.Tag.nondeterministic_seeded in target.tags:
            return False
        if any(one not in self.values for one in node.all_input_nodes) or not _is_small(node.meta.get("val")):
            return False
        args, kwargs = fx.map_arg((node.args, node.kwargs), self.values.__getitem__)
        if target._schema.is_mutable:
            self.filled.add(_memory(args[0]))
            if any(_memory(args[0]) in memory for memory in self.seen_through.values()):
                self.seen_through[node] = {_memory(args[0])}  # see `is_lost`
                return False
        self.values[node] = target(*args, **kwargs)
        return True

    def is_lost(self, node: fx.Node) -> bool:
        """Return whether an operator that was not run writes to a known value; record what it may share."""
        schema = getattr(node.target, "_schema", None)
        shared = [one for one in node.all_input_nodes if one in self.values or one in self.seen_through]
        if schema is not None and schema.is_mutable and node.args and node.args[0] in shared:
            return True
        if shared and (schema is None or any(argument.alias_info for argument in schema.arguments)):
            own = {_memory(self.values[one]) for one in shared if one in self.values}
            self.seen_through[node] = own.union(*(self.seen_through.get(one, set()) for one in shared))
        return False

    def filled_of(self, node: fx.Node) -> list[fx.Node]:
        """List what an operator reads that was filled in place."""
        known = [one for one in node.all_input_nodes if one in self.values]
        return [one for one in known if _memory(self.values[one]) in self.filled]


# Private functions


def _is_small(value: object) -> bool:
    if not isinstance(value, Tensor):
        return False
    return all(isinstance(size, int) for size in value.shape) and value.numel() <= _LARGEST


def _memory(value: Any) -> int:
    return int(value.untyped_storage().data_ptr())


def _replace(readings: Sequence[_Reading], known: _Known) -> None:
    if sum(len(one.runs) for one in readings) > MOST_RUNS:
        return
    for one in readings:
        one.reader.replace_input_with(one.read, _literal(one))
    if readings:
        for node in reversed(list(known.values)):
            if node.op == "call_function" and not node.users:
                node.graph.erase_node(node)


def _literal(reading: _Reading) -> fx.Node:
    """Write a tensor's numbers in front of its reader, in whose line of code they are."""
    graph, value = reading.reader.graph, reading.value

    def call(target: Any, args: tuple[Any, ...], given: Tensor, **kwargs: Any) -> fx.Node:
        node = graph.call_function(target, args, kwargs)
        node.meta = {**reading.reader.meta, "val": given}
        return node

    with graph.inserting_before(reading.reader):
        parts = [
            call(
                _ATEN.full.default,
                ([count], number),
                torch.empty(count, dtype=value.dtype),
                dtype=value.dtype,
            )
            for count, number in reading.runs
        ]
        row = parts[0] if len(parts) == 1 else call(_ATEN.cat.default, (parts,), value.flatten())
        return call(_ATEN.view.default, (row, list(value.shape)), value)
