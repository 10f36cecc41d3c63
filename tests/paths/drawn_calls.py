"""Calls of operators that are drawn: no two equal elements, sizes that do not divide, both layouts."""

import math
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import assume
from hypothesis import strategies as st

Drawn = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of one call."""


def distinct(draw: Any, *shape: int) -> torch.Tensor:
    """Draw a tensor without ties, of four dimensions in either layout."""
    seed = draw(st.integers(0, 2**16))
    order = torch.randperm(math.prod(shape), generator=torch.Generator().manual_seed(seed))
    x = (order.double() / len(order) + 0.25).reshape(shape)
    return x.contiguous(memory_format=torch.channels_last) if len(shape) == 4 and draw(st.booleans()) else x


def sizes(draw: Any, count: int, least: int = 3, most: int = 7) -> list[int]:
    return draw(st.lists(st.integers(least, most), min_size=count, max_size=count))


def resized(dims: int) -> Callable[[Any], Drawn]:
    def arguments(draw: Any) -> Drawn:
        x = distinct(draw, draw(st.integers(1, 2)), 2, *sizes(draw, dims))
        aligned = draw(st.booleans())
        if draw(st.booleans()):
            return (x, sizes(draw, dims, 1, 13), aligned, None), {}
        return (x, None, aligned, [draw(st.floats(0.4, 2.5)) for _ in range(dims)]), {}

    return arguments


def smoothed(draw: Any) -> Drawn:
    """Resize with antialiasing: not to one column, nor by a factor that changes no size.

    Torch's kernel for a CPU makes other values of the one, and of the other a gradient that is not its slope.
    """
    (x, size, aligned, scales), _ = resized(2)(draw)
    after = size or [math.floor(n * by) for n, by in zip(x.shape[2:], scales, strict=True)]
    assume(after[1] > 1 and all(n != m for n, m in zip(x.shape[2:], after, strict=True)))
    return (x, size, aligned, scales), {}


def adaptive(dims: int) -> Callable[[Any], Drawn]:
    return lambda draw: ((distinct(draw, 2, 2, *sizes(draw, dims)), sizes(draw, dims, 1, 9)), {})


def average_of_volumes(draw: Any) -> Drawn:
    kernel = sizes(draw, 3, 1, 3)
    padding = [draw(st.integers(0, side // 2)) for side in kernel]
    flags = draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from([None, 5]))
    return (distinct(draw, 2, 2, *sizes(draw, 3, 4)), kernel, sizes(draw, 3, 1, 3), padding, *flags), {}


def maximum_of_volumes(draw: Any) -> Drawn:
    kernel = sizes(draw, 3, 1, 3)
    padding = [draw(st.integers(0, side // 2)) for side in kernel]
    dilation = [draw(st.integers(1, 2)) for _ in range(3)]
    x = distinct(draw, 2, 2, *sizes(draw, 3, 5))
    return (x, kernel, sizes(draw, 3, 1, 3), padding, dilation, draw(st.booleans())), {}


def padded(draw: Any) -> Drawn:
    dims = draw(st.integers(1, 3))
    mode = draw(st.sampled_from(["reflect", "replicate", "constant", "circular"]))
    sides = draw(st.lists(st.integers(0, 2), min_size=2 * dims, max_size=2 * dims))
    return (distinct(draw, 2, 2, *sizes(draw, dims)), sides, mode), {}


def fractional(dims: int) -> Callable[[Any], Drawn]:
    def arguments(draw: Any) -> Drawn:
        samples = distinct(draw, 2, 3, dims).sub(0.25).contiguous()
        return (distinct(draw, 2, 3, *sizes(draw, dims, 5)), [2] * dims, sizes(draw, dims, 2, 3), samples), {}

    return arguments


def unpooled(draw: Any) -> Drawn:
    height, width = sizes(draw, 2, 4, 9)
    maxima, places = torch.nn.functional.max_pool2d(
        distinct(draw, 2, 3, height, width), 2, return_indices=True
    )
    return (maxima.detach(), places, [height, width]), {}


def ranked(*before: int) -> Callable[[Any], Drawn]:
    def arguments(draw: Any) -> Drawn:
        x = distinct(draw, *sizes(draw, draw(st.integers(1, 4)), 1, 6))
        return (x, *before, draw(st.integers(-x.ndim, x.ndim - 1)), draw(st.booleans())), {}

    return arguments


def taken(draw: Any) -> Drawn:
    index = draw(st.lists(st.integers(-24, 23), min_size=6, max_size=6))
    return (distinct(draw, 2, 3, 2, 2), torch.tensor(index).reshape(2, 3)), {}


def reduced(draw: Any) -> Drawn:
    shape, dim = sizes(draw, 3, 1, 4), draw(st.integers(-3, 2))
    into = [size if place == dim % 3 else shape[place] for place, size in enumerate(sizes(draw, 3, 1, 4))]
    places = draw(
        st.lists(st.integers(0, into[dim] - 1), min_size=math.prod(shape), max_size=math.prod(shape))
    )
    reduce = draw(st.sampled_from(["prod", "sum", "mean", "amax", "amin"]))
    return (
        (distinct(draw, *into), dim, torch.tensor(places).reshape(shape), distinct(draw, *shape), reduce),
        {"include_self": draw(st.booleans())},
    )


def scanned(draw: Any) -> Drawn:
    shape = draw(st.sampled_from([[7], [1, 7], [3, 1], [2, 3, 4]]))
    return (distinct(draw, *shape), draw(st.integers(-len(shape), len(shape) - 1))), {}


def multiplied(draw: Any) -> Drawn:
    x = distinct(draw, 2, 3)
    x[0, 0] *= draw(st.integers(0, 1))
    return (x,), {}


def sampled(draw: Any) -> Drawn:
    grid = distinct(draw, 2, *sizes(draw, 2, 1, 5), 2).contiguous() * 2.6 - 1.95
    mode, padding = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    return (distinct(draw, 2, 3, *sizes(draw, 2)), grid, mode, padding, draw(st.booleans())), {}


DRAWN: dict[str, Callable[[Any], Drawn]] = {
    "aten.adaptive_avg_pool1d.default": adaptive(1),
    "aten.adaptive_avg_pool2d.default": adaptive(2),
    "aten.adaptive_avg_pool3d.default": adaptive(3),
    "aten.avg_pool3d.default": average_of_volumes,
    "aten.upsample_linear1d.vec": resized(1),
    "aten.upsample_bilinear2d.vec": resized(2),
    "aten.upsample_bicubic2d.vec": resized(2),
    "aten._upsample_bilinear2d_aa.vec": smoothed,
    "aten._upsample_bicubic2d_aa.vec": smoothed,
    "aten.pad.default": padded,
    "aten.adaptive_max_pool1d.default": adaptive(1),
    "aten.adaptive_max_pool2d.default": adaptive(2),
    "aten.adaptive_max_pool3d.default": adaptive(3),
    "aten.max_pool3d.default": maximum_of_volumes,
    "aten.max_pool3d_with_indices.default": maximum_of_volumes,
    "aten.fractional_max_pool2d.default": fractional(2),
    "aten.fractional_max_pool3d.default": fractional(3),
    "aten.max_unpool2d.default": unpooled,
    "aten.median.dim": ranked(),
    "aten.nanmedian.dim": ranked(),
    "aten.kthvalue.default": ranked(1),
    "aten.take.default": taken,
    "aten.scatter_reduce.two": reduced,
    "aten.cumprod.default": scanned,
    "aten.logcumsumexp.default": scanned,
    "aten.prod.default": multiplied,
    "aten.grid_sampler.default": sampled,
}
