"""Look-ups in a network: stored numbers read at a place that is computed from the image."""

from collections.abc import Collection
from math import prod

from harness.graph.flow import data_reads
from harness.graph.ir import Node, Ref, Special
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured

MOST_COMPARED = 1_000
"""Stored numbers an image may be compared with; a learned threshold per channel is no table."""
_READERS = frozenset(
    {"index", "index_select", "gather", "embedding", "take", "take_along_dim", "grid_sampler"}
)
COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "isclose", "bucketize", "searchsorted"})
# What makes steps of a smooth value: whoever multiplies by them chooses.
_STEPS = COMPARISONS | {
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
FOLLOWED = frozenset(
    {
        "elementwise", "identity", "view", "permute", "slice", "split", "select", "expand", "repeat", "cat",
        "stack", "scatter", "number", "maximum", "flip", "roll", "pad", "gather", "unfold",
    }
)  # fmt: skip


_JOINS = frozenset({"elementwise", "maximum", "cat", "stack", "scatter"})
_REPEATS = frozenset({"expand", "repeat", "view", "permute", "identity"})


def lookups(measured: Measured, behaving: Collection[str] = ()) -> tuple[Node, ...]:
    """Find the live nodes that read a table by the image, or compare the image with a table.

    A table is what does not depend on the image: parameters, buffers, constants and what is computed from
    them alone, or together with less of the image than it has numbers. It is read by its indices, by a choice
    between its parts, and by steps that multiply it; steps may multiply the weights of a layer, which are
    trained. `behaving` are nodes that were found to make steps by what they do.
    """
    of_image, steps, tables = set(measured.graph.inputs), set[str](), set[str]()
    found = []
    for node in measured.flow.nodes:
        reads = data_reads(node)
        if of_image.isdisjoint(reads):
            continue
        if _carries_a_table(measured, node, of_image - tables, tables):
            tables.add(node.name)
        of_image.add(node.name)
        if (
            node.name in behaving
            or makes_steps(node)
            or (OPS.get(node.op) in FOLLOWED and not steps.isdisjoint(reads))
        ):
            steps.add(node.name)
        beside = of_image - tables
        if _is_lookup(measured, node, beside) or _is_choice(measured, node, beside, steps):
            found.append(node)
    return tuple(found)


def chosen_from(measured: Measured) -> tuple[Node, ...]:
    """List the live nodes that would choose from a table, if what multiplies it made steps."""
    names = {node.name for node in measured.nodes}
    return tuple(node for node in measured.nodes if _is_choice(measured, node, names, names))


def _is_lookup(measured: Measured, node: Node, of_image: set[str]) -> bool:
    name = short_name(node.op)
    if name in _READERS:
        return node.refs[0] not in of_image
    if name in COMPARISONS:
        return _stored(measured, node.refs, of_image) > MOST_COMPARED
    return False


def makes_steps(node: Node) -> bool:
    """Return whether an operator, by its name, makes steps of smooth values."""
    name = short_name(node.op).rstrip("_")
    dtype = node.arg(1, "dtype")
    is_cast = name == "to" and isinstance(dtype, Special) and "float" not in dtype.value
    return name in _STEPS or is_cast or node.arg(2, "rounding_mode") in ("floor", "trunc")


# Private functions


def _carries_a_table(measured: Measured, node: Node, of_image: set[str], tables: set[str]) -> bool:
    """Return whether a node joins a table of more numbers with what it gets of an image, or passes one on."""
    if OPS.get(node.op) not in FOLLOWED:
        return False
    fixed = [ref for ref in node.refs if ref not in of_image and not _is_trained(measured, ref)]
    if tables.isdisjoint(fixed) and OPS.get(node.op) not in _JOINS:
        return False
    joined = [_smallest(measured, ref) for ref in node.refs if ref in of_image]
    return _stored(measured, fixed, of_image) > max([MOST_COMPARED, *joined])


def _smallest(measured: Measured, name: str) -> int:
    """Count the numbers that a value of one image has, before they were repeated."""
    least = _numbers(measured, name)
    while (node := measured.by_name.get(name)) is not None and OPS.get(node.op) in _REPEATS:
        name = node.refs[0]
        least = min(least, _numbers(measured, name))
    return least


def _is_choice(measured: Measured, node: Node, of_image: set[str], steps: set[str]) -> bool:
    """Return whether a part of a table is chosen by the image."""
    name = short_name(node.op)
    if OPS.get(node.op) == "attention":
        memory = [ref for ref in node.refs[1:] if not _comes_from_trained(measured, ref)]
        return _stored(measured, memory, of_image) > MOST_COMPARED
    if name == "where":
        options = [arg.ref for arg in node.args[1:] if isinstance(arg, Ref)]
        return _stored(measured, options, of_image) > MOST_COMPARED
    if name in _CHOOSES and not steps.isdisjoint(node.refs):
        fixed = [ref for ref in node.refs if not _is_trained(measured, ref)]
        return _stored(measured, fixed, of_image) > MOST_COMPARED
    return False


def _is_trained(measured: Measured, name: str) -> bool:
    """Return whether a value is a trainable parameter itself."""
    tensor = measured.architecture.tensor(measured.graph, name)
    return tensor is not None and tensor.trainable


def _comes_from_trained(measured: Measured, name: str) -> bool:
    """Return whether a value is computed from a trainable parameter, or is one."""
    return any(_is_trained(measured, ref) for ref in measured.leading_to(name))


def _stored(measured: Measured, names: Collection[str], of_image: set[str]) -> int:
    """Count the numbers of the largest of some values that come from stored tensors alone."""
    counts = [_numbers(measured, ref) for ref in names if ref not in of_image and _is_read(measured, ref)]
    return max(counts, default=0)


def _is_read(measured: Measured, name: str) -> bool:
    """Return whether a value holds stored numbers, not ones that are made from nothing."""
    return not measured.leading_to(name).isdisjoint(measured.graph.bindings)


def _numbers(measured: Measured, name: str) -> int:
    return prod(size for size in measured.shapes.get(name, ()) if isinstance(size, int))
