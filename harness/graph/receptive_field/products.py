"""The effect of matrix products on a field of view: linear layers, Einstein sums, attention."""

from collections.abc import Iterable
from functools import reduce
from typing import Any

from harness.graph.operators import short_name
from harness.graph.receptive_field.field import Call, Field
from harness.graph.receptive_field.layout import (
    Dimension,
    Layout,
    Unmeasurable,
    computed,
    letters,
    places,
    resized,
)
from harness.graph.receptive_field.mixing import merged

_MATRICES = {"matmul": 0, "mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1}
"""Products of two matrices, and which argument is the first of them."""


def linear(call: Call) -> Field:
    """Multiply the last dimension by a matrix; rows and columns in it are seen as a whole."""
    if call.field(call.node.arg(1, "weight")) is not None:
        raise Unmeasurable("its weights are computed from the image")
    field = call.first()
    layout = field.known_layout()
    _refuse_images(layout[-1])
    return field.laid_out((*layout[:-1], computed(call.shape[-1], layout[-1])))


def multiplied(call: Call) -> Field:
    """Multiply matrices: sums over the last dimension of one and the next to last of the other."""
    name = short_name(call.node.op)
    if name == "tensordot":
        return _along_dimensions(call)
    if name not in _MATRICES:
        raise Unmeasurable("which dimensions it sums over is not followed")
    first = _MATRICES[name]
    if first and call.field(call.node.args[0]) is not None:
        raise Unmeasurable("it adds a product to what depends on the image")
    left, right = call.node.args[first], call.node.args[first + 1]
    ranks = len(call.shape_of(left)), len(call.shape_of(right))
    if min(ranks) < 2:
        raise Unmeasurable("it multiplies by a vector")
    rank = len(call.shape)
    batch = [chr(ord("A") + i) for i in range(rank - 2)]
    terms = [[*batch[rank - ranks[0] :], "i", "k"], [*batch[rank - ranks[1] :], "k", "j"]]
    return _contracted(call, [left, right], terms, [*batch, "i", "j"])


def einsummed(call: Call) -> Field:
    """Follow an Einstein sum letter by letter."""
    equation = str(call.node.args[0]).replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    if not arrow or "." in equation:
        raise Unmeasurable("its equation is not written out")
    tensors: Any = call.node.args[1]
    return _contracted(call, tensors, [list(term) for term in inputs.split(",")], list(output))


def attended(call: Call) -> Field:
    """Return the field of attention: every query looks at the whole image, which adds nothing."""
    query = call.first()
    layout = query.known_layout()
    call.sees_all = bool(query.axes)
    return query.laid_out((*layout[:-1], resized(layout[-1], call.shape[-1])))


# Private functions


def _along_dimensions(call: Call) -> Field:
    """Sum products over the dimensions that ``tensordot`` names, of either tensor."""
    tensors: list[Any] = [call.node.args[0], call.node.args[1]]
    ranks = [len(call.shape_of(tensor)) for tensor in tensors]
    terms = [[f"{side}{i}" for i in range(rank)] for side, rank in zip("ab", ranks, strict=True)]
    for one, other in zip(call.node.arg(2, "dims_self"), call.node.arg(3, "dims_other"), strict=True):
        terms[1][other] = terms[0][one]
    shared = set(terms[0]) & set(terms[1])
    return _contracted(
        call, tensors, terms, [letter for letter in (*terms[0], *terms[1]) if letter not in shared]
    )


def _contracted(call: Call, tensors: list[Any], terms: list[list[str]], output: list[str]) -> Field:
    held: dict[str, Dimension] = {}
    fields: list[Field] = []
    for tensor, term in zip(tensors, terms, strict=True):
        field = call.field(tensor)
        if field is None:
            continue
        fields.append(field)
        for letter, dimension in zip(term, field.known_layout(), strict=True):
            _hold(held, letter, dimension)
    summed = [dimension for letter, dimension in held.items() if letter not in output]
    _refuse_images(*summed)
    new = tuple(
        held.get(letter) or computed(size, *summed) for letter, size in zip(output, call.shape, strict=True)
    )
    call.sees_all = any(places(held[letter]) for letter in held if letter not in output)
    return _seen_by(fields, new)


def _refuse_images(*summed: Dimension) -> None:
    if any(letter == "n" for dimension in summed for letter, _ in dimension):
        raise Unmeasurable("it adds up images of the batch")


def _hold(held: dict[str, Dimension], letter: str, dimension: Dimension) -> None:
    known = held.get(letter)
    if known and dimension and places(known) != places(dimension):
        raise Unmeasurable("it matches rows with columns or channels")
    held[letter] = known or dimension


def _seen_by(fields: Iterable[Field], layout: Layout) -> Field:
    """Select the fields that hold the result's axes; others were summed over and add nothing."""
    axes = letters(layout) & {"h", "w"}
    local = [f for f in fields if axes <= f.axes] if axes else list(fields)
    if not local:
        raise Unmeasurable("it joins rows of one tensor with columns of another")
    return reduce(merged, [field.laid_out(layout) for field in local])
