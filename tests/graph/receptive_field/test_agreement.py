"""Two measurements that share no formula: spans through operators, and gradients of the linearised graph."""

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.graph.receptive_field.agreement import Extent, Extents, agreement
from harness.graph.view import View
from harness.training.probe.gradients import extents

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


def weights(architecture):
    draw = torch.Generator().manual_seed(0)
    return {t.name: torch.randn(t.shape, generator=draw) for t in architecture.tensors}


def compared(architecture):
    view = View(architecture, architecture.eval)
    return view, agreement(view, extents(view, weights(architecture)))


# What a random network is made of: each draws one stretch of a sketch and returns its last value.


def convolution(draw, sketch, x):
    channels = sketch.shapes[x][1]
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    groups = draw(st.sampled_from([1, channels]))
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    return sketch.conv(x, channels, k=kernel, s=stride, d=draw(PAIR), p=padding, g=groups)


def pool(draw, sketch, x):
    n, c, h, w = sketch.shapes[x]
    op = draw(st.sampled_from(["avg_pool2d", "max_pool2d"]))
    k, s = draw(st.integers(2, 3)), draw(st.integers(1, 2))
    p = draw(st.integers(0, 1))
    size = ((h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1)
    return sketch.call(op, x, [k, k], [s, s], [p, p], shape=(n, c, *size))


def residual(draw, sketch, x):
    channels = sketch.shapes[x][1]
    inner = sketch.conv(x, channels, k=3, d=draw(st.integers(1, 3)))
    inner = sketch.call("relu", inner)
    inner = sketch.conv(inner, channels, k=draw(st.sampled_from([1, 3, 5])))
    op = draw(st.sampled_from(["add.Tensor", "sub.Tensor", "mul.Tensor", "maximum"]))
    return sketch.call(op, x, inner)


def branches(draw, sketch, x):
    n, c, h, w = sketch.shapes[x]
    one = sketch.conv(x, c, k=(3, 1), d=draw(st.integers(1, 3)))
    other = sketch.conv(x, c, k=(1, 5))
    return sketch.call("cat", [one, other], 1, shape=(n, 2 * c, h, w))


def crop(draw, sketch, x):
    n, c, h, w = sketch.shapes[x]
    start, step = draw(st.integers(0, 3)), draw(st.integers(1, 2))
    rows = -(-(h - start) // step)
    return sketch.call("slice.Tensor", x, 2, start, 2**62, step, shape=(n, c, rows, w))


def pad(draw, sketch, x):
    n, c, h, w = sketch.shapes[x]
    left, top = draw(st.integers(-1, 2)), draw(st.integers(-1, 2))
    return sketch.call("constant_pad_nd", x, [left, 0, top, 1], shape=(n, c, h + top + 1, w + left))


def to_depth(draw, sketch, x):
    n, c, h, w = sketch.shapes[x]
    assume(h % 2 == w % 2 == 0)
    return sketch.call("pixel_unshuffle", x, 2, shape=(n, 4 * c, h // 2, w // 2))


def gate(draw, sketch, x):
    n, c, *_ = sketch.shapes[x]
    squeezed = sketch.call("mean.dim", x, [2, 3], True, shape=(n, c, 1, 1))
    return sketch.call("mul.Tensor", x, sketch.call("sigmoid", squeezed))


def turned(draw, sketch, x):
    n, c, h, w = sketch.shapes[x]
    return sketch.call("transpose.int", x, 2, 3, shape=(n, c, w, h))


def shuffled(draw, sketch, x):
    n, c, h, w = sketch.shapes[x]
    assume(c % 2 == 0)
    x = sketch.call("view", x, [-1, 2, c // 2, h, w], shape=(n, 2, c // 2, h, w))
    x = sketch.call("transpose.int", x, 1, 2, shape=(n, c // 2, 2, h, w))
    return sketch.call("reshape", x, [-1, c, h, w], shape=(n, c, h, w))


def drawn(sketch, draw, steps, most):
    """Draw a random network; every step leaves at least 4 of 16 rows."""
    drawing = type(sketch)(shapes={"x": ("batch", 3, 64, 64)})
    x = drawing.conv("x", 4, layer="first")
    for step in draw(st.lists(st.sampled_from(steps), min_size=1, max_size=most)):
        assume(min(drawing.shapes[x][2:]) >= 16)
        assume(drawing.shapes[x][1] <= 64)
        x = step(draw, drawing, x)
    return drawing, x


STEPS = [convolution, convolution, pool, residual, branches, crop, pad, to_depth, gate, turned]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_both_measurements_agree_on_random_networks_with_branches(sketch, data):
    drawing, x = drawn(sketch, data.draw, STEPS, 6)
    view, second = compared(drawing.architecture(drawing.head(x)))
    assume(view.unknown is None)
    assert second.status == "agrees", second
    assert second.px == view.receptive_field_px


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_graph_of_fixed_sizes_is_measured_at_its_own_size(sketch, data):
    drawing, x = drawn(sketch, data.draw, [convolution, residual, pool], 3)
    view, second = compared(drawing.architecture(drawing.head(shuffled(data.draw, drawing, x))))
    assume(view.unknown is None)
    # Behind a crop or much padding the border may hide both ends; then nothing is claimed.
    assert second.status in ("agrees", "not_measured"), second


def test_a_frozen_kernel_of_zeros_is_seen_through(sketch):
    """9x9 by its shape, but only its middle is not zero: RF 9 computed, 1 seen."""
    weight = sketch.tensor("delta", 4, 3, 9, 9, kind="buffer")
    x = sketch.call("conv2d", "x", weight, None, [1, 1], [4, 4], shape=("batch", 4, 32, 32), layer="delta")
    architecture = sketch.architecture(sketch.head(x))
    tensors = weights(architecture)
    tensors["delta"] = torch.zeros(4, 3, 9, 9)
    tensors["delta"][:, :, 4, 4] = -1.0
    view = View(architecture, architecture.eval)
    second = agreement(view, extents(view, tensors))
    assert view.receptive_field_px == 9
    assert (second.status, second.px) == ("differs", 1)
    assert "computed: pixels " in second.note
    assert "measured: " in second.note


def test_a_trainable_weight_that_starts_at_zero_is_not_held_against_it(sketch):
    x = sketch.conv("x", 4, k=5, layer="zero")
    sketch.tensors[-1] = sketch.tensors[-1].model_copy(update={"trainable": True})
    architecture = sketch.architecture(sketch.head(x))
    tensors = weights(architecture) | {"zero.weight": torch.zeros(4, 3, 5, 5)}
    view = View(architecture, architecture.eval)
    second = agreement(view, extents(view, tensors))
    assert (second.status, second.px) == ("agrees", 5)


def test_a_weight_times_a_mask_sees_what_the_mask_lets_through(sketch):
    """The kernel is 7x7, the mask keeps its middle row."""
    shape = (4, 3, 7, 7)
    product = sketch.call(
        "mul.Tensor", sketch.tensor("w", *shape), sketch.tensor("mask", *shape, kind="buffer")
    )
    x = sketch.call("conv2d", "x", product, None, [1, 1], [3, 3], shape=("batch", 4, 32, 32), layer="masked")
    architecture = sketch.architecture(sketch.head(x))
    tensors = weights(architecture) | {"mask": torch.zeros(shape)}
    tensors["mask"][:, :, 3] = 1.0
    seen = extents(View(architecture, architecture.eval), tensors)
    (one,) = seen.measured
    assert one.rows[1] - one.rows[0] + 1 == 1
    assert one.columns[1] - one.columns[0] + 1 == 7
    assert agreement(View(architecture, architecture.eval), seen).status == "differs"


def test_group_statistics_are_left_out_of_both(sketch):
    x = sketch.conv("x", 4, layer="a")
    x = sketch.call("group_norm", x, 2, layer="gn")
    _, second = compared(sketch.architecture(sketch.head(sketch.conv(x, 4, layer="b"))))
    assert (second.status, second.px) == ("agrees", 5)


def test_a_maximum_over_channels_is_averaged(sketch):
    x = sketch.conv("x", 4, layer="a")
    one = sketch.call("amax", x, [1], True, shape=("batch", 1, 32, 32))
    _, second = compared(sketch.architecture(sketch.head(sketch.call("mul.Tensor", x, one))))
    assert (second.status, second.px) == ("agrees", 3)


@pytest.mark.parametrize(
    ("op", "args", "named"),
    [
        ("scaled_dot_product_attention", 3, "scaled_dot_product_attention.default in at has no"),
        (
            "max_pool2d",
            ([3, 3], [1, 1], [2, 2], [2, 2]),
            "max_pool2d.default in at has no",
        ),
        ("sort", (1,), "sort.default in at"),
    ],
)
def test_what_has_no_linear_counterpart_is_not_measured_and_named(sketch, op, args, named):
    x = sketch.conv("x", 4, layer="a")
    args = (x,) * (args - 1) if isinstance(args, int) else args
    x = sketch.call(op, x, *args, layer="at", shape=sketch.shapes[x])
    _, second = compared(sketch.architecture(sketch.head(x)))
    assert second.status == "not_measured"
    assert named in second.note


def test_a_field_wider_than_the_limit_is_compared_as_far_as_the_border_shows(sketch):
    """A corner sees the first 16 pixels, the opposite one the last 16; then nothing but itself."""
    x = sketch.conv("x", 4, k=33, layer="a")
    for index in range(20):
        x = sketch.conv(x, 4, k=33, layer=f"more{index}")
    small = sketch.architecture(sketch.head(sketch.call("relu", x)))
    view, second = compared(small)
    assert view.receptive_field_px == 21 * 32 + 1
    assert (second.status, second.note) == ("not_measured", "it is too wide to be seen in a 32x32 px image")


def test_a_border_that_hides_one_end_still_shows_the_other(sketch):
    """31x31, then a reshape to fixed sizes, so that only 32x32 px images run: a corner sees 16 px."""
    x = sketch.conv("x", 4, k=31, layer="a")
    x = sketch.call("view", x, [-1, 2, 2, 32, 32], shape=("batch", 2, 2, 32, 32))
    x = sketch.call("view", x, [-1, 4, 32, 32], shape=("batch", 4, 32, 32))
    view, second = compared(sketch.architecture(sketch.head(x)))
    assert view.receptive_field_px == 31
    assert second.status == "agrees"
    assert second.note == "as far as the border of a 32x32 px image shows"


def test_a_head_that_is_not_known_is_not_measured(sketch):
    x = sketch.call("fft_fft2", "x", layer="fft")
    _, second = compared(sketch.architecture(sketch.head(sketch.conv(x, 4, layer="a"))))
    assert second.status == "not_measured"
    assert second.note == "where the head begins, or what it sees, is not known"


def test_an_upper_bound_agrees_with_anything_inside_it(sketch):
    x = sketch.conv("x", 4, layer="a")
    x = sketch.call("upsample_bilinear2d.vec", x, [48, 48], False, None, shape=("batch", 4, 48, 48))
    view, second = compared(sketch.architecture(sketch.head(x)))
    assert not view.is_exact
    assert second.status == "agrees"


def test_one_pixel_more_than_computed_differs(basic):
    architecture = basic()
    view = View(architecture, architecture.eval)
    (name,) = view.head.maps
    seen = Extent(value=name, input_px=(201, 201), position=(12, 12), rows=(60, 112), columns=(60, 113))
    exact = seen.model_copy(update={"columns": (60, 112)})
    span = view.measured.fields[name].h
    start = span.start + 12 * span.jump
    shifted = {"rows": (start, start + 52), "columns": (start, start + 52)}
    assert agreement(view, Extents(measured=(exact.model_copy(update=shifted),))).px == 53
    more = {**shifted, "columns": (start, start + 53)}
    second = agreement(view, Extents(measured=(exact.model_copy(update=more),)))
    assert (second.status, second.px) == ("differs", 54)


def test_the_rule_is_left_open_where_the_two_differ(judged, basic):
    architecture = basic()
    view = View(architecture, architecture.eval)
    (name,) = view.head.maps
    start = view.measured.fields[name].h.start + 12 * 8
    seen = (start + 10, start + 20)
    extent = Extent(value=name, input_px=(201, 201), position=(12, 12), rows=seen, columns=seen)
    judgement = judged(architecture, extents=Extents(measured=(extent,)))
    finding = judgement.min_receptive_field
    assert (finding.status, finding.cause) == ("not_judged", "harness")
    assert finding.actual.startswith("53 px computed from the graph, but gradients show otherwise (")
    assert "frozen weight" in finding.help
    assert judgement.facts.receptive_field_check.status == "differs"
