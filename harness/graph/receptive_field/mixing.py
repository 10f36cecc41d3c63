"""The effect of operators that combine values on a field of view: arithmetic, sums, normalisation."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from harness.graph.ir import Node
from harness.graph.operators import short_name
from harness.graph.receptive_field.field import Call, Field
from harness.graph.receptive_field.layout import (
    Dimension,
    Layout,
    Unmeasurable,
    is_mixed,
    letters,
    places,
    resized,
)
from harness.graph.receptive_field.span import Span, pointed, union

# Where an operator names the dimensions it works along, when not in second place.
_DIMENSION_ARGUMENT = {
    "linalg_vector_norm": 2, "norm": 2, "quantile": 2, "nanquantile": 2, "kthvalue": 2, "topk": 2,
    "cosine_similarity": 2, "aminmax": 9,
}  # fmt: skip
# Overloads that reduce everything have no name of their own.
_ALL_BY_DEFAULT = frozenset(
    {
        "mean", "sum", "nansum", "var", "std", "prod", "all", "any", "max", "min", "median", "nanmedian",
        "count_nonzero", "var_mean", "std_mean", "trace",
    }
)  # fmt: skip
_LAST_BY_DEFAULT = frozenset({"kthvalue", "topk", "mode", "sort", "argsort"})


def combined(call: Call) -> Field:
    """Combine element by element; an argument without the result's rows or columns adds nothing."""
    rank = len(call.shape)
    fields = [_raised(field, rank) for name in call.node.refs if (field := call.fields.get(name)) is not None]
    axes = frozenset().union(*(field.axes for field in fields))
    local = [f for f in fields if not axes or (f.axes == axes and not _is_spread(call, f))]
    if not local:
        call.sees_all = True
        return _spread_out(call, _crossed(fields))
    call.sees_all = len(local) < len(fields)
    return _spread_out(call, reduce(merged, local))


def merged(a: Field, b: Field) -> Field:
    """Unite two fields of one layout.

    Raises:
        Unmeasurable: rows and columns do not lie along the same dimensions, or their jumps differ.
    """
    layout = _overlaid(a.known_layout(), b.known_layout())
    spans: dict[str, Span] = {}
    for axis in "hw":
        one, other = a.span(axis), b.span(axis)
        if axis not in a.axes | b.axes:
            # Seen as a whole: there is no next position, so the jump means nothing any more.
            other = replace(other, jump=one.jump)
        both = union(one, other)
        if both is None:
            raise Unmeasurable("it combines maps of different jumps")
        spans[axis] = both
    return replace(a.seeing(spans, layout), unknown=a.unknown or b.unknown)


def halved(call: Call) -> Field:
    """Scale one half of a dimension by the other; halves of rows or columns are far apart."""
    field = call.first()
    layout = field.known_layout()
    position = call.node.arg(1, "dim", -1) % len(layout)
    if places(layout[position]) or is_mixed(layout[position]):
        raise Unmeasurable("it combines one half of the rows or columns with the other")
    new = resized(layout[position], call.shape[position])
    return replace(field, layout=(*layout[:position], new, *layout[position + 1 :]))


def normalised(call: Call) -> Field:
    """Return the field of a normalisation; statistics over rows and columns add nothing to it."""
    field = call.first()
    name = short_name(call.node.op)
    if name in ("group_norm", "instance_norm"):
        is_fixed = name == "instance_norm" and not call.node.arg(5, "use_input_stats", default=True)
        call.sees_all = bool(field.axes) and not is_fixed
    else:
        rank = len(call.node.arg(1, "normalized_shape"))
        call.sees_all = any(places(d) for d in field.known_layout()[-rank:])
    return field


def kept(call: Call) -> Field:
    """Return the field of an operator that keeps every element in its place: activation, dropout, copy."""
    return call.first()


def reduced(call: Call) -> Field:
    """Compute one number from many; an axis summed over has been looked at as a whole."""
    field = _all_inputs(call)
    layout = field.known_layout()
    dimensions = reduced_dimensions(call.node, len(layout))
    keeps = short_name(call.node.op) == "topk" or _keeps(call, layout, dimensions)
    left: Dimension = (("c", 2),) if short_name(call.node.op) == "topk" else ()
    new = tuple(
        left if position in dimensions else dimension
        for position, dimension in enumerate(layout)
        if keeps or position not in dimensions
    )
    return field.laid_out(new)


def softmaxed(call: Call) -> Field:
    """Divide by a sum; over rows or columns it looks at the whole image and adds nothing."""
    field = call.first()
    layout = field.known_layout()
    along = layout[call.node.arg(1, "dim", -1) % len(layout)]
    call.sees_all = any(letter in "hw" and size != 1 for letter, size in along)
    return field


def ordered(call: Call) -> Field:
    """Sort or accumulate along a dimension; along rows or columns no place is left."""
    field = call.first()
    layout = field.known_layout()
    along = [layout[d] for d in reduced_dimensions(call.node, len(layout))]
    if any(places(d) or is_mixed(d) for d in along):
        raise Unmeasurable("it runs along rows or columns")
    return field


def reduced_dimensions(node: Node, rank: int) -> frozenset[int]:
    """Read which dimensions an operator works along; all of them when it names none."""
    name = short_name(node.op)
    if name == "msort":
        return frozenset({0})
    if name in _ALL_BY_DEFAULT and node.op.endswith(".default"):
        return frozenset(range(rank))
    given = node.arg(_DIMENSION_ARGUMENT.get(name, 1), "dim")
    if given is None and name in _LAST_BY_DEFAULT:
        given = -1
    if given is None or given == []:
        return frozenset(range(rank))
    return frozenset(d % rank for d in (given if isinstance(given, list) else [given]))


# Private functions


def _keeps(call: Call, layout: Layout, dimensions: frozenset[int]) -> bool:
    """Return whether a reduction keeps its dimensions, from the shape of its result."""
    shape = call.node.shape
    if shape is not None:
        return len(shape) == len(layout) and bool(dimensions)
    keyword = call.node.kwargs.get("keepdim")
    return bool(call.node.args and call.node.args[-1] is True) if keyword is None else bool(keyword)


def _all_inputs(call: Call) -> Field:
    fields = [field for name in call.node.refs if (field := call.fields.get(name)) is not None]
    if len(fields) > 1:
        return combined(_as_elementwise(call))
    return call.first()


def _as_elementwise(call: Call) -> Call:
    """Return a reduction of two tensors as their elementwise combination, which comes first."""
    node = call.node.model_copy(update={"shape": call.shape_of(call.node.args[0])})
    return Call(node, call.fields, call.shapes, call.nodes)


def _spread_out(call: Call, field: Field) -> Field:
    """Return the field with the dimensions that a stored tensor gives a value: m beside rows or columns.

    A product with an identity, summed over rows afterwards, would move them there.
    """
    layout, rank = list(field.known_layout()), len(call.shape)
    stored = [call.shapes.get(name, ()) for name in call.node.refs if name not in call.fields]
    letter = "m" if field.axes or any(map(is_mixed, layout)) else "c"
    for i, size in enumerate(call.shape):
        varies = any(len(s) >= rank - i and s[i - rank] not in (1, "batch") for s in stored)
        if not layout[i] and isinstance(size, int) and size > 1 and varies:
            layout[i] = ((letter, size),)
    return replace(field, layout=tuple(layout))


def _raised(field: Field, rank: int) -> Field:
    layout = field.known_layout()
    if len(layout) > rank:
        raise Unmeasurable("its result has fewer dimensions than its arguments")
    return replace(field, layout=((),) * (rank - len(layout)) + layout)


def _is_spread(call: Call, field: Field) -> bool:
    """Return whether a map of one position is spread over a larger one."""
    for dimension, size in zip(field.known_layout(), call.shape, strict=True):
        if any(letter in "hw" and positions == 1 != size for letter, positions in dimension):
            return True
    return False


def _overlaid(a: Layout, b: Layout) -> Layout:
    if len(a) != len(b):
        raise Unmeasurable("it combines tensors of different rank")
    result: list[Dimension] = []
    for one, other in zip(a, b, strict=True):
        if places(one) != places(other):
            raise Unmeasurable("it combines rows with columns or channels")
        # Of two ways to divide channels the one with more to tell is kept, and what is mixed stays so.
        result.append(max(one, other, key=lambda d: (is_mixed(d), len(d))) if one and other else one or other)
    return tuple(result)


def _crossed(fields: Sequence[Field]) -> Field:
    """Join rows of one value with columns of another: each position has looked at a whole row and column.

    That adds nothing beside the position itself.

    Raises:
        Unmeasurable: one of them is a map of one position, spread over a larger one.
    """
    by_axes = {axis: [f for f in fields if f.axes == {axis}] for axis in "hw"}
    if not all(by_axes.values()) or any(len(f.axes) > 1 for f in fields):
        raise Unmeasurable("it combines rows of one map with columns of another")
    rows, columns = (reduce(merged, by_axes[axis]) for axis in "hw")
    layout = tuple(
        one or other for one, other in zip(rows.known_layout(), columns.known_layout(), strict=True)
    )
    if any(len(letters((d,)) & {"h", "w"}) > 1 for d in layout):
        raise Unmeasurable("it combines rows of one map with columns of another")
    return Field(layout, pointed(rows.h), pointed(columns.w), rows.unknown or columns.unknown)
