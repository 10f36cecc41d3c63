"""The effect of operators that only move elements on a field of view: views, permutations, slices, copies."""

from dataclasses import replace
from functools import reduce
from typing import Any

from harness.graph.ir import Node
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.field import Call, Field
from harness.graph.receptive_field.layout import (
    Dimension,
    Layout,
    Shape,
    Unmeasurable,
    is_mixed,
    permuted_order,
    places,
    reshaped,
    resized,
)
from harness.graph.receptive_field.mixing import merged
from harness.graph.receptive_field.span import coarsened, shifted, transposed, windowed


def viewed(call: Call) -> Field:
    """Follow a reshape, flatten, squeeze or unsqueeze."""
    field = call.first()
    layout = field.known_layout()
    name = short_name(call.node.op).rstrip("_")
    if name == "unsqueeze":
        position = call.node.arg(1, "dim") % (len(layout) + 1)
        return replace(field, layout=(*layout[:position], (), *layout[position:]))
    if name == "squeeze":
        return replace(field, layout=_squeezed(call, layout))
    new, split = reshaped(layout, call.shape_of(call.node.args[0]), call.shape)
    spans = {axis: coarsened(field.span(axis), count) for axis, count in split.items()}
    return field.seeing(spans, new)


def permuted(call: Call) -> Field:
    """Reorder the dimensions."""
    field = call.first()
    layout = field.known_layout()
    order = permuted_order(call.node, len(layout))
    return replace(field, layout=tuple(layout[i] for i in order))


def sliced(call: Call) -> Field:
    """Return the field of a range of positions; a step along h or w raises the jump."""
    dimension = call.node.arg(1, "dim", 0)
    start, step = call.node.arg(2, "start", 0), call.node.arg(4, "step", 1)
    if short_name(call.node.op) == "narrow":
        step = 1
    return _cut(call.first(), dimension, start or 0, step, call.shape)


def selected(call: Call) -> Field:
    """Return the field of one position of a dimension, which is then gone."""
    return _picked(call.first(), call.node.arg(1, "dim"))


def item(call: Call) -> Field:
    """Return the field of one result of an operator that has several; of a split, the part at its offset."""
    source = call.nodes.get(call.node.refs[0])
    field = call.first()
    if source is None or OPS.get(source.op) != "split":
        return field
    dimension = source.arg(2, "dim", 0)
    if short_name(source.op) == "unbind":
        return _picked(field, source.arg(1, "dim", 0))
    rank = len(field.known_layout())
    size = call.shape_of(source.args[0])[dimension % rank]
    start = _offset(source, call.node.args[1], size)
    return _cut(field, dimension, start, 1, call.shape)


def expanded(call: Call) -> Field:
    """Repeat dimensions of size 1 without copying them; they have no place before or after."""
    if short_name(call.node.op) == "broadcast_tensors":
        raise Unmeasurable("it has several results")
    field = call.first()
    layout = ((),) * (len(call.shape) - len(field.known_layout())) + field.known_layout()
    if not field.axes and not any(map(is_mixed, layout)):
        # One value for all positions: what is repeated is the same everywhere.
        sizes = zip(layout, call.shape, strict=True)
        layout = tuple(d or ((("c", n),) if isinstance(n, int) and n > 1 else ()) for d, n in sizes)
    return replace(field, layout=layout)


def repeated(call: Call) -> Field:
    """Repeat along channels or batch; repeating rows or columns has no one field of view."""
    field = call.first()
    layout = ((),) * (len(call.shape) - len(field.known_layout())) + field.known_layout()
    before = ((1,) * len(layout) + tuple(call.shape_of(call.node.args[0])))[-len(layout) :]
    new = [
        dimension if old == size else resized(dimension, size)
        for dimension, old, size in zip(layout, before, call.shape, strict=True)
    ]
    if any(places(d) and d != n for d, n in zip(layout, new, strict=True)):
        raise Unmeasurable("it repeats rows or columns")
    return replace(field, layout=tuple(new))


def flipped(call: Call) -> Field:
    """Mirror dimensions without place; a mirrored map sees the other end of the image."""
    field = call.first()
    layout = field.known_layout()
    if short_name(call.node.op) != "flip":
        raise Unmeasurable("it mirrors the map")
    dimensions = [d % len(layout) for d in call.node.arg(1, "dims")]
    if any(places(layout[d]) for d in dimensions):
        raise Unmeasurable("it mirrors the map")
    return field


def rolled(call: Call) -> Field:
    """Shift positions around; like padding, what comes in at the border does not count."""
    field = call.first()
    layout = field.known_layout()
    shifts, dimensions = call.node.arg(1, "shifts"), call.node.arg(2, "dims", [])
    if not dimensions:
        raise Unmeasurable("it shifts across all dimensions")
    for shift, dimension in zip(_list(shifts), _list(dimensions), strict=True):
        held = places(layout[dimension])
        if len(held) > 1:
            raise Unmeasurable("it shifts rows and columns laid end to end")
        size = call.shape[dimension]
        for axis in held:
            if isinstance(size, int):
                # Around the border and back: the shorter way counts, and all the way around is none.
                shift = (shift + (size - 1) // 2) % size - (size - 1) // 2
            field = field.seeing({axis: shifted(field.span(axis), -shift)})
    return field


def concatenated(call: Call) -> Field:
    """Return the field of maps one behind the other along channels: the union of their fields."""
    name = short_name(call.node.op)
    tensors = call.node.arg(0, "tensors")
    rank = len(call.shape)
    default = {"hstack": 1, "vstack": 0, "dstack": 2}.get(name, 0)
    dimension = (call.node.arg(1, "dim", default) if name.startswith("c") else default) % rank
    fields = [field for t in tensors if (field := call.field(t)) is not None]
    if any(places(field.known_layout()[dimension]) for field in fields):
        return _beside(call, tensors, dimension)
    local = [field for field in fields if field.is_map] or fields
    call.sees_all = len(local) < len(fields)
    joined = reduce(merged, local)
    layout = joined.known_layout()
    new = resized(layout[dimension], call.shape[dimension]) if dimension else layout[dimension]
    if new and _are_parts(local):
        new = tuple(("m", size) for _, size in new)
    return replace(joined, layout=(*layout[:dimension], new, *layout[dimension + 1 :]))


def stacked(call: Call) -> Field:
    """Return the field of tensors behind each other along a new dimension: the union of their fields."""
    tensors = call.node.arg(0, "tensors")
    position = call.node.arg(1, "dim", 0) % len(call.shape)
    fields = [field for t in tensors if (field := call.field(t)) is not None]
    joined = reduce(merged, fields)
    layout = joined.known_layout()
    new: Dimension = (("m" if _are_parts(fields) else "c", len(tensors)),) if len(tensors) > 1 else ()
    return replace(joined, layout=(*layout[:position], new, *layout[position:]))


def scattered(call: Call) -> Field:
    """Return the field of a value written over a slice or a position of another: padding, and the union."""
    base, part = call.field(call.node.arg(0, "self")), call.field(call.node.arg(1, "src"))
    rank = len(call.shape)
    dimension = call.node.arg(2, "dim", 0) % rank
    is_slice = short_name(call.node.op) == "slice_scatter"
    start, step = call.node.arg(3, "start" if is_slice else "index", 0) or 0, 1
    if is_slice:
        step = call.node.arg(5, "step", 1)
    is_whole = (
        is_slice and part is not None and call.shape_of(call.node.args[1])[dimension] == call.shape[dimension]
    )
    if isinstance(call.shape[dimension], str) and not is_whole:
        raise Unmeasurable("it changes some images of the batch")
    if part is None:
        return call.first()
    if not is_slice:
        layout = part.known_layout()
        part = replace(part, layout=(*layout[:dimension], (), *layout[dimension:]))
    placed = part if is_whole else _placed(part, dimension, start, step, call.shape[dimension])
    return placed if base is None else merged(base, placed)


def gathered(call: Call) -> Field:
    """Return the field of channels picked by a fixed list; rows or columns by a list are not followed."""
    field = call.first()
    layout = field.known_layout()
    name = short_name(call.node.op)
    if name == "index_select":
        indexed, indices = [call.node.arg(1, "dim") % len(layout)], [call.node.arg(2, "index")]
    elif name == "index":
        given = call.node.arg(1, "indices")
        indexed = [i for i, index in enumerate(given) if index is not None]
        indices = [given[i] for i in indexed]
    else:
        raise Unmeasurable("it picks elements by their place")
    if len(indexed) != 1 or call.field(indices[0]) is not None or places(layout[indexed[0]]):
        raise Unmeasurable("it picks rows or columns")
    if len(call.shape) != len(layout):
        raise Unmeasurable("it picks by a table")
    position = indexed[0]
    new = resized(layout[position], call.shape[position])
    return replace(field, layout=(*layout[:position], new, *layout[position + 1 :]))


# Private functions


def _cut(field: Field, dimension: int, start: int, step: int, shape: Shape) -> Field:
    layout = field.known_layout()
    position = dimension % len(layout)
    here, size = layout[position], shape[position]
    if isinstance(size, str):
        return field
    new = resized(here, size) if here else here
    for axis in places(here):
        if new == here and step == 1:
            continue
        before = dict(here)[axis] or 0
        first = start + before if start < 0 else start
        field = field.seeing({axis: windowed(shifted(field.span(axis), first), kernel=1, stride=step)})
    return replace(field, layout=(*layout[:position], new, *layout[position + 1 :]))


def _placed(part: Field, dimension: int, start: int, step: int, size: int | str) -> Field:
    """Return the field of a part at its place along a dimension of the whole, `size` long."""
    layout = part.known_layout()
    here = layout[dimension]
    held = places(here)
    if held and start < 0:
        raise Unmeasurable("it counts rows or columns from the end")
    if not here:
        # Rows put in one by one would add up to a map.
        new: Dimension = (("c" if part.is_map else "m", int(size)),)
    else:
        new = resized(here, size)
    spans = {
        axis: transposed(part.span(axis), kernel=1, stride=step, padding=-start, dilation=1) for axis in held
    }
    return part.seeing(spans, (*layout[:dimension], new, *layout[dimension + 1 :]))


def _picked(field: Field, dimension: int) -> Field:
    layout = field.known_layout()
    position = dimension % len(layout)
    return replace(field, layout=(*layout[:position], *layout[position + 1 :]))


def _offset(source: Node, index: Any, size: int | str) -> int:
    """Count the positions before the part of a split that is taken."""
    name, how = short_name(source.op), source.arg(1, "split_size")
    if not isinstance(index, int) or index < 0 or isinstance(size, str):
        raise Unmeasurable("which part it takes is not fixed")
    if isinstance(how, list):
        return sum(how[:index])
    if name == "split":
        return int(how) * index
    count = int(source.arg(1, "chunks", how))
    if name == "chunk":
        return -(-size // count) * index
    return index * (size // count) + min(index, size % count)


def _squeezed(call: Call, layout: Layout) -> Layout:
    sizes = call.shape_of(call.node.args[0])
    given = call.node.arg(1, "dim")
    chosen = {d % len(layout) for d in _list(given)} if given is not None else set(range(len(layout)))
    result: list[Dimension] = []
    for position, dimension in enumerate(layout):
        if position not in chosen or sizes[position] != 1:
            result.append(dimension)
        elif dimension and result:
            # A map of one position stays a map, laid out behind the dimension before it.
            result[-1] = (*result[-1], *dimension)
    return tuple(result)


def _are_parts(fields: list[Field]) -> bool:
    """Return whether tensors may be rows or columns taken one by one, which together are a map again."""
    return len(fields) > 1 and any(len(field.axes) < len("hw") for field in fields)


def _beside(call: Call, tensors: list[Any], dimension: int) -> Field:
    """Return the field of a map with constants before or behind it, which is padding."""
    seen = [(i, field) for i, t in enumerate(tensors) if (field := call.field(t)) is not None]
    if len(seen) != 1:
        raise Unmeasurable("it puts maps side by side")
    index, field = seen[0]
    layout = field.known_layout()
    before = sum(int(call.shape_of(t)[dimension]) for t in tensors[:index])
    new = resized(layout[dimension], call.shape[dimension])
    spans = {axis: shifted(field.span(axis), -before) for axis in places(layout[dimension])}
    return field.seeing(spans, (*layout[:dimension], new, *layout[dimension + 1 :]))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
