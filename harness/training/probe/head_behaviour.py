"""Is the head of a network an average and a linear layer, by what it does.

Names and forms can be changed without changing what is computed. Here the last map is replaced, and what
comes out is compared, in float64, operators as they are.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch

from harness.graph.flow import data_reads
from harness.graph.head import positions
from harness.graph.ir import Node, Ref
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.training.probe.trial import Trial, place_dimensions, values_of
from harness.training.probe.weighted_pools import is_learned
from harness.training.program import Instead

TOLERANCE = 1e-6
"""Of a change of the logits, relative to how far two random maps are apart."""
LEAST_SHARE = 0.1
"""Of what a position of the last map counts on the mean, that each of them has to count."""
LEAST_LOCAL = 0.01
"""Share of what tells images apart that has to come from the positions of the last map."""
# What passes a map on, changing what each position holds, or which positions there are.
_PASSES_ON = frozenset(
    {
        "elementwise", "batch_norm", "dropout", "identity", "slice", "select", "pad", "roll", "flip", "view",
        "permute", "gather", "scatter", "expand", "repeat", "number", "split", "overwrite",
    }
)  # fmt: skip


def head(trial: Trial, images: torch.Tensor) -> str:
    """Return why the head is no average and linear layer, by what it does; empty if it may be one."""
    view = trial.view
    if view.head.unknown or len(view.head.maps) != 1:
        return ""
    last = view.head.maps[0]
    values = values_of(trial, images, {last, source := _made_by(view.measured, last)})
    draw = torch.Generator().manual_seed(0)
    u, v = (_like(values[last], draw) for _ in range(2))
    of_u, of_v, between = (_apart(_with(trial, images, {last: x})) for x in (u, v, 0.3 * u + 0.7 * v))
    scale = (of_u - of_v).abs().max().item() or 1.0
    if (between - 0.3 * of_u - 0.7 * of_v).abs().max().item() > TOLERANCE * scale:
        return "what follows the last map is not linear in it"
    if _comes_from_elsewhere(trial, images, last):
        return "what tells images apart does not come from the positions of the last map"
    if _weighs_by_content(trial, images, last):
        return "positions of the map are weighed by what is in them"
    places = place_dimensions(view.measured.fields[source])
    if places is None:
        return ""
    map_ = _like(values[source], draw)
    if _differs_when_moved(trial, images, source, (map_, _shuffled(map_, places, draw))):
        return "not all positions of the map have the same weight"
    if _hardly_reads_some(trial, images, source, (map_, places)):
        return "some positions of the map hardly count"
    return _weighed_before_a_blur(trial, images, source)


# Private functions


def _with(
    trial: Trial,
    images: torch.Tensor,
    values: Mapping[str, torch.Tensor],
    others: Instead = MappingProxyType({}),
) -> torch.Tensor:
    """Run the network with other values in place of some, and other operators in place of others."""
    given = trial.view.measured.graph.inputs[0]
    instead = {name: (lambda *_, x=value: x.clone()) for name, value in values.items() if name != given}
    return trial.run(values.get(given, images), instead={**others, **instead})


def _differs_when_moved(
    trial: Trial,
    images: torch.Tensor,
    source: str,
    maps: tuple[torch.Tensor, torch.Tensor],
    others: Instead = MappingProxyType({}),
) -> bool:
    """Return whether the logits of two maps differ, what pads a map or is added to it left out."""
    plain = {**_plain_ends(trial.view.measured), **others}
    before, after = (_apart(_with(trial, images, {source: x}, plain)) for x in maps)
    scale = (before - before.mean(0)).abs().max().item() or 1.0
    return (before - after).abs().max().item() > TOLERANCE * scale


def _hardly_reads_some(
    trial: Trial, images: torch.Tensor, source: str, at: tuple[torch.Tensor, tuple[int, ...]]
) -> bool:
    """Return whether a position of a map counts next to nothing beside the others, all as it is."""
    map_, places = at
    with torch.enable_grad():
        map_ = map_.requires_grad_()
        logits = _with(trial, images, {source: map_})
        (gradient,) = torch.autograd.grad(logits.sum(0).square().sum(), map_)
    by_place = gradient.abs().sum([i for i in range(map_.ndim) if i not in places])
    return bool(by_place.min() < LEAST_SHARE * by_place.mean())


def _weighed_before_a_blur(trial: Trial, images: torch.Tensor, source: str) -> str:
    """Return a note where positions have different weights in front of fixed averages over neighbours."""
    measured = trial.view.measured
    blurs = {node.name for node in measured.nodes if _is_blur(trial, node)}
    if not blurs:
        return ""
    first = _made_by(measured, source, blurs)
    places = place_dimensions(measured.fields[first])
    if first == source or places is None:
        return ""
    draw = torch.Generator().manual_seed(0)
    map_ = _like(values_of(trial, images, {first})[first], draw)
    without = {name: (lambda _, args, __: args[0].clone()) for name in blurs}
    moved = (map_, _shuffled(map_, places, draw))
    if _differs_when_moved(trial, images, first, moved, without):
        return "not all positions of the map have the same weight before neighbours are averaged"
    return ""


def _is_blur(trial: Trial, node: Node) -> bool:
    """Return whether a node averages neighbours by weights that are not trained, at the map's size."""
    measured, family = trial.view.measured, OPS.get(node.op)
    reads = node.refs[0] if node.refs else ""
    is_fixed = family == "avg_pool" or (family == "conv" and not is_learned(measured, node))
    same = measured.shapes.get(reads) == node.shape and reads in measured.fields
    return is_fixed and same and measured.fields[node.name].is_map


def _plain_ends(measured: Measured) -> Instead:
    """Pad maps with zeros, however they are padded, and add zeros to them in place of what is stored."""
    instead: dict[str, Any] = {}
    for node in measured.nodes:
        name = short_name(node.op)
        if name == "pad" and node.arg(2, "mode", "constant") != "constant":
            instead[node.name] = _padded_with_zeros
        if name in ("add", "sub") and node.op.endswith(".Tensor"):
            stored = [
                i
                for i, arg in enumerate(node.args)
                if isinstance(arg, Ref) and arg.ref not in measured.fields
            ]
            instead |= {node.name: partial(_without, stored)} if len(stored) == 1 else {}
    return instead


def _padded_with_zeros(call: Callable[..., Any], args: list[Any], _: dict[str, Any]) -> Any:
    return call(args[0], args[1], "constant", 0.0)


def _without(which: list[int], call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    left = [torch.zeros_like(arg) if i in which else arg for i, arg in enumerate(args)]
    return call(*left, **kwargs)


def _like(value: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Draw positive and negative values of the size of a map's."""
    size = value.abs().mean() or 1.0
    return size * torch.randn(value.shape, generator=draw, dtype=value.dtype)


def _apart(logits: torch.Tensor) -> torch.Tensor:
    """Subtract the first logit from the others: a log-softmax changes nothing of that."""
    return logits - logits[:, :1]


def _shuffled(value: torch.Tensor, places: tuple[int, ...], draw: torch.Generator) -> torch.Tensor:
    """Exchange the positions of a map."""
    ends = tuple(range(-len(places), 0))
    last = value.movedim(places, ends)
    flat = last.flatten(ends[0])
    order = torch.randperm(flat.shape[-1], generator=draw)
    return flat[..., order].view(last.shape).movedim(ends, places).contiguous()


def _comes_from_elsewhere(trial: Trial, images: torch.Tensor, last: str) -> bool:
    """Return whether the map carries next to nothing, and a value that is the same at all positions does."""
    measured = trial.view.measured
    leading, pending = {last}, [last]
    while pending:
        node = measured.by_name.get(pending.pop())
        before = [ref for ref in (node.refs if node else ()) if ref in measured.fields and ref not in leading]
        leading |= set(before)
        pending += before
    apart = {n for n in leading & set(measured.by_name) if _is_everywhere_the_same(measured, n)}
    if not apart:
        return False
    others = values_of(trial, images.flip(0), apart)
    base = trial.run(images)
    spread = (base - base.flip(0)).abs().max().item() or 1.0
    exchanged = _with(trial, images, others)
    return (exchanged - base.flip(0)).abs().max().item() < LEAST_LOCAL * spread


def _is_everywhere_the_same(measured: Measured, name: str) -> bool:
    field = measured.fields[name]
    return field.layout is not None and (not field.axes or positions(measured, name) == 1)


def _weighs_by_content(trial: Trial, images: torch.Tensor, last: str) -> bool:
    """Return whether a map that is averaged was multiplied by shares: values that add up to one same sum."""
    measured, pending = trial.view.measured, [last]
    region: dict[str, tuple[int, ...]] = {}
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        node, places = measured.by_name.get(name), place_dimensions(measured.fields[name])
        if name in seen or node is None:
            continue
        sources = [s for s in data_reads(node) if s in measured.fields and measured.fields[s].is_map]
        is_product = short_name(node.op) in ("mul", "multiply", "div", "divide", "true_divide")
        is_local = all(_is_local(measured, one, name) for one in sources) or OPS.get(node.op) in _PASSES_ON
        if (
            not sources
            or not (is_local or OPS.get(node.op) == "softmax")
            or (len(sources) > 1 and not is_product)
        ):
            continue
        seen.add(name)
        region |= {name: places} if places else {}
        pending += sources
    values = values_of(trial, images, set(region))
    return any(_are_shares(value, region[name]) for name, value in values.items() if name in region)


def _are_shares(value: torch.Tensor, places: tuple[int, ...]) -> bool:
    if not value.is_floating_point():
        return False
    sums = value.sum(places)
    first = sums.flatten()[0]
    is_one_sum = bool(((sums - first).abs() <= TOLERANCE * first.abs()).all())
    is_flat = bool((value - value.mean(places, keepdim=True)).abs().max() <= TOLERANCE * value.abs().max())
    return is_one_sum and not is_flat and bool(first.abs() > TOLERANCE * value.abs().max())


def _made_by(measured: Measured, name: str, blurs: Collection[str] = ()) -> str:
    """Walk back from a map to the value it is made from, position by position or by leaving some out.

    Through `blurs` too, in which neighbours are averaged.
    """
    order = {node.name: i for i, node in enumerate(measured.nodes)}
    ends, found = {name}, name
    while ends:
        latest = max(ends, key=lambda one: order.get(one, -1))
        before = _passed_on(measured, latest, blurs)
        if before is None:
            break
        ends = (ends - {latest}) | before
        if len(ends) == 1 and place_dimensions(measured.fields[first := next(iter(ends))]) is not None:
            found = first
    return found


def _passed_on(measured: Measured, name: str, blurs: Collection[str]) -> set[str] | None:
    """Return the maps that a value is made from position by position; None where it is made otherwise."""
    node = measured.by_name.get(name)
    if node is None:
        return None
    sources = {s for s in data_reads(node) if s in measured.fields and measured.fields[s].is_map}
    if not sources:
        return None
    is_moved = (OPS.get(node.op) in _PASSES_ON or name in blurs) and len(sources) == 1
    return sources if is_moved or all(_is_local(measured, one, name) for one in sources) else None


def _is_local(measured: Measured, source: str, name: str) -> bool:
    """Return whether each position of a value is computed from its own position alone, as by a 1x1 layer."""
    before, after = measured.fields[source], measured.fields[name]
    return after.is_map and (before.h, before.w) == (after.h, after.w) and name not in measured.seen_whole
