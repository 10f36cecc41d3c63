"""The cost of a network for one image: multiply-adds, and bytes that its values take at the same time."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from harness.graph.flow import data_reads
from harness.graph.ir import Architecture, Node, Ref
from harness.graph.operators import MAY_SHARE, OPS, short_name
from harness.graph.receptive_field.engine import Measured, measure
from harness.graph.receptive_field.layout import MALFORMED, Shape

_BYTES = {
    "bool": 1, "uint8": 1, "int8": 1, "int16": 2, "float16": 2, "bfloat16": 2, "int64": 8, "float64": 8,
    "complex64": 8, "complex128": 16,
}  # fmt: skip
_MULTIPLIES = frozenset({"conv", "conv_transpose", "linear", "matmul", "einsum", "attention"})
_COMPUTES = frozenset({"recurrent", "frequency", "linalg"})
"""Families whose multiply-adds no formula here counts."""
_PRODUCTS = frozenset(
    {
        "bilinear", "cdist", "cross", "linalg_cross", "kron", "pairwise_distance", "cosine_similarity",
        "trapezoid", "cumulative_trapezoid", "addbmm", "outer", "addr",
    }
)  # fmt: skip
"""Products besides, whose multiply-adds no formula here counts."""
_BY_ELEMENT = frozenset({"mul", "multiply", "div", "divide", "true_divide", "addcmul", "addcdiv", "lerp"})
"""Products and quotients of values of one place."""
_WITH_ADDEND = frozenset({"addmm", "baddbmm", "addmv"})

_ITEM = "operator.getitem"

Sizes = tuple[int, ...]


def bytes_of(shape: Shape, dtype: str | None) -> int:
    """Count the bytes of a tensor; a dtype that is not known is taken for float32."""
    return math.prod(size for size in shape if isinstance(size, int)) * _BYTES.get(dtype or "", 4)


def sizes_of_one(measured: Measured, name: str) -> Sizes | None:
    """Return the shape of a value for a batch of one image; None where it is not known."""
    shape = measured.shapes.get(name)
    field = measured.fields.get(name)
    layout = field.layout if field is not None else None
    if shape is None:
        return None
    found = []
    for place, size in enumerate(shape):
        if isinstance(size, int):
            found.append(size)
        elif layout is not None and len(layout) == len(shape):
            found.append(math.prod(part or 1 for _, part in layout[place]))
        elif size == measured.graph.input_shape[0]:
            found.append(1)
        else:
            found.append(0)
    return _completed(measured, name, found)


def multiply_adds(measured: Measured) -> Mapping[str, int | None]:
    """Count the multiply-adds of each live operator that multiplies, for one image; None where not known.

    A convolution has (channels in / groups) x kernel of them for each number that it makes, a transposed
    one (channels out / groups) x kernel for each that it reads, a product as many for each number that it
    makes as it sums over, one of two tensors by element a single one. Everything else (normalisation,
    activation, pools, sums) has none.
    """
    found: dict[str, int | None] = {}
    for node in measured.flow.nodes:
        family = OPS.get(node.op)
        if family is None or family in _COMPUTES or short_name(node.op) in _PRODUCTS:
            found[node.name] = None
        elif _multiplies(measured, node):
            try:
                found[node.name] = _multiply_adds(measured, node)
            except MALFORMED:
                found[node.name] = None
    return found


def million_multiply_adds(architecture: Architecture) -> float:
    """Return the million multiply-adds of one image in the training graph; what is not known has none."""
    counts = multiply_adds(measure(architecture, architecture.train)).values()
    return sum(count or 0 for count in counts) / 1e6


@dataclass(frozen=True)
class Memory:
    """The most bytes that values take at the same time, and where; `unknown` has no size that is known."""

    most: int
    where: Node | None = None
    unknown: Node | None = None


def largest_memory(measured: Measured) -> Memory:
    """Return the most bytes that the values of one image take at the same time.

    The operators run in the order of the graph. A value is kept until the last that reads it has run, the
    image too; stored tensors are not counted. What shares another value's memory (a reshape) takes none.
    """
    image, nodes = measured.graph.inputs[0], measured.flow.nodes
    root = _roots(measured)
    made = _results(measured, root)
    last = {root[ref]: position for position, node in enumerate(nodes) for ref in node.refs if ref in root}
    last[root.get(measured.flow.output, image)] = len(nodes)
    held = {image: bytes_of(measured.graph.input_shape, "float32")}
    found = Memory(sum(held.values()))
    for position, node in enumerate(nodes):
        for value in made.get(node.name, ()):
            sizes = sizes_of_one(measured, value.name)
            if sizes is None:
                return Memory(found.most, found.where, unknown=value)
            held[value.name] = bytes_of(sizes, value.dtype)
        if sum(held.values()) > found.most:
            found = Memory(sum(held.values()), node)
        held = {name: size for name, size in held.items() if last.get(name, -1) > position}
    return found


# Private functions


def _completed(measured: Measured, name: str, sizes: list[int]) -> Sizes | None:
    """Fill in one size that is not known (0) from what the value is computed from; None where that fails."""
    if 0 not in sizes:
        return tuple(sizes)
    node = measured.by_name.get(name)
    before = next((ref for ref in data_reads(node) if ref in measured.fields), None) if node else None
    source = sizes_of_one(measured, before) if before else None
    if node is None or before is None or source is None or sizes.count(0) > 1:
        return None
    if OPS.get(node.op) == "view":
        missing = math.prod(source) // math.prod(size for size in sizes if size)
    else:
        open_ = [n for n, said in zip(source, measured.shapes[before], strict=False) if isinstance(said, str)]
        missing = open_[0] if len(open_) == 1 else 0
    return tuple(size or missing for size in sizes) if missing else None


def _roots(measured: Measured) -> Mapping[str, str]:
    """Map every live value and the image to the one whose memory it takes."""
    root = {measured.graph.inputs[0]: measured.graph.inputs[0]}
    for node in measured.flow.nodes:
        shared = next((name for name in node.refs if name in root), None)
        is_result = node.op == _ITEM and root.get(shared or "") == shared
        is_view = shared is not None and node.op in MAY_SHARE and not is_result
        root[node.name] = root[shared] if is_view and shared is not None else node.name
    return root


def _results(measured: Measured, root: Mapping[str, str]) -> Mapping[str, list[Node]]:
    """List what each operator makes in memory of its own; of several results, those that are used."""
    made = defaultdict[str, list[Node]](list)
    for node in measured.flow.nodes:
        if root[node.name] == node.name and node.shape is not None:
            made[node.refs[0] if node.op == _ITEM else node.name].append(node)
    return made


def _multiplies(measured: Measured, node: Node) -> bool:
    """Return whether a node is a product: of matrices, or by element of a value of the image and a tensor."""
    name = short_name(node.op).rstrip("_")
    if OPS.get(node.op) != "elementwise":
        return OPS.get(node.op) in _MULTIPLIES or name == "inner"
    return name in _BY_ELEMENT and len(node.refs) > 1 and node.name in measured.fields


def _multiply_adds(measured: Measured, node: Node) -> int | None:
    made = sizes_of_one(measured, node.name)
    operands = [sizes_of_one(measured, name) for name in data_reads(node)]
    known = [sizes for sizes in operands if sizes is not None]
    if made is None or len(known) < len(operands):
        return None
    weight = [size for size in measured.weight_shape(node) if isinstance(size, int)]
    match OPS[node.op]:
        case "conv":
            return math.prod(made) * math.prod(weight[1:])
        case "conv_transpose":
            return math.prod(known[0]) * math.prod(weight[1:])
        case "linear":
            return math.prod(made) * math.prod(weight[-1:])
        case "attention":
            return _of_attention(known)
        case "einsum":
            return _of_einsum(node, known)
        case "elementwise":
            return math.prod(made)
        case _:
            return _of_product(measured, node, made)


def _of_product(measured: Measured, node: Node, made: Sizes) -> int | None:
    """Count those of a matrix product: the inner dimension for each number that is made."""
    name = short_name(node.op)
    first = node.args[1 if name in _WITH_ADDEND else 0]
    sizes = sizes_of_one(measured, first.ref) if isinstance(first, Ref) else None
    if not sizes:
        return None
    if name == "tensordot":
        over: list[int] = node.arg(2, "dims_self")
        return math.prod(made) * math.prod(sizes[dimension] for dimension in over)
    return math.prod(made) * sizes[-1]


def _of_attention(operands: list[Sizes]) -> int | None:
    """Count those of softmax(q k) v: as many for the weights as for the sums."""
    query, key, value = operands[:3]
    if min(len(query), len(key), len(value)) < 2:
        return None
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _of_einsum(node: Node, operands: list[Sizes]) -> int | None:
    """Count those of a contraction: the product of the sizes of all its letters."""
    equation = str(node.args[0]).replace(" ", "")
    terms = equation.partition("->")[0].split(",")
    if len(terms) != len(operands) or "." in equation:
        return None
    largest: dict[str, int] = {}
    for term, sizes in zip(terms, operands, strict=True):
        for letter, size in zip(term, sizes, strict=False):
            largest[letter] = max(size, largest.get(letter, 1))  # a size of 1 is repeated
    return math.prod(largest.values())
