"""Random numbers of a stream, in the distributions that networks draw from; equal bits on every device.

Only integer arithmetic, exact sums and products, and tables made on the CPU: a logarithm is rounded in
another way on another device.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch

from harness.training.chance.philox import Stream

_HALF_WORD = 2**16
_FEW_BITS = 1 / 128
"""A probability no closer to 0 or 1 is right to 0.1 % in 16 bits, of which a word has two."""
_DIGITS = {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}


def kept(stream: Stream, shape: Sequence[int], p: float, device: torch.device) -> torch.Tensor:
    """Return a bool tensor of `shape`, False with probability `p`, element by element.

    The elements of maps (N, C, H, W) are counted in the order (N, H, W, C) in which a network has them in
    memory, of other tensors in their own.
    """
    if p >= 1:
        return torch.zeros(shape, dtype=torch.bool, device=device)
    order = (0, 2, 3, 1) if len(shape) == 4 else tuple(range(len(shape)))
    flat = _at_least(stream, math.prod(shape), p, device)
    back = [order.index(i) for i in range(len(order))]
    return flat.view([shape[i] for i in order]).permute(back)


def uniform(stream: Stream, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return numbers in [0, 1), multiples of the last digit that `dtype` has below 1."""
    if dtype.is_complex:
        return torch.view_as_complex(uniform(stream, (*shape, 2), dtype.to_real(), device))
    digits = _DIGITS.get(dtype, 24)
    count = math.prod(shape)
    high = stream.words(count, device) >> 1 & 2**31 - 1
    if digits <= 31:
        return ((high >> 31 - digits).to(torch.float32) * 0.5**digits).to(dtype).view(shape)
    low = stream.other(1).words(count, device) >> 10 & 2**22 - 1
    return (high.to(dtype) * 2.0**22 + low.to(dtype)).mul_(0.5**53).view(shape)


def normal(stream: Stream, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return numbers of mean 0 and standard deviation 1, each the sum of two over the root of 2."""
    if dtype.is_complex:
        return torch.view_as_complex(normal(stream, (*shape, 2), dtype.to_real(), device)) * math.sqrt(0.5)
    one, other = _halves(stream.words(math.prod(shape), device))
    table = _normal_quantiles(device)
    found = table.index_select(0, one).add_(table.index_select(0, other))
    return found.mul_(math.sqrt(0.5)).to(dtype).view(shape)


def exponential(
    stream: Stream, shape: Sequence[int], dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Return numbers of mean 1, above 0: how often a half is halved in a row, and what lies between."""
    high, low = _halves(stream.words(math.prod(shape), device))
    halved = 16 - torch.frexp(high.to(torch.float32) + 0.5).exponent
    table = _exponential_quantiles(device)
    found = halved.to(torch.float32).mul_(math.log(2)).add_(table.index_select(0, low))
    return found.to(dtype).view(shape)


def integers(stream: Stream, low: int, high: int, shape: Sequence[int], device: torch.device) -> torch.Tensor:
    """Return int64 in [`low`, `high`)."""
    count = math.prod(shape)
    upper = stream.words(count, device).to(torch.int64) & 2**31 - 1
    lower = stream.other(1).words(count, device).to(torch.int64) & 2**32 - 1
    return (((upper << 32) | lower) % min(high - low, 2**63 - 1) + low).view(shape)


# Private functions


def _at_least(stream: Stream, count: int, p: float, device: torch.device) -> torch.Tensor:
    """Return (count,) bool: whether a number of 16 or 32 bits reaches the share `p` of all there are."""
    if _FEW_BITS <= p <= 1 - _FEW_BITS:
        words = stream.words(-(-count // 2), device).view(torch.int16)[:count]
        return words >= round(p * 2**16) - 2**15
    return stream.words(count, device) >= min(round(p * 2**32) - 2**31, 2**31 - 1)


def _halves(words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Split words (count,) into two indices in [0, 2**16)."""
    return words >> 16 & _HALF_WORD - 1, words & _HALF_WORD - 1


@cache
def _normal_quantiles(device: torch.device) -> torch.Tensor:
    quantiles = torch.special.ndtri(_middles())
    return _rounded(quantiles / quantiles.std(correction=0)).to(device)


@cache
def _exponential_quantiles(device: torch.device) -> torch.Tensor:
    # Down to the half; what lies beyond is the same again, so many halves further.
    return _rounded(-torch.log1p(-_middles() / 2)).to(device)


def _middles() -> torch.Tensor:
    return (torch.arange(_HALF_WORD, dtype=torch.float64) + 0.5) / _HALF_WORD


def _rounded(table: torch.Tensor) -> torch.Tensor:
    """Round to 20 binary digits: sums are exact, and another processor's last digits do not matter."""
    return (torch.round(table * 2**20) / 2**20).to(torch.float32)
