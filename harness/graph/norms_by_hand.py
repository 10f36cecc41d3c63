"""Normalisations written by hand: a map divided by the spread of its own values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.graph.ir import Node, Ref
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.layout import MALFORMED
from harness.graph.receptive_field.mixing import reduced_dimensions

Norm = Literal["batch_norm", "layer_norm", "group_norm", "instance_norm"]

_SPREADS = frozenset({"var", "std", "var_mean", "std_mean"})
_SIZES = frozenset({"linalg_vector_norm", "norm"})
_ROOTS = frozenset({"sqrt", "rsqrt", "pow"})
_INVERSE = frozenset({"rsqrt", "reciprocal", "pow"})
_BY_LOGARITHM = frozenset({"exp", "log"})
"""Roots and inverses of a spread, when both are there."""
_ON_THE_WAY = _ROOTS | _INVERSE | _BY_LOGARITHM | {
    "add", "sub", "subtract", "rsub", "mul", "multiply", "neg", "clamp", "clamp_min", "clip", "maximum",
}  # fmt: skip
"""Arithmetic between a statistic and the division by it."""
_POOLS = frozenset({"avg_pool", "adaptive_avg_pool"})
_PRODUCTS = frozenset({"matmul", "einsum"})
_BOTH = slice(0, 2)
_FACTORS = {
    "div": slice(1, 2), "divide": slice(1, 2), "true_divide": slice(1, 2), "addcdiv": slice(2, 3),
    "mul": _BOTH, "multiply": _BOTH,
}  # fmt: skip
"""Which arguments of an operator are divisors, or may be the inverse of one."""
_MOVES = frozenset({"view", "permute", "expand", "identity", "number"})


@dataclass(frozen=True)
class ByHand:
    """The normalisation that a division is, and what it may be besides, where its mean is not looked for."""

    surely: frozenset[Norm] = frozenset()
    perhaps: frozenset[Norm] = frozenset()


def norm_by_hand(measured: Measured, node: Node) -> ByHand | None:
    """Return what a node normalises over, if it divides by a spread of the map; None for anything else."""
    factors = _FACTORS.get(short_name(node.op).rstrip("_"))
    if factors is None:
        return None
    perhaps = None
    inverted = frozenset[str]() if factors == _BOTH else frozenset({"reciprocal"})
    for arg in node.args[factors]:
        for statistic, passed in _statistics(measured, arg.ref, inverted) if isinstance(arg, Ref) else ():
            is_spread = _is_spread(measured, statistic, passed)
            inverts = passed & _INVERSE or (is_spread and passed >= _BY_LOGARITHM)
            if inverts and is_spread:
                return ByHand(surely=_kind(measured, statistic))
            if inverts and (passed & _ROOTS or short_name(statistic.op) in _SIZES):
                perhaps = perhaps or ByHand(perhaps=_kind(measured, statistic))
    return perhaps


# Private functions


def _statistics(
    measured: Measured, name: str, inverted: frozenset[str]
) -> Iterator[tuple[Node, frozenset[str]]]:
    """Walk back from a factor to the reductions it is computed from, and by which arithmetic.

    What is not inverted yet is not followed through products: those are judged themselves.
    """
    pending, seen = [(name, inverted)], set[str]()
    while pending:
        here, passed = pending.pop()
        node = measured.by_name.get(here)
        if node is None or here in seen or here not in measured.fields:
            continue
        seen.add(here)
        word = short_name(node.op).rstrip("_")
        if _is_statistic(node):
            yield node, passed
        elif word in ("mul", "multiply") and not passed & (_INVERSE | _BY_LOGARITHM):
            continue
        elif word in _ON_THE_WAY or OPS.get(node.op) in _MOVES:
            pending += [(ref, passed | {word}) for ref in node.refs]


def _is_statistic(node: Node) -> bool:
    """Return whether a node makes one number of many: a reduction, a pool, a product of itself."""
    family = OPS.get(node.op, "not_followed")
    by_itself = family in _PRODUCTS and len(node.refs) == 2 and len(set(node.refs)) == 1
    return family == "reduce" or family in _POOLS or by_itself


def _is_spread(measured: Measured, statistic: Node, passed: frozenset[str]) -> bool:
    """Return whether a statistic is a variance, or a mean of squares that something is subtracted from."""
    if short_name(statistic.op) in _SPREADS or _is_variance(measured, statistic):
        return True
    is_mean = short_name(statistic.op) == "mean"
    of_squares = is_mean and _squared(measured.by_name.get(statistic.refs[0]), measured) is not None
    return of_squares and bool(passed & {"sub", "subtract"})


def _is_variance(measured: Measured, statistic: Node) -> bool:
    """Return whether a mean is one of squared distances from the mean over the same dimensions."""
    if OPS.get(statistic.op) != "reduce":
        return False
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
    """Return which normalisations it may be, by what its spread is taken over."""
    layout = measured.sources(statistic)[0].layout
    if OPS.get(statistic.op) in _POOLS and not measured.fields[statistic.name].axes:
        return frozenset({"instance_norm"})
    if layout is None or OPS.get(statistic.op) != "reduce":
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
