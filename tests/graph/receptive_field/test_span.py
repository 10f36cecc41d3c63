import math
from fractions import Fraction

import pytest

from harness.graph.receptive_field.span import (
    Span,
    coarsened,
    pixels,
    refined,
    resampled,
    transposed,
    union,
    whole,
    windowed,
)


def test_a_convolution_adds_dilation_times_kernel_less_one_times_jump():
    """At jump 4 a 3-wide kernel with dilation 2 reaches 2 * 2 * 4 = 16 px further, from 2 * 4 px before."""
    assert windowed(Span(15, 4, -3), kernel=3, padding=2, dilation=2) == Span(31, 4, -11)


def test_a_stride_multiplies_the_jump_after_the_window():
    assert windowed(Span(), kernel=3, stride=2, padding=1) == Span(3, 2, -1)


def test_a_transposed_convolution_of_stride_1_is_a_convolution():
    assert transposed(Span(), kernel=3, stride=1, padding=1, dilation=1) == Span(3, 1, -1)


def test_a_transposed_convolution_with_a_stride_gives_an_upper_bound():
    span = transposed(Span(1, 2, 0), kernel=2, stride=2, padding=0, dilation=1)
    assert (span.jump, span.exact) == (1, False)


def test_refining_divides_the_jump():
    assert refined(Span(3, 1, 0), 2).jump == Fraction(1, 2)


def read_by(position, before, after, taps, *, aligned):
    """First and last input position that torch reads: https://github.com/pytorch/pytorch, UpSample.h."""
    if taps == 1:
        nearest = position * before // after, (2 * position + 1) * before // (2 * after)
        return (nearest[aligned],) * 2
    ratio = Fraction(before - 1, after - 1) if aligned else Fraction(before, after)
    at = position * ratio if aligned else (position + Fraction(1, 2)) * ratio - Fraction(1, 2)
    return math.floor(at) - taps // 2 + 1, math.floor(at) + taps // 2


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("taps", [1, 2, 4])
@pytest.mark.parametrize(("before", "after"), [(16, 32), (8, 30), (32, 8), (32, 20), (7, 5)])
def test_interpolation_reads_nothing_beyond_its_upper_bound(before, after, taps, aligned):
    source = Span(9, 2, -3)
    bound = resampled(source, before=before, after=after, taps=taps)
    for position in range(after):
        first, last = read_by(position, before, after, taps, aligned=aligned)
        start = bound.start + position * bound.jump
        assert start <= source.start + first * source.jump
        assert source.start + last * source.jump + source.rf_px <= start + bound.rf_px


def test_coarsening_keeps_every_pixel_in_view():
    assert coarsened(Span(3, 2, -1), 2) == Span(5, 4, -1)


def test_a_global_pool_sees_from_the_first_position_to_the_last():
    assert whole(Span(55, 8), 4).rf_px == 79


def test_a_union_respects_alignment():
    """-1..1 and 0..4 are -1..4, six pixels."""
    assert union(Span(3, 1, -1), Span(5, 1, 0)) == Span(6, 1, -1)


def test_there_is_no_union_of_different_jumps():
    assert union(Span(3, 1), Span(3, 2)) is None


def test_pixels_round_up():
    assert (pixels(Fraction(5, 2)), pixels(3)) == (3, 3)
