"""What may change the size of a map, in both editions of the assignment."""

import pytest


def average_pool(s, x):
    return s.call("avg_pool2d", x, [2, 2], shape=("batch", 16, 8, 8), layer="pool")


def strided_slice(s, x):
    return s.call("slice.Tensor", x, 2, 0, 99, 2, shape=("batch", 16, 8, 16), layer="cut")


def interpolation(s, x):
    return s.call("upsample_nearest2d.vec", x, [8, 8], None, shape=("batch", 16, 8, 8), layer="small")


def shuffle(s, x):
    return s.call("pixel_unshuffle", x, 2, shape=("batch", 64, 8, 8), layer="pack")


def rearrangement(s, x):
    x = s.call("view", x, [-1, 16, 8, 2, 16], shape=("batch", 16, 8, 2, 16), layer="fold")
    x = s.call("permute", x, [0, 1, 3, 2, 4], shape=("batch", 16, 2, 8, 16))
    return s.call("reshape", x, [-1, 32, 8, 16], shape=("batch", 32, 8, 16))


def shortcut(s, x):
    return s.call("add.Tensor", s.conv(x, 16, s=2, layer="main"), s.conv(x, 16, k=1, s=2, p=0, layer="cut"))


def big_kernel(s, x):
    return s.conv(x, 16, k=5, s=2, layer="big")


def one_sided(s, x):
    return s.conv(x, 16, s=(2, 1), layer="side")


@pytest.mark.parametrize(
    ("change", "layer"),
    [(average_pool, "pool"), (strided_slice, "cut"), (interpolation, "small"), (shuffle, "pack"),
     (rearrangement, "fold"), (shortcut, "cut"), (big_kernel, "big"), (one_sided, "side")],
)  # fmt: skip
def test_nothing_but_3x3_stride_2_may_change_the_jump(sketch, basic, judged, change, layer):
    finding = judged(basic(middle=lambda x: change(sketch, x))).downsampling
    assert finding.status == "failed"
    assert layer in [place.layer for place in finding.where]
    assert layer in finding.help


def test_two_strided_convolutions_are_one_too_few(sketch, judged):
    x = sketch.conv(sketch.conv("x", 8, s=2), 8, s=2)
    finding = judged(sketch.architecture(sketch.head(x))).downsampling
    assert finding.actual.startswith("jump 4: 2 convolutions (3x3, stride 2)")
    assert finding.help == "Add a 3x3 convolution with stride 2 and padding 1 after v1 (model.py:2)."


def test_the_help_measures_what_another_stride_would_make_of_the_jump(sketch, judged):
    x = sketch.conv(sketch.conv("x", 8, s=2), 8, s=2)
    x = sketch.conv(sketch.conv(x, 8, layer="c3a"), 8, k=1, layer="c3b")
    finding = judged(sketch.architecture(sketch.head(x))).downsampling
    assert finding.help == "Give c3a (model.py:3) stride 2: the jump is then 8."


def test_the_help_for_one_too_many_names_one_whose_stride_can_go(sketch, basic, judged):
    finding = judged(basic(last=lambda x: sketch.conv(x, 32, s=2, layer="s4"))).downsampling
    assert finding.help == "Give s4 (model.py:7) stride 1: the jump is then 8."


def test_of_two_parallel_strides_one_branch_goes(sketch, basic, judged):
    def twice(x):
        return sketch.call("add.Tensor", sketch.conv(x, 32, s=2), sketch.conv(x, 32, s=2))

    finding = judged(basic(last=twice)).downsampling
    assert finding.help.startswith(
        "Leave out v7 (model.py:8) and the sum: it changes the size of the map beside v6. Give v6 "
    )


def test_parallel_strided_convolutions_are_counted_each(sketch, basic, judged):
    def twice(x):
        return sketch.call("add.Tensor", sketch.conv(x, 32, s=2), sketch.conv(x, 32, s=2))

    finding = judged(basic(last=twice)).downsampling
    assert "5 convolutions (3x3, stride 2)" in finding.actual
    assert finding.status == "failed"


@pytest.mark.parametrize("variant", ["basic", "dilated"])
def test_an_average_pool_of_stride_1_is_no_downsampling(sketch, basic, judged, variant):
    def smooth(x):
        return sketch.call("avg_pool2d", x, [3, 3], [1, 1], [1, 1])

    finding = judged(basic(middle=smooth), variant).downsampling
    assert finding.status == ("passed" if variant == "basic" else "failed")


def test_excess_padding_makes_maps_grow_and_changes_no_jump(sketch, basic, judged):
    finding = judged(basic(middle=lambda x: sketch.conv(x, 16, p=3))).downsampling
    assert finding.status == "passed"


def test_a_view_that_is_only_written_to_is_no_downsampling(sketch, basic, judged):
    def erase(x):
        x = sketch.call("mul.Tensor", x, 2)
        view = sketch.call("slice.Tensor", x, 2, 0, 99, 2, shape=("batch", 16, 8, 16), layer="cut")
        sketch.call("zero_", view, layer="erase")
        return sketch.call("relu", x)

    finding = judged(basic(middle=erase)).downsampling
    assert (finding.status, finding.cause) == ("not_judged", "harness")
    assert "aten.zero_.default in erase" in finding.actual


def test_a_slice_that_is_read_is_downsampling_whatever_is_written_elsewhere(sketch, basic, judged):
    def slice_and_erase(x):
        kept = sketch.call("slice.Tensor", x, 2, 0, 99, 2, shape=("batch", 16, 8, 16), layer="kept")
        x = sketch.call("mul.Tensor", kept, 2)
        view = sketch.call("slice.Tensor", x, 2, 0, 99, 2, shape=("batch", 16, 4, 16), layer="cut")
        sketch.call("zero_", view)
        return sketch.call("relu", x)

    finding = judged(basic(middle=slice_and_erase)).downsampling
    assert finding.status == "failed"
    assert [where.layer for where in finding.where] == ["kept"]


def test_an_unknown_operator_leaves_downsampling_open_and_names_itself(sketch, basic, judged):
    def odd(x):
        return sketch.call("special_bessel_j0", x, x, layer="odd")

    verdict = judged(basic(middle=odd))
    for finding in (verdict.downsampling, verdict.min_receptive_field, verdict.no_max_pool):
        assert (finding.status, finding.cause, finding.points) == ("not_judged", "harness", None)
        assert "aten.special_bessel_j0.default in odd (model.py:" in finding.actual
    assert verdict.gap_linear_head.status == "passed"
    assert verdict.max_parameters.status == "passed"


# The edition with any number of strided convolutions


def strided(s, count, k=3):
    x = s.conv("x", 8, layer="a")
    for number in range(count):
        x = s.conv(x, 8, k=k, s=2, layer=f"s{number + 1}")
    return s.architecture(s.head(s.conv(x, 8, layer="z")))


@pytest.mark.parametrize(("count", "kernel"), [(1, 3), (1, 1), (2, 3), (4, 1), (5, 3)])
def test_any_number_of_3x3_or_1x1_strided_convolutions_passes(sketch, judged_c1c2c3c4, count, kernel):
    finding = judged_c1c2c3c4(strided(sketch, count, kernel)).downsampling
    assert finding.status == "passed"
    assert finding.expected == (
        "a jump of at least 2 at the head, raised by at least 1 convolution (3x3 or 1x1, stride 2) "
        "and nothing else"
    )
    assert finding.actual.startswith(f"jump {2**count}: {count} convolution")


def test_none_is_too_few_and_the_help_says_what_one_would_give(sketch, judged_c1c2c3c4):
    finding = judged_c1c2c3c4(strided(sketch, 0)).downsampling
    assert finding.actual == "jump 1: nothing raises it"
    assert finding.help == "Give z (model.py:2) stride 2: the jump is then 2."


@pytest.mark.parametrize(
    ("change", "layer"),
    [(average_pool, "pool"), (strided_slice, "cut"), (interpolation, "small"), (shuffle, "pack"),
     (rearrangement, "fold"), (big_kernel, "big"), (one_sided, "side")],
)  # fmt: skip
def test_still_nothing_but_those_convolutions_may_change_the_jump(
    sketch, basic, judged_c1c2c3c4, change, layer
):
    finding = judged_c1c2c3c4(basic(middle=lambda x: change(sketch, x))).downsampling
    assert finding.status == "failed"
    assert layer in finding.help


def test_a_1x1_strided_shortcut_beside_the_path_is_allowed(sketch, basic, judged_c1c2c3c4):
    assert judged_c1c2c3c4(basic(middle=lambda x: shortcut(sketch, x))).downsampling.status == "passed"


def test_a_strided_convolution_in_a_gate_leaves_the_jump_at_1(sketch, judged_c1c2c3c4):
    x = sketch.conv("x", 8)
    gate = sketch.call("sigmoid", sketch.gap(sketch.conv(x, 8, s=2, layer="gate")))
    x = sketch.call("mul.Tensor", x, gate)
    finding = judged_c1c2c3c4(sketch.architecture(sketch.head(x))).downsampling
    assert (finding.status, finding.actual) == ("failed", "jump 1: 1 convolution (3x3 or 1x1, stride 2)")
    assert "on the path that every output takes" in finding.help


def test_a_network_of_the_other_variant_is_told_its_name(sketch, judged):
    x = sketch.conv("x", 8, layer="a")
    x = sketch.separable(sketch.conv(x, 8, d=2, layer="b"), 16, d=4)
    help_text = judged(sketch.architecture(sketch.head(x))).downsampling.help
    assert help_text.endswith("If it is meant as variant dilated, judge it with --variant dilated.")


def test_the_help_does_not_give_its_stride_to_a_dilated_convolution(sketch, judged):
    x = sketch.conv("x", 8, layer="a")
    x = sketch.conv(sketch.conv(x, 8, s=2, layer="s1"), 8, s=2, layer="s2")
    x = sketch.conv(sketch.conv(x, 8, layer="plain"), 8, d=2, layer="wide")
    assert (
        "Give plain (model.py:4) stride 2: the jump is then 8."
        in judged(sketch.architecture(sketch.head(x))).downsampling.help
    )
