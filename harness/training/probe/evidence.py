"""Evidence by numbers: what layers, pixels and unused values do to the logits, in float64.

The graph says what could matter. Here the weights of every layer that a rule may count on are replaced, and
the pixels at the rim of the receptive field are changed, after a few steps of training; what then moves
nothing has no influence. And what the analysis leaves out is changed too, and must move nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from harness.graph.consistency import difference
from harness.graph.evidence import Evidence
from harness.graph.ir import Architecture, Graph, Mode, Node
from harness.graph.operators import MAY_SHARE, OPS, is_in_place
from harness.graph.parameters import statistics
from harness.graph.receptive_field.engine import Measured
from harness.graph.view import View
from harness.training.chance.philox import Moment
from harness.training.network import one_line
from harness.training.probe import head_behaviour as behaviour
from harness.training.probe import rim_pixels as rims
from harness.training.probe.chosen_copies import moved_copies
from harness.training.probe.influence import effects_of, others_in_question
from harness.training.probe.step_functions import nearly_constant, steps
from harness.training.probe.trial import Both, Tensors, Trial, relative, trial
from harness.training.probe.unmixed_channels import apart
from harness.training.probe.weighted_pools import smooth_maxima
from harness.training.program import compiled

MOST_ROUNDING = 0.05
"""Largest change of the logits, relative to what tells images apart, that rounding may make."""
LEAST_ROUNDING = 1e-5
"""The same, relative to the logits: where images are hardly told apart, there is nothing but rounding."""
MOST_MIXED = 1e-7
"""The same in float64, of one image alone and beside another."""
NUDGE = 1e-7
STEPS = 20
"""Training steps before anything is measured: a gain that starts at zero has left it."""
STEP_SIZE = 1e-3
GOLDEN = (5**0.5 - 1) / 2
IMAGES = 2
"""Of a step."""
TRIED = 2
"""Images that logits are compared on."""
_CPU = torch.device("cpu")


def evidence(
    views: Mapping[Mode, View],
    tensors: Tensors,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    every_layer: bool = False,
) -> Evidence:
    """Measure what of a network has influence; with `every_layer`, of its layers one by one.

    `views` are its graphs, see `harness.graph.view.views_of`.
    `images` (N, C, H, W) float32 and `labels` (N,) int64 are what it is trained on for a moment, at least
    `STEPS` times `IMAGES`. Whatever cannot be run leaves the rest of the evidence out and says why.
    """
    threads = torch.get_num_threads()
    # A batch of two images is too little to be divided.
    torch.set_num_threads(1)
    try:
        architecture = views["eval"].measured.architecture
        complete = {spec.name: tensors[spec.tied_to or spec.name] for spec in architecture.tensors}
        trained = after_steps(architecture, complete, images, labels)
        return _measured(views, complete, trained, images, every_layer=every_layer)
    except Exception as error:  # noqa: BLE001 - torch may raise anything on a forged graph
        return Evidence(broken=one_line(error))
    finally:
        torch.set_num_threads(threads)


def after_steps(
    architecture: Architecture, tensors: Tensors, images: torch.Tensor, labels: torch.Tensor
) -> Tensors:
    """Train for `STEPS` steps of about `STEP_SIZE` against the sign of the gradient; ties kept.

    The weights stay as they came where they stop being numbers, and where the network cannot be trained.
    """
    try:
        new = _stepped(architecture, tensors, images, labels)
    except Exception:  # noqa: BLE001 - torch may raise anything; a grade's own training will say it
        return tensors
    return {**tensors, **new} if all(tensor.isfinite().all() for tensor in new.values()) else tensors


def _stepped(
    architecture: Architecture, tensors: Tensors, images: torch.Tensor, labels: torch.Tensor
) -> dict[str, torch.Tensor]:
    program = compiled(architecture.train, _CPU)
    owned = {spec.name: tensors[spec.name].detach().clone() for spec in architecture.tensors}
    held = {spec.name: owned[spec.tied_to or spec.name] for spec in architecture.tensors}
    chosen = [
        owned[t.name].requires_grad_() for t in architecture.tensors if t.trainable and t.tied_to is None
    ]
    for step in range(STEPS if chosen else 0):
        batch = slice(step * IMAGES, (step + 1) * IMAGES)
        # Unequal, so that steps forth and back do not end where they began.
        length = STEP_SIZE * (1 + GOLDEN * step % 1)
        loss = nn.functional.cross_entropy(
            program.run(images[batch], held, moment=Moment(step=step)), labels[batch]
        )
        gradients = torch.autograd.grad(loss, chosen, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(chosen, gradients, strict=True):
                if gradient is not None:
                    parameter.sub_(gradient.sgn(), alpha=length)
    return {name: tensor.detach() for name, tensor in held.items()}


def wrongly_left_out(trial: Trial, images: torch.Tensor) -> str:
    """Return a value that the analysis leaves out and that matters; "" if there is none."""
    measured = trial.view.measured
    zeros, live = measured.flow.zeros, measured.by_name
    fixed = {name for name in live if name not in measured.fields} - _read_statistics(measured)
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


# Private functions


def _measured(
    views: Mapping[Mode, View],
    tensors: Tensors,
    trained: Tensors,
    several: torch.Tensor,
    *,
    every_layer: bool,
) -> Evidence:
    images = several[:TRIED]
    of_eval, of_train = views["eval"], views["train"]
    fixed = frozenset(name for name, tensor in tensors.items() if torch.equal(tensor, trained[name]))
    fixed = fixed if len(fixed) < len(tensors) else frozenset()  # it could not be trained for a moment
    native = trial(of_eval, trained, torch.float32)
    tried = trial(of_eval, trained).with_constants_of(native, images)
    layers: Mapping[Mode, Sequence[Node]] = {
        mode: (*view.in_question, *others_in_question(view)) if every_layer else view.in_question
        for mode, view in views.items()
    }
    found = effects_of((tried, native), images, fixed, layers["eval"])
    effects: dict[Mode, dict[str, float]] = {"eval": found}
    if difference(of_train.measured.flow, of_eval.measured.flow):
        # Of equal graphs, what holds in one mode holds in the other.
        both = trial(of_train, trained), trial(of_train, trained, torch.float32)
        effects["train"] = effects_of(both, images, fixed, layers["train"])
    with torch.no_grad():
        broken = _differs_by_precision((tried, native), images)
        mixed = _differs_by_company(tried, images)
        misjudged = wrongly_left_out(trial(of_eval, tensors), images)
        misjudged = misjudged or wrongly_left_out(trial(of_train, tensors), images)
        reach = rims.reach(of_eval, trained, images)
        head = behaviour.head(tried, images)
    return Evidence(
        weak={mode: tuple(n for n, effect in found.items() if not effect) for mode, found in effects.items()},
        effects=effects["eval"],
        reach_px=reach,
        misjudged=misjudged,
        head=head,
        apart=apart(tried, images[:1]),
        pools=smooth_maxima(tried, images[:1]) | moved_copies(tried, images),
        filled=_filled(views.values(), tensors),
        mixed=mixed,
        normalised=nearly_constant(tried, images),
        steps=steps(tried, several),
        switch=_switch(tried, images),
        broken=broken,
    )


def _differs_by_precision(both: Both, images: torch.Tensor) -> str:
    """Return a note where the network computes something else in float32, in which it is trained."""
    exact, single = (one.run(images).double() for one in both)
    is_rounding = (single - exact).abs().max().item() <= LEAST_ROUNDING * exact.abs().max().item()
    if is_rounding or relative(single, exact) <= MOST_ROUNDING:
        return ""
    return "in float64 the network gives other logits than in float32"


def _differs_by_company(tried: Trial, images: torch.Tensor) -> bool:
    """Return whether, after some steps, an image's logits depend on the others of its batch."""
    together = tried.run(images)
    alone = torch.cat([tried.run(image[None]) for image in images])
    return relative(alone, together) > MOST_MIXED


@torch.no_grad()
def _switch(tried: Trial, images: torch.Tensor) -> bool:
    """Return whether a dropout decides what is computed: a small change of it makes a large one."""
    dropouts = [n.name for n in tried.view.measured.graph.nodes if OPS.get(n.op) == "dropout"]
    if not dropouts:
        return False
    changed = tried.run(images, instead=dict.fromkeys(dropouts, _nudged))
    return relative(changed, tried.run(images)) > MOST_ROUNDING


def _nudged(call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    value = call(*args, **kwargs)
    return value * (1 + NUDGE) if isinstance(value, torch.Tensor) else value


def _filled(views: Any, tensors: Tensors) -> frozenset[str]:
    read = frozenset[str]().union(*(statistics(view.measured) for view in views))
    return frozenset(name for name in read if name in tensors and not _is_new(tensors[name]))


def _is_new(tensor: torch.Tensor) -> bool:
    return bool((tensor == 0).all() or (tensor == 1).all())


def _read_statistics(measured: Measured) -> set[str]:
    """Return what is computed from running statistics, which the batches of a training change."""
    found = {value for value, name in measured.graph.bindings.items() if name in statistics(measured)}
    for node in measured.flow.nodes:
        if not found.isdisjoint(node.refs):
            found.add(node.name)
    return found


def _noisy(call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    value = call(*args, **kwargs)
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return value + torch.ones_like(value) * 0.37


def _is_plain(node: Node) -> bool:
    """Return whether a node makes a tensor of its own, which may be changed without changing another."""
    is_view = node.op in MAY_SHARE or OPS.get(node.op) in ("dropout", "check", "number")
    return node.shape is not None and not is_view and not is_in_place(node.op)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def _called(graph: Graph, name: str) -> str:
    node = graph.by_name[name]
    return f"{node.op} in {node.layer}"
