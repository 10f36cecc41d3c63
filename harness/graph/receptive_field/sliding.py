"""The effect of windows on a field of view: convolutions, pools, padding, interpolation, unfolding."""

from collections.abc import Callable
from dataclasses import replace

from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.field import Call, Field
from harness.graph.receptive_field.layout import (
    IMAGE,
    Dimension,
    Layout,
    Unmeasurable,
    computed,
    extent,
    is_mixed,
    is_only,
    of_shape,
    places,
)
from harness.graph.receptive_field.span import (
    Span,
    coarsened,
    refined,
    resampled,
    shifted,
    transposed,
    windowed,
)
from harness.graph.receptive_field.window import Window, each, window_of

SLIDES_OVER_MIXED = "it slides along what was computed from several rows or columns"


def convolved(call: Call) -> Field:
    """Slide a convolution; weights computed from the image have no fixed field of view."""
    weight = call.node.arg(1, "weight")
    if call.field(weight) is not None:
        raise Unmeasurable("its weights are computed from the image")
    window = window_of(call.node, call.shape_of(weight))
    source = anchored(call, window.rank)
    layout = list(source.known_layout())
    channel = len(layout) - window.rank - 1
    before = call.shape_of(call.node.args[0])
    covered = [
        layout[channel + 1 + i] for i, k in enumerate(window.kernel) if 1 < k == before[channel + 1 + i]
    ]
    layout[channel] = computed(call.shape[channel], layout[channel], *covered)
    # A convolution adds up its channels: an axis of the image laid out there is seen as a whole.
    return _slid(call, source.laid_out(tuple(layout)), window)


def pooled(call: Call) -> Field:
    """Slide a pool; one that covers the whole map is a global pool."""
    if short_name(call.node.op).startswith("fractional"):
        raise Unmeasurable("its windows are chosen at random")
    window = window_of(call.node, None)
    return _slid(call, anchored(call, window.rank), window, covers=True)


def adaptively_pooled(call: Call) -> Field:
    """Divide each axis into windows; into one is a global pool."""
    rank = int(short_name(call.node.op)[-2])
    field = anchored(call, rank)
    layout = field.known_layout()
    sizes = each(call.node.arg(1, "output_size"), rank, None)
    for offset, wanted in enumerate(sizes):
        dimension = len(layout) - rank + offset
        before = call.shape_of(call.node.args[0])[dimension]
        if wanted is None or wanted == before != 1:
            continue
        if not isinstance(before, int) or before % wanted:
            raise Unmeasurable("its windows differ in size")
        step = before // wanted
        change = _bound(windowed, kernel=step, stride=step)
        field = _along(field, dimension, wanted, change, covers=wanted == 1)
    return field


def padded(call: Call) -> Field:
    """Pad or, with a negative number, crop; pairs of numbers from the last dimension on."""
    field = call.first()
    pairs = [int(p) for p in call.node.arg(1, "pad")]
    rank = len(call.shape)
    for index in range(0, len(pairs), 2):
        dimension = rank - 1 - index // 2
        if pairs[index] or pairs[index + 1]:
            change = _bound(shifted, positions=-pairs[index])
            size = call.shape[dimension]
            if not field.known_layout()[dimension] and isinstance(size, int) and size > 1:
                # Rows taken one by one, each padded to its place, would add up to a map.
                field = replace(field, layout=_with(field.known_layout(), dimension, (("m", size),)))
                continue
            field = _along(field, dimension, size, change)
    return field


def interpolated(call: Call) -> Field:
    """Interpolate to another size: an upper bound of the field of view, exact when the size stays."""
    taps = {"upsample_nearest": 1, "_upsample_nearest": 1, "upsample_linear": 2, "upsample_bilinear": 2}
    name = short_name(call.node.op)
    count = next((n for prefix, n in taps.items() if name.startswith(prefix)), 4)
    if name.endswith("_aa") or not name.startswith(("upsample", "_upsample")):
        raise Unmeasurable("where it looks is not fixed")
    rank = int(name.removesuffix("d")[-1])
    field = anchored(call, rank)
    for dimension in range(len(call.shape) - rank, len(call.shape)):
        before, after = call.shape_of(call.node.args[0])[dimension], call.shape[dimension]
        if not isinstance(before, int) or not isinstance(after, int):
            raise Unmeasurable("it resizes the batch")
        if before == 1 < after:
            # One position, spread over a larger map, is the same everywhere.
            field = field.laid_out(_with(field.known_layout(), dimension, ()))
            continue
        change = _resampling(before, after, count)
        field = _along(field, dimension, after, change)
    return field


def unfolded(call: Call) -> Field:
    """Cut one dimension into windows, which become a new last dimension."""
    field = call.first()
    layout = field.known_layout()
    dimension = call.node.arg(1, "dimension") % len(layout)
    size, step = call.node.arg(2, "size"), call.node.arg(3, "step")
    letter = "k" if places(layout[dimension]) else "c"
    result = _along(field, dimension, call.shape[dimension], lambda s: windowed(s, kernel=size, stride=step))
    return replace(result, layout=(*result.known_layout(), ((letter, size),)))


def unfolded_to_columns(call: Call) -> Field:
    """Cut a map into windows: (N, C, H, W) to (N, C * k * k, L)."""
    field = anchored(call, 2)
    layout = field.known_layout()
    kernel, dilation, padding, stride = (
        each(call.node.arg(i + 1, name), 2, None)
        for i, name in enumerate(("kernel_size", "dilation", "padding", "stride"))
    )
    if not all(is_only(layout[2 + i], axis) for i, axis in enumerate("hw")):
        raise Unmeasurable("its input is not a map")
    sizes, spans = [], {}
    for i, axis in enumerate("hw"):
        reach = dilation[i] * (kernel[i] - 1)
        sizes.append((axis, (extent(layout, axis) + 2 * padding[i] - reach - 1) // stride[i] + 1))
        spans[axis] = windowed(
            field.span(axis),
            kernel=kernel[i],
            stride=stride[i],
            padding=padding[i],
            dilation=dilation[i],
        )
    channels = (*layout[1], ("k", kernel[0]), ("k", kernel[1]))
    return field.seeing(spans, (layout[0], channels, tuple(sizes)))


def shuffled(call: Call) -> Field:
    """Move pixels to channels (pixel-unshuffle) or channels to pixels (pixel-shuffle)."""
    field = anchored(call, 2)
    layout = field.known_layout()
    factor: int = call.node.arg(1, "factor")
    down = short_name(call.node.op) == "pixel_unshuffle"
    change = coarsened if down else refined
    for dimension in (len(layout) - 2, len(layout) - 1):
        field = _along(field, dimension, call.shape[dimension], lambda s: change(s, factor))
    channel = len(layout) - 3
    moved: Dimension = (*layout[channel], ("k", factor), ("k", factor))
    new = moved if down else computed(call.shape[channel], layout[channel])
    return replace(field, layout=_with(field.known_layout(), channel, new))


def anchored(call: Call, rank: int) -> Field:
    """Return the first argument's field; a map whose layout was lost is (N, C, H, W) by its use."""
    field = call.first()
    if field.layout is None and rank == 2:
        shape = call.shape_of(call.node.args[0])
        if len(shape) == len(IMAGE):
            return replace(field, layout=of_shape(shape, IMAGE))
    return field


# Private functions


def _slid(call: Call, field: Field, window: Window, *, covers: bool = False) -> Field:
    first = len(field.known_layout()) - window.rank
    is_transposed = OPS[call.node.op] == "conv_transpose"
    for i in range(window.rank):
        kernel, stride = window.kernel[i], window.stride[i]
        padding, dilation = window.padding[i], window.dilation[i]
        size = call.shape[first + i]
        if (kernel, stride, padding) == (1, 1, 0):
            continue
        before = call.shape_of(call.node.args[0])[first + i]
        is_global = covers and size == 1 and kernel == before and padding == 0
        slide = transposed if is_transposed else windowed
        change = _bound(slide, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
        field = _along(field, first + i, size, change, covers=is_global)
    return field


def _along(
    field: Field, dimension: int, size: int | str, change: Callable[[Span], Span], *, covers: bool = False
) -> Field:
    """Change the span of the axis that a dimension holds, and the dimension's size.

    `covers` takes the axis out of the layout: the window covered it.
    """
    layout = field.known_layout()
    here = layout[dimension]
    held = places(here)
    if is_mixed(here):
        raise Unmeasurable(SLIDES_OVER_MIXED)
    if not held:
        return replace(field, layout=_with(layout, dimension, _sized(here, size)))
    if covers and held == {letter for letter, _ in here}:
        return field.laid_out(_with(layout, dimension, ()))
    if len(here) > 1 or not isinstance(size, int):
        raise Unmeasurable("it slides along rows and columns laid end to end")
    (axis,) = held
    new: Dimension = () if covers else ((axis, size),)
    return field.seeing({axis: change(field.span(axis))}, _with(layout, dimension, new))


def _sized(dimension: Dimension, size: int | str) -> Dimension:
    if not dimension or isinstance(size, str):
        return dimension
    return (("k" if any(letter == "k" for letter, _ in dimension) else dimension[0][0], size),)


def _bound(function: Callable[..., Span], **arguments: int) -> Callable[[Span], Span]:
    return lambda span: function(span, **arguments)


def _resampling(before: int, after: int, taps: int) -> Callable[[Span], Span]:
    if taps == 1 and after % before == 0:
        return lambda span: refined(span, after // before)
    if taps == 1 and before % after == 0:
        return lambda span: windowed(span, kernel=1, stride=before // after)
    return lambda span: resampled(span, before=before, after=after, taps=taps)


def _with(layout: Layout, position: int, dimension: Dimension) -> Layout:
    return (*layout[:position], dimension, *layout[position + 1 :])
