"""Evidence by numbers: what layers, pixels and unused values do to the logits, in float64.

The graph says what could matter. Here the weights of every layer that a rule may count on are replaced, and
the pixels at the rim of the receptive field are changed, after a few steps of training; what then moves
nothing has no influence. And what the analysis leaves out is changed too, and must move nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from harness.analysis.aliases import MAY_SHARE
from harness.analysis.evidence import Evidence, Mode
from harness.analysis.graph import Architecture, Graph, Node, Special
from harness.analysis.ops import OPS, is_in_place
from harness.analysis.parameters import statistics
from harness.analysis.view import View
from harness.training.network import Network, one_line
from harness.training.program import Program, compiled

LEAST_EFFECT = 1e-11
"""Least change of the logits, relative to what tells images apart, that is an influence."""
SMALL_EFFECT = 1e-6
"""Below it, a change is compared with the one in float32: rounding grows by 5e8, an influence does not."""
ROUNDING = 1e4
STEPS = 20
"""Training steps before anything is measured: a gain that starts at zero has left it."""
STEP_SIZE = 1e-3
IMAGES = 4
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
        with in_default(self.dtype):
            return self.program.run(images.to(self.dtype), self.tensors, **how)


def evidence(
    architecture: Architecture, tensors: Tensors, images: torch.Tensor, labels: torch.Tensor
) -> Evidence:
    """Measure what of a network has influence.

    `images` (N, C, H, W) float32 and `labels` (N,) int64 are what it is trained on for a moment, at least
    `STEPS` times `IMAGES`. Whatever cannot be run leaves the rest of the evidence out and says why.
    """
    try:
        complete = {spec.name: tensors[spec.tied_to or spec.name] for spec in architecture.tensors}
        trained = after_steps(architecture, complete, images, labels)
        return _measured(architecture, complete, trained, images[:IMAGES])
    except Exception as error:  # noqa: BLE001 - torch may raise anything on a forged graph
        return Evidence(broken=one_line(error))


def trial(
    view: View, tensors: Tensors, dtype: torch.dtype = torch.float64, graph: Graph | None = None
) -> Trial:
    """Prepare a graph (that of the view, if no other is given) for `dtype`."""
    program = compiled(_in_dtype(graph or view.measured.graph, dtype), _CPU)
    return Trial(view, program, {name: _wide(tensor, dtype) for name, tensor in tensors.items()}, dtype)


def after_steps(
    architecture: Architecture, tensors: Tensors, images: torch.Tensor, labels: torch.Tensor
) -> Tensors:
    """Train for `STEPS` steps of equal size in the direction of the gradient's sign; ties kept.

    Weights that stop being numbers, or a network without trainable ones, stay as they came.
    """
    network = Network(architecture, tensors, _CPU).train()
    chosen = [parameter for parameter in network.parameters() if parameter.requires_grad]
    torch.manual_seed(0)
    for step in range(STEPS if chosen else 0):
        batch = slice(step * IMAGES, (step + 1) * IMAGES)
        loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
        gradients = torch.autograd.grad(loss, chosen, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(chosen, gradients, strict=True):
                if gradient is not None:
                    parameter.sub_(torch.view_as_complex(torch.view_as_real(gradient).sign()) * STEP_SIZE
                                   if gradient.is_complex() else gradient.sign() * STEP_SIZE)  # fmt: skip
    held = (*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False))
    new = {name: tensor.detach() for name, tensor in held}
    if not all(tensor.isfinite().all() for tensor in new.values()):
        return tensors
    return {**tensors, **new}


def relative(changed: torch.Tensor, base: torch.Tensor) -> float:
    """Return the largest change relative to what tells images apart; infinite where numbers are lost."""
    if changed.shape != base.shape or not changed.isfinite().all():
        return float("inf")
    spread = (base - base.mean(0)).abs().max().item() or base.abs().max().item() or 1.0
    return (changed - base).abs().max().item() / spread


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


def _measured(
    architecture: Architecture, tensors: Tensors, trained: Tensors, images: torch.Tensor
) -> Evidence:
    # Here, not above: what it needs of this module is complete by then.
    from harness.training import behaviour, rims

    views: dict[Mode, View] = {
        "eval": View(architecture, architecture.eval),
        "train": View(architecture, architecture.train),
    }
    effects = {mode: _effects(view, trained, images) for mode, view in views.items()}
    of_eval = views["eval"]
    with torch.no_grad():
        misjudged = next(
            filter(
                None, (_misjudged(trial(v, w), images) for v in views.values() for w in (tensors, trained))
            ),
            "",
        )
        reach = rims.reach(of_eval, trained, images)
        head = behaviour.head(trial(of_eval, trained), images)
    return Evidence(
        weak={mode: tuple(n for n, effect in found.items() if not effect) for mode, found in effects.items()},
        effects=effects["eval"],
        reach_px=reach,
        misjudged=misjudged,
        head=head,
        pools=behaviour.pools(trial(of_eval, trained), images),
        filled=_filled(views.values(), tensors),
    )


def _filled(views: Any, tensors: Tensors) -> frozenset[str]:
    read = frozenset[str]().union(*(statistics(view.measured) for view in views))
    return frozenset(name for name in read if name in tensors and not _is_new(tensors[name]))


def _is_new(tensor: torch.Tensor) -> bool:
    return bool((tensor == 0).all() or (tensor == 1).all())


@torch.no_grad()
def _effects(view: View, tensors: Tensors, images: torch.Tensor) -> dict[str, float]:
    """Replace the weights of each layer in question, one after the other; 0 for what has no influence."""
    nodes = view.in_question
    if not nodes:
        return {}
    trials = [trial(view, tensors)]
    bases = [trials[0].run(images)]
    effects: dict[str, float] = {}
    for node in nodes:
        effect = _effect(trials[0], node, images, bases[0])
        if LEAST_EFFECT <= effect < SMALL_EFFECT:
            if len(trials) == 1:
                trials.append(trial(view, tensors, torch.float32))
                bases.append(trials[1].run(images))
            if _effect(trials[1], node, images, bases[1]) > ROUNDING * effect:
                effect = 0.0
        effects[node.name] = min(effect, 1e9) if effect >= LEAST_EFFECT else 0.0
    return effects


def _effect(trial: Trial, node: Node, images: torch.Tensor, base: torch.Tensor) -> float:
    weight = _other_weight(trial, node, images)

    def with_it(call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        return call(args[0], weight, *args[2:], **kwargs)

    return relative(trial.run(images, instead={node.name: with_it}), base)


def _other_weight(trial: Trial, node: Node, images: torch.Tensor) -> torch.Tensor:
    """Compute the weight of a layer from other stored tensors, drawn around those it is computed from."""
    name = node.args[1].ref
    bindings = trial.view.measured.graph.bindings
    draw = torch.Generator().manual_seed(0)
    others = dict(trial.tensors)
    for value in sorted(_leading_to(trial.view, name) & set(bindings)):
        others[bindings[value]] = _drawn_around(others[bindings[value]], draw)
    if name in bindings:
        return others[bindings[name]]
    kept: dict[str, torch.Tensor] = {}

    def keep(value: str, tensor: Any) -> None:
        if value == name:
            kept[name] = tensor.clone()

    replace(trial, tensors=others).run(images, watch=keep)
    return kept[name]


def _leading_to(view: View, name: str) -> set[str]:
    """Name the values that one is computed from, itself and stored tensors among them."""
    needed, pending = {name}, [name]
    while pending:
        node = view.measured.by_name.get(pending.pop())
        for ref in node.refs if node else ():
            if ref not in needed:
                needed.add(ref)
                pending.append(ref)
    return needed


def _drawn_around(tensor: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    size = tensor.abs().mean() or 0.1
    return tensor + size * torch.randn(tensor.shape, generator=draw, dtype=tensor.dtype)


def _misjudged(trial: Trial, images: torch.Tensor) -> str:
    """Name a value that the analysis leaves out and that matters; empty if there is none."""
    measured = trial.view.measured
    zeros, live = measured.flow.zeros, measured.by_name
    fixed = {name for name in live if name not in measured.fields}
    dead = [n for n in measured.graph.nodes if n.name not in live and n.name not in zeros and _is_plain(n)]
    if not (zeros or fixed or dead):
        return ""
    seen: dict[str, torch.Tensor] = {}
    found: list[str] = []

    def note(name: str, value: Any) -> None:
        if not isinstance(value, torch.Tensor):
            return
        if name in zeros and value.any():
            found.append(f"{_called(measured.graph, name)} is taken for zero, and is not")
        if name in fixed and name not in seen:
            seen[name] = value.clone()
        elif name in fixed and not _same(seen[name], value):
            found.append(f"{_called(measured.graph, name)} is taken for independent of the image, and is not")

    base = trial.run(images, watch=note)
    trial.run(images.flip(0, 2, 3) * 1.5 + 0.3, watch=note)
    if not found and dead and not _same(base, trial.run(images, instead={n.name: _noisy for n in dead})):
        found.append(f"{_called(measured.graph, dead[-1].name)} is taken for unused, and is not")
    return found[0] if found else ""


def _noisy(call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    value = call(*args, **kwargs)
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return value + torch.ones_like(value) * 0.37


def _is_plain(node: Node) -> bool:
    """Tell whether a node makes a tensor of its own, which may be changed without changing another."""
    is_view = node.op in MAY_SHARE or OPS.get(node.op) in ("dropout", "check", "number")
    return node.shape is not None and not is_view and not is_in_place(node.op)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def _called(graph: Graph, name: str) -> str:
    node = graph.by_name[name]
    return f"{node.op} in {node.layer}"


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
