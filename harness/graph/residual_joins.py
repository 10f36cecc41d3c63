"""Sums that join two paths of a network: the residual connections, and what stands on either path."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.graph.flow import data_reads
from harness.graph.ir import Node, Ref
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.layout import Unmeasurable

Shortcut = Literal["identity", "projection"]

_PRODUCTS = frozenset({"matmul", "einsum"})
_SUMS = frozenset({"add", "sub", "subtract", "rsub"})
_WEIGHTED = frozenset({"conv", "conv_transpose", "linear", "recurrent"})


@dataclass(frozen=True)
class Join:
    """A sum of two maps, or sequences, or vectors: what either path has computed that the other has not.

    `shortcut`: the shorter path holds no layer with weights (identity), or 1x1 ones alone (projection); of
    vectors, which every linear layer could project, none.
    """

    node: Node
    shortcut: Shortcut
    block: tuple[Node, ...]
    """Layers with weights of the longer path alone, in order of execution."""


def is_product_with_weights(measured: Measured, node: Node) -> bool:
    """Return whether a node is a matrix product of a value that the image reaches with stored numbers."""
    if OPS.get(node.op) not in _PRODUCTS:
        return False
    stored = [name for name in data_reads(node) if name not in measured.fields]
    read = len(data_reads(node)) - len(stored)
    return read == 1 and any(measured.leading_to(name) & set(measured.graph.bindings) for name in stored)


def is_weighted(measured: Measured, node: Node) -> bool:
    """Return whether a node has weights: a convolution, a linear layer, a product with stored numbers."""
    return OPS.get(node.op) in _WEIGHTED or is_product_with_weights(measured, node)


def find_joins(measured: Measured) -> Iterator[Join]:
    """Find the sums that join a path of layers and a shortcut around them, in order of execution."""
    weighted = {node.name: node for node in measured.nodes if is_weighted(measured, node)}
    for node in measured.nodes:
        if not _adds_values(measured, node):
            continue
        one, other = (weighted.keys() & measured.leading_to(name) for name in _operands(node))
        short, long = sorted((one - other, other - one), key=len)
        shortcut = _shortcut(measured, [weighted[name] for name in short])
        is_branch = bool(short) and len(node.shape or ()) == 2
        if long and shortcut and not is_branch:
            yield Join(node, shortcut, tuple(n for name, n in weighted.items() if name in long))


# Private functions


def _operands(node: Node) -> tuple[str, ...]:
    chosen = (node.arg(0, "self"), node.arg(1, "other"))
    return tuple(arg.ref for arg in chosen if isinstance(arg, Ref))


def _adds_values(measured: Measured, node: Node) -> bool:
    """Return whether a node adds or subtracts two maps, or two values of one shape; no bias, no gate."""
    if short_name(node.op).rstrip("_") not in _SUMS:
        return False
    names = [name for name in dict.fromkeys(_operands(node)) if name in measured.fields]
    if len(names) < 2:
        return False
    one, other = (tuple(measured.shapes.get(name, ())) for name in names)
    return (len(one) > 1 and one == other) or all(measured.fields[name].is_map for name in names)


def _shortcut(measured: Measured, layers: list[Node]) -> Shortcut | None:
    """Return the shortcut that holds these layers with weights; None where it is a branch of its own."""
    if not layers:
        return "identity"
    return "projection" if all(_is_1x1(measured, node) for node in layers) else None


def _is_1x1(measured: Measured, node: Node) -> bool:
    if OPS.get(node.op) != "conv":
        return OPS.get(node.op) == "linear" or is_product_with_weights(measured, node)
    try:
        return set(measured.window(node).kernel) == {1}
    except Unmeasurable:
        return False
