"""Whether a network looks its answers up: stored numbers read at a place that is computed from the image."""

from math import prod

from harness.analysis.flow import data_reads
from harness.analysis.graph import Node
from harness.analysis.ops import OPS, short_name
from harness.analysis.receptive import Measured

MOST_COMPARED = 1_000
"""Stored numbers an image may be compared with; a learned threshold per channel is no table."""
_READERS = frozenset({"index", "index_select", "gather", "embedding"})
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "isclose"})


def lookups(measured: Measured) -> tuple[Node, ...]:
    """Find the live nodes that read a table by the image, or compare the image with a table.

    A table is what does not depend on the image: parameters, buffers, constants and what is computed from
    them alone.
    """
    of_image = set(measured.graph.inputs)
    found = []
    for node in measured.flow.nodes:
        reads = data_reads(node)
        if of_image.isdisjoint(reads):
            continue
        of_image.add(node.name)
        if _is_lookup(measured, node, of_image):
            found.append(node)
    return tuple(found)


def _is_lookup(measured: Measured, node: Node, of_image: set[str]) -> bool:
    name = short_name(node.op)
    if OPS.get(node.op) == "gather" and name in _READERS:
        return node.refs[0] not in of_image
    if name in _COMPARISONS:
        return any(_numbers(measured, ref) > MOST_COMPARED for ref in node.refs if ref not in of_image)
    return False


def _numbers(measured: Measured, name: str) -> int:
    return prod(size for size in measured.shapes.get(name, ()) if isinstance(size, int))
