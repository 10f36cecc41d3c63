"""One graph of a network, run in float64 with values of ours in place of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from harness.analysis.field import Field
from harness.analysis.graph import Graph, Special
from harness.analysis.layout import places
from harness.analysis.parameters import statistics
from harness.analysis.view import View
from harness.training.program import Program, compiled

_CPU = torch.device("cpu")
_DOUBLE = {"float16": "float64", "bfloat16": "float64", "float32": "float64", "complex64": "complex128"}
_WIDE = {torch.complex64: torch.complex128}

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Trial:
    """One graph of a network, ready to run in float64 (or, for comparison, float32), and its weights."""

    view: View
    program: Program
    tensors: Tensors
    dtype: torch.dtype

    def run(self, images: torch.Tensor, **how: Any) -> torch.Tensor:
        """Run the graph; equal calls give equal results, dropout and all."""
        torch.manual_seed(0)
        # Batch-norm in training changes its statistics.
        written = statistics(self.view.measured) | set(self.view.measured.flow.changed_tensors)
        tensors = {name: t.clone() if name in written else t for name, t in self.tensors.items()}
        with in_default(self.dtype):
            return self.program.run(images.to(self.dtype), tensors, **how)


def trial(
    view: View, tensors: Tensors, dtype: torch.dtype = torch.float64, graph: Graph | None = None
) -> Trial:
    """Prepare a graph (that of the view, if no other is given) for `dtype`."""
    program = compiled(_in_dtype(graph or view.measured.graph, dtype), _CPU)
    return Trial(view, program, {name: _wide(tensor, dtype) for name, tensor in tensors.items()}, dtype)


def values_of(trial: Trial, images: torch.Tensor, names: set[str]) -> dict[str, torch.Tensor]:
    """Run a graph, and copy the values of some of its nodes, or of its image."""
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, value: Any) -> None:
        if name in names:
            kept[name] = value.clone()

    if not names <= set(trial.view.measured.graph.by_name):
        kept |= {name: images.to(trial.dtype) for name in trial.view.measured.graph.inputs}
    trial.run(images, watch=keep)
    return kept


def place_dimensions(field: Field) -> tuple[int, ...] | None:
    """Find the dimensions that are rows and columns and nothing else; None where either is elsewhere."""
    held = [(i, places(d)) for i, d in enumerate(field.layout or ()) if places(d)]
    is_pure = all(len(on) == len((field.layout or ())[i]) for i, on in held)
    found = frozenset[str]().union(*(on for _, on in held))
    return tuple(i for i, _ in held) if is_pure and len(found) == len("hw") else None


@contextmanager
def in_default(dtype: torch.dtype) -> Iterator[None]:
    """Make tensors that a graph creates without saying so of one dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


# Private functions


def _wide(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if tensor.is_complex():
        return tensor.to(_WIDE.get(tensor.dtype, tensor.dtype)) if dtype == torch.float64 else tensor
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _in_dtype(graph: Graph, dtype: torch.dtype) -> Graph:
    """Rewrite the dtypes that a graph names, so that it runs in float64 throughout."""
    if dtype != torch.float64:
        return graph
    return graph.with_nodes(tuple(node.with_arguments(_widened(list(node.args)), _widened_all(node.kwargs))
                                  for node in graph.nodes))  # fmt: skip


def _widened_all(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _widened([value])[0] for key, value in kwargs.items()}


def _widened(args: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_wider(arg) for arg in args)


def _wider(arg: Any) -> Any:
    if isinstance(arg, Special) and arg.special == "dtype":
        return arg.model_copy(update={"value": _DOUBLE.get(arg.value, arg.value)})
    return list(_widened(arg)) if isinstance(arg, list) else arg
