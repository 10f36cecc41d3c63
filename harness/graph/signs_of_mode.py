"""Signs of the mode: a dropout's result compared with its input, which is a sign and not a value."""

from harness.graph.flow import data_reads
from harness.graph.ir import Node, Special
from harness.graph.lookups import COMPARISONS, FOLLOWED, makes_steps
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured

_DIFFERENCES = frozenset({"sub", "subtract", "rsub", "div", "divide", "true_divide", "fmod", "remainder"})
# What tells what was dropped, zero, from what was not.
_TELLS_ZERO = frozenset({"eq", "ne", "isclose", "logical_not", "logical_and", "logical_or", "count_nonzero"})
_Origins = frozenset[tuple[str, bool]]
"""What values are made of, element by element, and whether a dropout came in between."""


def signs_of_mode(measured: Measured) -> tuple[Node, ...]:
    """Find the live nodes of a training graph that compare dropped values with the same, not dropped.

    Directly, or by a step of their difference or quotient; and those that ask whether one is zero.
    """
    origins: dict[str, _Origins] = {}
    apart: set[str] = set()
    found = []
    for node in measured.nodes:
        reads = [name for name in data_reads(node) if name in measured.fields]
        of_reads = [origins.get(name, frozenset({(name, False)})) for name in reads]
        is_followed = OPS.get(node.op) in FOLLOWED
        if is_followed and not apart.isdisjoint(reads):
            apart.add(node.name)
        if _are_opposite(of_reads) and short_name(node.op).rstrip("_") in _DIFFERENCES:
            apart.add(node.name)
        is_sign = makes_steps(node) and not apart.isdisjoint(reads)
        is_compared = short_name(node.op) in COMPARISONS and _are_opposite(of_reads)
        if is_sign or is_compared or (_tells_zero(node) and any(map(_is_dropped, of_reads))):
            found.append(node)
        if OPS.get(node.op) == "dropout":
            origins[node.name] = frozenset((origin, True) for one in of_reads for origin, _ in one)
        elif is_followed:
            origins[node.name] = frozenset().union(*of_reads)
    return tuple(found)


# Private functions


def _tells_zero(node: Node) -> bool:
    """Return whether a node tests which values are zero, by its name or by a cast to truth values."""
    dtype = node.arg(1, "dtype")
    is_cast = short_name(node.op) == "to" and isinstance(dtype, Special) and dtype.value.endswith("bool")
    return is_cast or short_name(node.op).rstrip("_") in _TELLS_ZERO


def _is_dropped(origins: _Origins) -> bool:
    return any(dropped for _, dropped in origins)


def _are_opposite(origins: list[_Origins]) -> bool:
    """Return whether two of the values are the same but for a dropout."""
    pairs = ((one, other) for one in origins for other in origins if one is not other)
    return any((origin, not dropped) in other for one, other in pairs for origin, dropped in one)
