"""One graph of a network, run in float64 with values of ours in place of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from harness.graph.ir import Graph, Special
from harness.graph.parameters import statistics
from harness.graph.receptive_field.field import Field
from harness.graph.receptive_field.layout import places
from harness.graph.view import View
from harness.training.program import Instead, Program, Watch, compiled

_CPU = torch.device("cpu")
LEAST_SPREAD = 1e-9
"""What tells images apart is no less than this share of the logits."""
_DOUBLE = {"float16": "float64", "bfloat16": "float64", "float32": "float64", "complex64": "complex128"}

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Trial:
    """One graph of a network, ready to run in float64 (or, for comparison, float32), and its weights."""

    view: View
    program: Program
    tensors: Tensors
    dtype: torch.dtype
    constants: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """Values that the image does not reach, as they are where the network is trained."""

    def run(
        self, images: torch.Tensor, watch: Watch | None = None, instead: Instead | None = None
    ) -> torch.Tensor:
        """Run the graph; equal calls give equal results, dropout and all."""
        fixed = {name: (lambda *_, x=value: x.clone()) for name, value in self.constants.items()}
        # Batch-norm in training changes its statistics.
        written = statistics(self.view.measured) | set(self.view.measured.flow.changed_tensors)
        tensors = {name: t.clone() if name in written else t for name, t in self.tensors.items()}
        with in_default(self.dtype):
            return self.program.run(images.to(self.dtype), tensors, watch, {**fixed, **(instead or {})})

    def with_constants_of(self, other: "Trial", images: torch.Tensor) -> "Trial":
        """Return the trial with the values that another computes for what the image does not reach."""
        measured = self.view.measured
        names = {node.name for node in measured.flow.nodes if node.name not in measured.fields}
        found = {name: _wide(value) for name, value in values_of(other, images, names).items()}
        # One row for each image is made anew, for there may be more or fewer of them.
        sizes = measured.shapes
        return replace(self, constants={n: v for n, v in found.items() if "batch" not in sizes.get(n, ())})


Both = tuple[Trial, Trial]
"""One graph in float64, and in the dtypes it is trained in."""


def trial(
    view: View, tensors: Tensors, dtype: torch.dtype = torch.float64, graph: Graph | None = None
) -> Trial:
    """Prepare a graph (that of the view, if no other is given) for float64, or as it is trained."""
    program = compiled(_in_dtype(graph or view.measured.graph, dtype), _CPU)
    wide = {name: _wide(tensor) for name, tensor in tensors.items()} if dtype == torch.float64 else tensors
    return Trial(view, program, wide, dtype)


def relative(changed: torch.Tensor, base: torch.Tensor) -> float:
    """Return the largest change relative to what tells images apart; infinite where numbers are lost."""
    if changed.shape != base.shape or not changed.isfinite().all():
        return float("inf")
    size = base.abs().max().item()
    spread = max((base - base.mean(0)).abs().max().item(), LEAST_SPREAD * size) or 1.0
    return (changed - base).abs().max().item() / spread


def values_of(trial: Trial, images: torch.Tensor, names: set[str]) -> dict[str, torch.Tensor]:
    """Run a graph, and copy the values of some of its nodes, or of its image."""
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, value: Any) -> None:
        if name in names and isinstance(value, torch.Tensor):
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


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.double() if tensor.is_floating_point() else tensor


def _in_dtype(graph: Graph, dtype: torch.dtype) -> Graph:
    """Rewrite the dtypes that a graph names, so that it runs in float64 throughout."""
    if dtype != torch.float64:
        return graph
    return graph.with_nodes(
        tuple(
            node.with_arguments(
                _widened(list(node.args)), {key: _widened([value])[0] for key, value in node.kwargs.items()}
            )
            for node in graph.nodes
        )
    )


def _widened(args: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_wider(arg) for arg in args)


def _wider(arg: Any) -> Any:
    if isinstance(arg, Special) and arg.special == "dtype":
        return arg.model_copy(update={"value": _DOUBLE.get(arg.value, arg.value)})
    return list(_widened(arg)) if isinstance(arg, list) else arg
