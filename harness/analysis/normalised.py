"""Normalisations written by hand: a map divided by the spread of its own values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.analysis.graph import Node, Ref
from harness.analysis.layout import MALFORMED
from harness.analysis.mixing import reduced_dimensions
from harness.analysis.ops import OPS, short_name
from harness.analysis.receptive import Measured

Norm = Literal["batch_norm", "layer_norm", "group_norm", "instance_norm"]

_SPREADS = frozenset({"var", "std", "var_mean", "std_mean"})
_SIZES = frozenset({"linalg_vector_norm", "norm"})
_ROOTS = frozenset({"sqrt", "rsqrt", "pow"})
_INVERSE = frozenset({"rsqrt", "reciprocal", "pow"})
_SCALARS = frozenset({"add", "clamp", "clamp_min", "clip", "maximum"}) | _ROOTS | _INVERSE
_MOVES = frozenset({"view", "permute", "expand", "identity", "number"})


@dataclass(frozen=True)
class ByHand:
    """The normalisation that a division is, and what it may be besides, where its mean is not looked for."""

    surely: frozenset[Norm] = frozenset()
    perhaps: frozenset[Norm] = frozenset()


def norm_by_hand(measured: Measured, node: Node) -> ByHand | None:
    """Tell whether a node divides by a spread of the map, and over what; None for anything else."""
    name = short_name(node.op).rstrip("_")
    if name not in ("div", "divide", "true_divide", "mul", "multiply"):
        return None
    divides = name not in ("mul", "multiply")
    for arg in node.args[1:2] if divides else node.args[:2]:
        if not isinstance(arg, Ref):
            continue
        for statistic, passed in _statistics(measured, arg.ref):
            is_spread = short_name(statistic.op) in _SPREADS or _is_variance(measured, statistic)
            by_root = bool(passed & _ROOTS) or short_name(statistic.op) in _SIZES
            if (divides or passed & _INVERSE) and (is_spread or by_root):
                kinds = _kind(measured, statistic)
                return ByHand(surely=kinds) if is_spread else ByHand(perhaps=kinds)
    return None


# Private functions


def _statistics(measured: Measured, name: str) -> Iterator[tuple[Node, frozenset[str]]]:
    """Walk back from a divisor to the reductions it is computed from, and by which arithmetic."""
    pending, seen = [(name, frozenset[str]())], set[str]()
    while pending:
        here, passed = pending.pop()
        node = measured.by_name.get(here)
        if node is None or here in seen or here not in measured.fields:
            continue
        seen.add(here)
        word = short_name(node.op).rstrip("_")
        if OPS.get(node.op) == "reduce":
            yield node, passed
        elif word in _SCALARS or OPS.get(node.op) in _MOVES:
            pending += [(ref, passed | {word}) for ref in node.refs]


def _is_variance(measured: Measured, statistic: Node) -> bool:
    """Tell whether a mean is one of squared distances from the mean over the same dimensions."""
    distance = _squared(measured.by_name.get(statistic.refs[0]), measured)
    word = short_name(distance.op).rstrip("_") if distance is not None else ""
    if distance is None or word not in ("sub", "subtract") or len(distance.refs) != 2:
        return False
    value, centre = (measured.by_name.get(ref) for ref in distance.refs)
    if centre is None or short_name(centre.op) != "mean" or value is None or value.name not in centre.refs:
        return False
    ranks = (len(node.shape or ()) for node in (distance, value))
    over, inside = (
        set(reduced_dimensions(n, rank)) for n, rank in zip((statistic, centre), ranks, strict=True)
    )
    return over == inside


def _squared(node: Node | None, measured: Measured) -> Node | None:
    """Return what a node squares; None where it does not."""
    word = short_name(node.op).rstrip("_") if node is not None else ""
    if node is None or word not in ("pow", "square", "mul", "multiply"):
        return None
    is_square = {"pow": node.arg(1, "exponent") == 2, "square": True}.get(
        word, len(set(node.refs)) == 1 < len(node.args)
    )
    return measured.by_name.get(node.refs[0]) if is_square else None


def _kind(measured: Measured, statistic: Node) -> frozenset[Norm]:
    """Name the normalisation by what its spread is taken over."""
    layout = measured.sources(statistic)[0].layout
    if layout is None:
        return frozenset()
    try:
        over = set(reduced_dimensions(statistic, len(layout)))
    except MALFORMED:
        return frozenset()
    taken = {letter for i, dimension in enumerate(layout) if i in over for letter, _ in dimension}
    left = {letter for i, dimension in enumerate(layout) if i not in over for letter, _ in dimension}
    if "n" in taken:
        return frozenset({"batch_norm"})
    if "c" not in taken:
        return frozenset({"instance_norm"})
    return frozenset({"group_norm" if "c" in left else "layer_norm"})
