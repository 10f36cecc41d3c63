"""Values that may hold windows of a map, where the map's layout is lost, as by a class token."""

from collections.abc import Callable

from harness.graph.flow import data_reads
from harness.graph.ir import Node
from harness.graph.operators import OPS
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.field import Field

_MOVES = frozenset({"view", "permute", "identity", "expand"})
_MAKES_NO_WINDOWS = _MOVES | {
    "elementwise", "dropout", "norm", "batch_norm", "softmax", "cat", "select", "split", "slice", "number",
    "glu", "reduce",
}  # fmt: skip


def holds_windows(field: Field) -> bool:
    """Return whether one dimension of a value runs over the places of a window."""
    return any(letter == "k" for dimension in field.layout or () for letter, _ in dimension)


def may_hold_windows(measured: Measured, name: str, is_product: Callable[[Node], bool]) -> bool:
    """Return whether a value of unknown layout may hold windows, made since the last layer with weights."""
    pending, seen = [name], set[str]()
    while pending:
        name = pending.pop()
        node, field = measured.by_name.get(name), measured.fields.get(name)
        if node is None or field is None or name in seen or is_product(node):
            continue
        seen.add(name)
        if field.layout is not None:
            if holds_windows(field):
                return True
        elif _may_make_windows(measured, node, is_product):
            return True
        else:
            pending += data_reads(node)
    return False


# Private functions


def _may_make_windows(measured: Measured, node: Node, is_product: Callable[[Node], bool]) -> bool:
    """Return whether a node may make windows: a view that changes the last dimension, but none of heads."""
    family = OPS.get(node.op, "not_followed")
    if family != "view":
        return family not in _MAKES_NO_WINDOWS
    before = measured.by_name.get(node.refs[0])
    while before is not None and OPS.get(before.op) in _MOVES:
        before = measured.by_name.get(before.refs[0])
    is_kept = (measured.shapes.get(node.refs[0]) or (None,))[-1] == (node.shape or (0,))[-1]
    of_heads = before is not None and OPS.get(before.op) not in ("conv", "linear") and is_product(before)
    return not is_kept and not of_heads
