"""Whether a network looks its answers up: stored numbers read at a place that is computed from the image."""

from collections.abc import Collection
from math import prod

from harness.analysis.flow import data_reads
from harness.analysis.graph import Node, Ref, Special
from harness.analysis.ops import OPS, short_name
from harness.analysis.receptive import Measured

MOST_COMPARED = 1_000
"""Stored numbers an image may be compared with; a learned threshold per channel is no table."""
_READERS = frozenset(
    {"index", "index_select", "gather", "embedding", "take", "take_along_dim", "grid_sampler"}
)
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "isclose", "bucketize", "searchsorted"})
# What makes steps of a smooth value: whoever multiplies by them chooses.
_STEPS = _COMPARISONS | {
    "sign", "sgn", "floor", "ceil", "round", "trunc", "frac", "heaviside", "argmax", "argmin", "argsort",
    "remainder", "fmod", "floor_divide", "logical_and", "logical_or", "logical_not", "logical_xor",
}  # fmt: skip
_CHOOSES = frozenset(
    {
        "lerp", "mul", "multiply", "matmul", "mm", "bmm", "einsum", "addcmul", "linear", "mv",
        "addmm", "baddbmm", "conv1d", "conv2d", "conv3d", "masked_fill", "maximum", "minimum",
        "max", "min", "sub",
    }
)  # fmt: skip
_FOLLOWED = frozenset(
    {
        "elementwise", "identity", "view", "permute", "slice", "split", "select", "expand", "repeat", "cat",
        "stack", "scatter", "number", "maximum", "flip", "roll", "pad", "gather", "unfold",
    }
)  # fmt: skip


def lookups(measured: Measured) -> tuple[Node, ...]:
    """Find the live nodes that read a table by the image, or compare the image with a table.

    A table is what does not depend on the image: parameters, buffers, constants and what is computed from
    them alone. It is read by its indices, by a choice between its parts, and by steps that multiply it;
    steps may multiply the weights of a layer, which are trained.
    """
    of_image, steps = set(measured.graph.inputs), set[str]()
    found = []
    for node in measured.flow.nodes:
        reads = data_reads(node)
        if of_image.isdisjoint(reads):
            continue
        of_image.add(node.name)
        if _makes_steps(node) or (OPS.get(node.op) in _FOLLOWED and not steps.isdisjoint(reads)):
            steps.add(node.name)
        if _is_lookup(measured, node, of_image) or _is_choice(measured, node, of_image, steps):
            found.append(node)
    return tuple(found)


def _is_lookup(measured: Measured, node: Node, of_image: set[str]) -> bool:
    name = short_name(node.op)
    if name in _READERS:
        return node.refs[0] not in of_image
    if name in _COMPARISONS:
        return _stored(measured, node.refs, of_image) > MOST_COMPARED
    return False


def _is_choice(measured: Measured, node: Node, of_image: set[str], steps: set[str]) -> bool:
    """Tell whether a part of a table is chosen by the image."""
    name = short_name(node.op)
    if name == "where":
        options = [arg.ref for arg in node.args[1:] if isinstance(arg, Ref)]
        return _stored(measured, options, of_image) > MOST_COMPARED
    if name in _CHOOSES and not steps.isdisjoint(node.refs):
        fixed = [ref for ref in node.refs if not _is_trained(measured, ref)]
        return _stored(measured, fixed, of_image) > MOST_COMPARED
    return False


def _makes_steps(node: Node) -> bool:
    name = short_name(node.op).rstrip("_")
    dtype = node.arg(1, "dtype")
    is_cast = name == "to" and isinstance(dtype, Special) and "float" not in dtype.value
    return name in _STEPS or is_cast or node.arg(2, "rounding_mode") in ("floor", "trunc")


def _is_trained(measured: Measured, name: str) -> bool:
    """Tell whether a value is a trainable parameter itself."""
    tensor = measured.architecture.tensor(measured.graph, name)
    return tensor is not None and tensor.trainable


def _stored(measured: Measured, names: Collection[str], of_image: set[str]) -> int:
    """Count the numbers of the largest of some values that come from stored tensors alone."""
    counts = [_numbers(measured, ref) for ref in names if ref not in of_image and _is_read(measured, ref)]
    return max(counts, default=0)


def _is_read(measured: Measured, name: str) -> bool:
    """Tell whether a value holds stored numbers, not ones that are made from nothing."""
    return not measured.leading_to(name).isdisjoint(measured.graph.bindings)


def _numbers(measured: Measured, name: str) -> int:
    return prod(size for size in measured.shapes.get(name, ()) if isinstance(size, int))
