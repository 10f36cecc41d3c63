"""Equal forms of operators that CUDA has no repeatable kernel for: same arguments, values and gradients.

`torch.nn.functional` chooses such forms for some of them; the operators of a graph are below that choice.
Every form is a product with matrices, an index, a gather or a scatter, whose gradients torch's strict mode
computes in a fixed order. `harness.graph.cuda` says of every operator why, and what is run in its place.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch

from harness.graph.cuda import REPLACED

_ATEN = torch.ops.aten
_PLANE_DIMENSIONS = 4

Call = Callable[..., Any]


def equal_form(op: str, device: torch.device) -> Call | None:
    """Find what is run in place of an operator on `device`; None where that is the operator itself.

    On a CPU only what strict mode refuses there as well is replaced.
    """
    refused = op == "aten.max_unpool2d.default" and device.type == "cpu"
    return _FORMS[op] if op in REPLACED and (refused or device.type == "cuda") else None


# Private functions


def _upsampled(op: Call, dims: int) -> Call:
    def run(
        x: torch.Tensor,
        output_size: Sequence[int] | None,
        align_corners: bool,  # noqa: FBT001 - the operator's own arguments
        scale_factors: Sequence[float] | None = None,
    ) -> torch.Tensor:
        def along(axis: int) -> tuple[Any, ...]:
            size = None if output_size is None else _only(output_size, axis, dims)
            scale = None if scale_factors is None else _only(scale_factors, axis, dims)
            return size, align_corners, scale

        return _times_matrices(op, x, [along(axis) for axis in range(dims)])

    return run


def _adaptive_average(op: Call, dims: int) -> Call:
    def run(x: torch.Tensor, output_size: Sequence[int]) -> torch.Tensor:
        if set(output_size) == {1}:  # a mean
            averaged: torch.Tensor = op(x, output_size)
            return averaged
        return _times_matrices(op, x, [(_only(output_size, axis, dims),) for axis in range(dims)])

    return run


def _average_of_volumes(
    x: torch.Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,  # noqa: FBT001, FBT002 - the operator's own arguments
    count_include_pad: bool = True,  # noqa: FBT001, FBT002
    divisor_override: int | None = None,
) -> torch.Tensor:
    kernel = _each(kernel_size, 3)
    steps, pads = _each(stride or kernel, 3), _each(padding, 3)
    along = [
        (
            _only(kernel, axis, 3),
            _only(steps, axis, 3),
            _only(pads, axis, 3, rest=0),
            ceil_mode,
            count_include_pad,
            divisor_override and 1,
        )
        for axis in range(3)
    ]
    pooled = _times_matrices(_ATEN.avg_pool3d.default, x, along)
    return pooled / divisor_override if divisor_override else pooled


def _times_matrices(op: Call, x: torch.Tensor, along: Sequence[tuple[Any, ...]]) -> torch.Tensor:
    """Apply an operator that is linear and acts on each of the last axes apart from the others.

    `along` has, axis by axis, its arguments for a tensor whose last axis is that one, and which has a single
    place along all others. Sums are in float32 at least, as in the operator's own kernels.
    """
    wide = x if x.dtype == torch.float64 else x.float()
    with torch.autocast(x.device.type, enabled=False):
        for number, args in enumerate(along):
            axis = number - len(along)
            matrix = _matrix(op, len(along), x.shape[axis], args, x.device, wide.dtype)
            wide = (wide.movedim(axis, -1) @ matrix).movedim(-1, axis)
    return _laid_out_as(x, wide.to(x.dtype))


@lru_cache(maxsize=256)
def _matrix(
    op: Call,
    dims: int,
    size: int,
    args: tuple[Any, ...],
    device: torch.device,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Ask the operator itself, on a CPU, what it makes of each place of an axis: (size, size after)."""
    places = torch.eye(size, dtype=torch.float64)
    with torch.no_grad():
        # Along the last axis: over one column, torch 2.14 makes other values with antialiasing.
        made = op(places.reshape(size, 1, *[1] * (dims - 1), size), *args)
    return made.reshape(size, -1).to(device, dtype)  # type: ignore[no-any-return]


def _padded(
    x: torch.Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> torch.Tensor:
    if mode not in {"reflect", "replicate"}:
        filled: torch.Tensor = _ATEN.pad.default(x, pad, mode, value)
        return filled
    out = x
    for number, sides in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        if any(sides):
            axis = -1 - number
            out = out.index_select(axis, _source_of(x.shape[axis], sides, mode, x.device))
    return _laid_out_as(x, out)


@lru_cache(maxsize=256)
def _source_of(size: int, sides: tuple[int, int], mode: str, device: torch.device) -> torch.Tensor:
    """Find the place that each of a padded axis is copied from."""
    places = torch.arange(size, dtype=torch.float64).reshape(1, 1, size)
    return _ATEN.pad.default(places, sides, mode).reshape(-1).long().to(device)  # type: ignore[no-any-return]


def _picked(op: Call, dims: int) -> Call:
    """Gather the maxima by the indices that the operator gives, over its last `dims` axes."""

    def run(x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        _, places = op(x.detach(), *args, **kwargs)
        found = x.flatten(-dims).gather(-1, places.flatten(-dims)).reshape(places.shape)
        return _laid_out_as(places, found), places

    return run


def _maximum_of_volumes(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    maxima: torch.Tensor = _picked(_ATEN.max_pool3d_with_indices.default, 3)(x, *args, **kwargs)[0]
    return maxima


def _unpooled(x: torch.Tensor, indices: torch.Tensor, output_size: Sequence[int]) -> torch.Tensor:
    height, width = output_size
    empty = x.new_zeros(*x.shape[:-2], height * width)
    filled = empty.scatter(-1, indices.flatten(-2), x.flatten(-2))
    return _laid_out_as(x, filled.reshape(*x.shape[:-2], height, width))


def _kth(
    x: torch.Tensor,
    k: int,
    dim: int = -1,
    keepdim: bool = False,  # noqa: FBT001, FBT002 - the operator's own arguments
) -> tuple[torch.Tensor, torch.Tensor]:
    return _at_rank(x, dim, lambda nans: torch.full_like(nans, k - 1), keepdim=keepdim)


def _median(
    x: torch.Tensor,
    dim: int,
    keepdim: bool = False,  # noqa: FBT001, FBT002
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the lower one of two in the middle; the first that is not a number, where there is one."""
    size = x.shape[dim]
    return _at_rank(x, dim, lambda nans: torch.where(nans > 0, size - nans, (size - 1) // 2), keepdim=keepdim)


def _median_of_numbers(
    x: torch.Tensor,
    dim: int,
    keepdim: bool = False,  # noqa: FBT001, FBT002
) -> tuple[torch.Tensor, torch.Tensor]:
    size = x.shape[dim]
    return _at_rank(x, dim, lambda nans: ((size - nans - 1) // 2).clamp(min=0), keepdim=keepdim)


def _at_rank(
    x: torch.Tensor, dim: int, rank: Callable[[torch.Tensor], torch.Tensor], *, keepdim: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the element of a rank along `dim`, and its index; `rank` is told how many are not a number."""
    ordered, order = torch.sort(x, dim=dim, stable=True)  # what is not a number comes last
    place = rank(x.isnan().sum(dim, keepdim=True))
    found = ordered.gather(dim, place), order.gather(dim, place)
    return found if keepdim else (found[0].squeeze(dim), found[1].squeeze(dim))


def _taken(x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return x.reshape(-1)[index]


def _reduced(
    x: torch.Tensor,
    dim: int,
    index: torch.Tensor,
    src: torch.Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> torch.Tensor:
    """Multiply one factor after another in; every other way to reduce is repeatable by itself."""
    if reduce != "prod":
        reduced: torch.Tensor = _ATEN.scatter_reduce.two(
            x, dim, index, src, reduce, include_self=include_self
        )
        return reduced
    out = x if include_self else x.scatter(dim, index, 1.0)
    factors = src[tuple(slice(size) for size in index.shape)]
    for place, factor in zip(torch.split(index, 1, dim), torch.split(factors, 1, dim), strict=True):
        out = out.scatter(dim, place, out.gather(dim, place) * factor)
    return out


def _in_two_rows(op: Call) -> Call:
    """Run a scan without the kernel for a single row, which adds blocks in the order they end in."""

    def run(x: torch.Tensor, dim: int, **kwargs: Any) -> Any:
        if x.ndim == 0 or x.numel() != x.shape[dim]:
            return op(x, dim, **kwargs)
        return op(torch.stack((x, x)), dim % x.ndim + 1, **kwargs)[0]

    return run


def _product(x: torch.Tensor, *, dtype: torch.dtype | None = None) -> torch.Tensor:
    return x.reshape(1, -1).expand(2, -1).prod(1, dtype=dtype)[0]


def _sampled(
    x: torch.Tensor,
    grid: torch.Tensor,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool,  # noqa: FBT001 - the operator's own arguments
) -> torch.Tensor:
    settings = interpolation_mode, padding_mode, align_corners
    if x.ndim != _PLANE_DIMENSIONS:  # without a form: `harness.graph.cuda.not_on_cuda`
        volumes: torch.Tensor = _ATEN.grid_sampler.default(x, grid, *settings)
        return volumes
    op = torch._decomp.decomposition_table[_ATEN.grid_sampler_2d.default]
    # The nearest place does not depend on the grid; the operator has zeros for its gradient, and not none.
    nothing = grid.masked_fill(torch.ones_like(grid, dtype=torch.bool), 0).sum()
    sampled: torch.Tensor = op(x, grid, *settings) + nothing
    return sampled.contiguous()


def _only(values: Sequence[Any], axis: int, dims: int, rest: int = 1) -> tuple[Any, ...]:
    """Return the last axis with the value of one; all others have a single place, and keep it."""
    return (*[rest] * (dims - 1), values[axis])


def _each(values: Sequence[int], dims: int) -> tuple[int, ...]:
    return tuple(values) * (dims if len(values) == 1 else 1)


def _laid_out_as(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Convert a result to the layout that the operator would give it: channels last where `x` is."""
    is_last = x.ndim == _PLANE_DIMENSIONS and not x.is_contiguous()
    if is_last and x.is_contiguous(memory_format=torch.channels_last):
        return out.contiguous(memory_format=torch.channels_last)
    return out.contiguous()


_FORMS: Mapping[str, Call] = {
    "aten.adaptive_avg_pool1d.default": _adaptive_average(_ATEN.adaptive_avg_pool1d.default, 1),
    "aten.adaptive_avg_pool2d.default": _adaptive_average(_ATEN.adaptive_avg_pool2d.default, 2),
    "aten.adaptive_avg_pool3d.default": _adaptive_average(_ATEN.adaptive_avg_pool3d.default, 3),
    "aten.avg_pool3d.default": _average_of_volumes,
    "aten.upsample_linear1d.vec": _upsampled(_ATEN.upsample_linear1d.vec, 1),
    "aten.upsample_bilinear2d.vec": _upsampled(_ATEN.upsample_bilinear2d.vec, 2),
    "aten.upsample_bicubic2d.vec": _upsampled(_ATEN.upsample_bicubic2d.vec, 2),
    "aten._upsample_bilinear2d_aa.vec": _upsampled(_ATEN._upsample_bilinear2d_aa.vec, 2),
    "aten._upsample_bicubic2d_aa.vec": _upsampled(_ATEN._upsample_bicubic2d_aa.vec, 2),
    "aten.pad.default": _padded,
    "aten.adaptive_max_pool1d.default": _picked(_ATEN.adaptive_max_pool1d.default, 1),
    "aten.adaptive_max_pool2d.default": _picked(_ATEN.adaptive_max_pool2d.default, 2),
    "aten.adaptive_max_pool3d.default": _picked(_ATEN.adaptive_max_pool3d.default, 3),
    "aten.max_pool3d.default": _maximum_of_volumes,
    "aten.max_pool3d_with_indices.default": _picked(_ATEN.max_pool3d_with_indices.default, 3),
    "aten.fractional_max_pool2d.default": _picked(_ATEN.fractional_max_pool2d.default, 2),
    "aten.fractional_max_pool3d.default": _picked(_ATEN.fractional_max_pool3d.default, 3),
    "aten.max_unpool2d.default": _unpooled,
    "aten.median.dim": _median,
    "aten.nanmedian.dim": _median_of_numbers,
    "aten.kthvalue.default": _kth,
    "aten.take.default": _taken,
    "aten.scatter_reduce.two": _reduced,
    "aten.cumprod.default": _in_two_rows(_ATEN.cumprod.default),
    "aten.logcumsumexp.default": _in_two_rows(_ATEN.logcumsumexp.default),
    "aten.prod.default": _product,
    "aten.grid_sampler.default": _sampled,
}
