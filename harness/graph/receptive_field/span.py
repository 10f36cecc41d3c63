"""The span that one position of a map sees of the image, along one axis, and how each layer changes it.

Position i of an axis sees the pixels from ``start + i * jump`` to ``start + i * jump + rf_px - 1``, all in
pixels of the input image. Padding is not cut off: the receptive field is that of a position far from
the border.

Source: A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill (2019), doi 10.23915/distill.00021; its l, r, delta are the recurrences of `windowed`.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from harness.graph.receptive_field.layout import Unmeasurable

Pixels = int | Fraction

LARGEST = 2**63
"""No size is larger, in pixels or in parts of one: a forged stride, again and again, would have no end."""


@dataclass(frozen=True, slots=True)
class Span:
    """Receptive field, jump (cumulative stride) and first pixel of position 0, in input pixels.

    `exact` is False where positions see fields of different sizes, as after interpolation; `rf_px` is
    then an upper bound.
    """

    rf_px: Pixels = 1
    jump: Pixels = 1
    start: Pixels = 0
    exact: bool = True

    def __post_init__(self) -> None:
        """Refuse what no computation on real images comes to.

        Raises:
            Unmeasurable: a number is beyond `LARGEST`.
        """
        for length in (self.rf_px, self.jump, self.start):
            if abs(length.numerator) > LARGEST or length.denominator > LARGEST:
                raise Unmeasurable("what it sees is too large to be measured")


ONE_PIXEL = Span()
"""A pixel of the image itself."""


def windowed(span: Span, *, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Span:
    """Slide a window: convolution, pool. rf += d(k-1)j, jump *= s, start -= pj."""
    return replace(
        span,
        rf_px=span.rf_px + dilation * (kernel - 1) * span.jump,
        jump=span.jump * stride,
        start=span.start - padding * span.jump,
    )


def transposed(span: Span, *, kernel: int, stride: int, padding: int, dilation: int) -> Span:
    """Transpose a convolution: position o gets input positions (o + p - d(k-1)) / s to (o + p) / s."""
    reach = dilation * (kernel - 1)
    step = _divided(span.jump, stride)
    return Span(
        rf_px=span.rf_px + reach * step,
        jump=step,
        start=span.start + (padding - reach) * step,
        exact=span.exact and stride == 1,
    )


def shifted(span: Span, positions: int) -> Span:
    """Drop leading positions; a negative number pads."""
    return replace(span, start=span.start + positions * span.jump)


def coarsened(span: Span, positions: int) -> Span:
    """Move groups of neighbouring positions elsewhere, as pixel-unshuffle does."""
    return windowed(span, kernel=positions, stride=positions)


def refined(span: Span, positions: int) -> Span:
    """Spread each position over several neighbours, as nearest-neighbour interpolation does."""
    step = _divided(span.jump, positions)
    spread = (positions - 1) * step
    return Span(span.rf_px + spread, step, span.start - spread, exact=span.exact and positions == 1)


def resampled(span: Span, *, before: int, after: int, taps: int) -> Span:
    """Interpolate with `taps` neighbours (1, 2 or 4); an upper bound, whatever the corners' alignment.

    Position o lies at o * before / after of the input, and with aligned corners up to one position less,
    or as many more as it is shrunk by; around that it reads half its neighbours to either side.
    """
    if before == after:
        return span
    step = _divided(span.jump * before, after)
    around = (taps + 1) // 2
    shrunk_by = Fraction(before, after) - 1
    before_it = (around + max(-shrunk_by, Fraction(0))) * span.jump
    behind_it = (around + max(shrunk_by, Fraction(0))) * span.jump
    return Span(
        rf_px=_divided(span.rf_px + before_it + behind_it, 1),
        jump=step,
        start=_divided(span.start - before_it, 1),
        exact=False,
    )


def whole(span: Span, positions: int) -> Span:
    """Return the span of a whole axis of `positions`, as a global pool sees it; rf += (n-1)j."""
    return replace(span, rf_px=span.rf_px + (positions - 1) * span.jump)


def pointed(span: Span) -> Span:
    """Return the span of the pixel in the middle alone."""
    return replace(span, rf_px=1, start=span.start + (span.rf_px - 1) // 2)


def union(a: Span, b: Span) -> Span | None:
    """Cover what either sees; None when their jumps differ, so that no one field describes both."""
    if a == b:
        return a
    if a.jump != b.jump:
        return None
    start = min(a.start, b.start)
    end = max(a.start + a.rf_px, b.start + b.rf_px)
    return Span(end - start, a.jump, start, exact=a.exact and b.exact)


def pixels(value: Pixels) -> int:
    """Round a length up to whole pixels."""
    return -int(-value // 1)


def _divided(value: Pixels, by: int) -> Pixels:
    quotient = Fraction(value) / by
    return quotient.numerator if quotient.denominator == 1 else quotient
