"""Find 1x1 layers that mix what was computed from neighbours channel by channel, without a depthwise layer.

A sum of windows, weighed by learned numbers, or a convolution whose weight is masked, does what a depthwise
one does. One channel of a map is changed after the other, in float64, and the channels that follow compared.
"""

from collections.abc import Iterator

import torch

from harness.graph.flow import data_reads
from harness.graph.ir import Node, Tensor
from harness.graph.operators import OPS
from harness.graph.receptive_field.engine import Measured
from harness.training.probe.trial import Trial, place_dimensions, values_of

LEAST_WEIGHTS = 3
"""Learned numbers a channel, from which they can weigh its neighbours and not the channel alone."""
MOST_CHANNELS = 64
"""Of a map that are changed, one after the other."""
_LAYERS = frozenset({"conv", "conv_transpose", "linear"})
_NORMS = frozenset({"batch_norm", "norm"})


def apart(trial: Trial, images: torch.Tensor) -> dict[str, str]:
    """Return the 1x1 layers that mix channels which learned arithmetic computed apart, and from which map.

    `images` (1, C, H, W) give the values around which channels are changed.
    """
    view = trial.view
    measured = view.measured
    return {
        node.name: source
        for node in view.pointwise
        for source, end in _stretches(measured, node)
        if _is_apart(trial, images, source, end)
    }


# Private functions


def _stretches(measured: Measured, layer: Node) -> Iterator[tuple[str, str]]:
    """Find the stretches before a layer, from one map to another, in which learned numbers weigh neighbours.

    None has a layer in it: not before one that mixes channels, and on either side of a depthwise one, which
    is judged as the layer that it is.
    """
    pending, seen = [(layer.refs[0], layer.refs[0])], set[tuple[str, str]]()
    while pending:
        name, end = pending.pop()
        if (name, end) in seen:
            continue
        seen.add((name, end))
        node = measured.by_name.get(name)
        weight = _own_weight(measured, node) if node is not None else None
        if (node is None or weight is not None) and _is_weighed(measured, name, end):
            yield name, end
        elif node is not None and weight is None:
            pending += [(read, end) for read in data_reads(node) if read in measured.fields]
        elif node is not None and weight is not None and weight.shape[1] == 1:
            pending.append((node.refs[0], node.refs[0]))


def _own_weight(measured: Measured, node: Node) -> Tensor | None:
    """Find the weight of a layer that is trained as it is."""
    is_layer = OPS.get(node.op) in _LAYERS and len(node.refs) > 1
    weight = measured.architecture.tensor(measured.graph, node.refs[1]) if is_layer else None
    return weight if weight is not None and weight.trainable else None


def _is_weighed(measured: Measured, source: str, name: str) -> bool:
    """Return whether a map is computed from neighbours in another, by enough learned numbers."""
    before, after = measured.fields[source], measured.fields[name]
    if _channel_dimension(measured, source) is None or _channel_dimension(measured, name) is None:
        return False
    if all(after.span(axis).rf_px <= before.span(axis).rf_px for axis in "hw"):
        return False
    channels = measured.shapes[source][_channel_dimension(measured, source) or 1]
    weights = sum(tensor.numel for tensor in _weights(measured, source, name))
    return isinstance(channels, int) and channels > 1 and weights >= LEAST_WEIGHTS * channels


def _weights(measured: Measured, source: str, name: str) -> Iterator[Tensor]:
    """Find the trained tensors between two maps but those of norms, and but one number for every position."""
    between = measured.leading_to(name) - measured.leading_to(source)
    sides = tuple(measured.shapes[source][i] for i in place_dimensions(measured.fields[source]) or ())
    normed = {ref for n in between if (node := measured.by_name.get(n)) and OPS.get(node.op) in _NORMS
              for ref in node.refs[1:]}  # fmt: skip
    found = {n: measured.architecture.tensor(measured.graph, n) for n in between - normed}
    for tensor in {t.name: t for t in found.values() if t is not None}.values():
        if tensor.trainable and tensor.shape[-2:] != sides:
            yield tensor


def _is_apart(trial: Trial, images: torch.Tensor, source: str, name: str) -> bool:
    """Change each channel of a map; tell whether no two of them change the same channel of another."""
    value = values_of(trial, images, {source})[source]
    channel = _channel_dimension(trial.view.measured, source) or 1
    follows = _channel_dimension(trial.view.measured, name)
    count = min(value.shape[channel], MOST_CHANNELS)
    base, changed = (_changed(trial, images, (source, name), value, (channel, n)) for n in (0, count))
    moved = (changed - base).abs() > 1e-9 * base.abs().max()
    others = [i for i in range(1, moved.ndim) if i != follows]
    by_channel = moved.sum(others) > 0
    return bool(by_channel.any(1).all()) and bool((by_channel.sum(0) <= 1).all())


def _changed(
    trial: Trial, images: torch.Tensor, names: tuple[str, str], value: torch.Tensor, at: tuple[int, int]
) -> torch.Tensor:
    """Run copies of an image, in the n-th of which the n-th channel of a map is another."""
    (source, name), (channel, count) = names, at
    copies = torch.cat([value] * max(count, 1)).clone()
    draw = torch.Generator().manual_seed(0)
    for i in range(count):
        one = copies[i].select(channel - 1, i)
        one += torch.randn(one.shape, generator=draw, dtype=one.dtype)
    kept: dict[str, torch.Tensor] = {}

    def keep(node: str, tensor: object) -> None:
        if node == name and isinstance(tensor, torch.Tensor):
            kept[node] = tensor

    several = images.repeat(len(copies), 1, 1, 1)
    given = trial.view.measured.graph.inputs[0]
    if source == given:
        trial.run(copies, watch=keep)
    else:
        trial.run(several, watch=keep, instead={source: lambda *_: copies.clone()})
    return kept[name]


def _channel_dimension(measured: Measured, name: str) -> int | None:
    """Find the one dimension of a map that is neither images, rows nor columns; None without one."""
    taken = place_dimensions(measured.fields[name])
    layout = measured.fields[name].layout or ()
    if taken is None or len(layout) != len(taken) + 2 or any(letter != "n" for letter, _ in layout[0]):
        return None
    return next(i for i in range(1, len(layout)) if i not in taken)
