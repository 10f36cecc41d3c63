import pytest


def test_the_drawn_network_passes_every_rule(basic, judged):
    verdict = judged(basic())
    findings = {k: v.status for k, v in vars(verdict).items() if k not in ("facts", "table")}
    assert set(findings.values()) == {"passed"}, findings
    assert (verdict.facts.receptive_field_px, verdict.facts.jump) == (53, 8)
    assert verdict.facts.receptive_field_with_pool_px == 53 + 3 * 8


# downsampling


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
    assert finding.help == "Give stride 2 to 1 of the 3x3 convolutions."


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


def test_an_unknown_operator_leaves_downsampling_open_and_names_itself(sketch, basic, judged):
    def odd(x):
        return sketch.call("cdist", x, x, layer="odd")

    verdict = judged(basic(middle=odd))
    for finding in (verdict.downsampling, verdict.min_receptive_field, verdict.no_max_pool):
        assert (finding.status, finding.cause, finding.points) == ("not_judged", "harness", None)
        assert "aten.cdist.default in odd (model.py:" in finding.actual
    assert verdict.gap_linear_head.status == "passed"
    assert verdict.max_parameters.status == "passed"


# depthwise_separable


def test_groups_32_of_64_channels_are_not_depthwise(sketch, judged):
    x = sketch.conv(sketch.conv("x", 64, s=2), 64, g=32, layer="half")
    finding = judged(sketch.architecture(sketch.head(sketch.conv(x, 64, k=1)))).depthwise_separable
    assert finding.status == "failed"
    assert finding.help.startswith("half is a 3x3 convolution with groups=32 on 64 channels")


def test_a_separable_pair_of_kernel_1_is_not_depthwise(sketch, judged):
    x = sketch.conv("x", 16, s=2)
    x = sketch.conv(sketch.conv(x, 16, k=1, g=16), 16, k=1)
    assert judged(sketch.architecture(sketch.head(x))).depthwise_separable.status == "failed"


def test_a_depthwise_convolution_must_be_mixed_afterwards(sketch, judged):
    x = sketch.conv("x", 16, s=2)
    x = sketch.conv(sketch.conv(x, 16, g=16, layer="dw"), 16, k=3)
    finding = judged(sketch.architecture(sketch.head(x))).depthwise_separable
    assert "no pointwise convolution" in finding.help


def test_normalisation_activation_and_a_gate_may_stand_between(sketch, basic, judged):
    def gated(x):
        x = sketch.call("relu", sketch.conv(x, 32, d=2, g=32, layer="gated"))
        x = sketch.call("mul.Tensor", x, sketch.call("sigmoid", sketch.gap(x)))
        return sketch.conv(x, 32, k=1)

    finding = judged(basic(last=gated)).depthwise_separable
    assert "gated" in finding.actual


def test_a_residual_sum_between_the_two_is_no_pair(sketch, judged):
    x = sketch.conv("x", 16, s=2)
    x = sketch.call("add.Tensor", sketch.conv(x, 16, g=16), x)
    finding = judged(sketch.architecture(sketch.head(sketch.conv(x, 16, k=1)))).depthwise_separable
    assert finding.status == "failed"


def test_block_1_ends_with_the_first_strided_convolution(sketch, judged):
    x = sketch.separable(sketch.conv("x", 8), 16, s=2, layer="first")
    finding = judged(sketch.architecture(sketch.head(x))).depthwise_separable
    assert "in block 1: first.dw" in finding.actual


def test_block_1_of_the_dilated_variant_ends_before_the_first_dilation(sketch, judged):
    x = sketch.separable(sketch.conv("x", 8), 8, d=2)
    assert judged(sketch.architecture(sketch.head(x)), "dilated").depthwise_separable.status == "passed"


def test_without_a_stride_block_1_has_no_end(sketch, judged):
    x = sketch.separable(sketch.conv("x", 8), 8)
    finding = judged(sketch.architecture(sketch.head(x))).depthwise_separable
    assert (finding.status, finding.cause) == ("not_judged", "student")
    assert "downsampling" in finding.help


# dilation


def test_a_dilation_before_the_last_stride_is_too_early(sketch, basic, judged):
    def early(x):
        return sketch.conv(x, 16, d=2, layer="early")

    finding = judged(basic(middle=early, last=lambda x: sketch.separable(x, 32, layer="end"))).dilation
    assert "none after s3" in finding.actual


def test_a_dilation_on_a_1x1_kernel_is_none(sketch, basic, judged):
    finding = judged(basic(last=lambda x: sketch.conv(x, 32, k=1, d=2))).dilation
    assert finding.actual == "no dilated convolution"
    assert "after s3" in finding.help


def test_a_dilated_convolution_nobody_reads_is_named(sketch, basic, judged):
    def ignored(x):
        sketch.conv(x, 32, d=2, layer="ignored")
        return x

    finding = judged(basic(last=ignored)).dilation
    assert finding.status == "failed"
    assert "ignored" in finding.help


@pytest.mark.parametrize(("order", "status"), [((2, 2, 4), "passed"), ((4, 2), "failed"), ((2, 2), "failed")])
def test_dilations_must_differ_and_never_decrease(sketch, judged, order, status):
    x = sketch.conv("x", 8)
    for dilation in order:
        x = sketch.conv(sketch.separable(x, 8, d=dilation, layer=f"d{len(sketch.nodes)}"), 8)
    assert judged(sketch.architecture(sketch.head(x)), "dilated").dilation.status == status


# min_receptive_field


@pytest.mark.parametrize(("kernel", "status"), [(44, "failed"), (45, "passed")])
def test_45_px_pass_and_44_do_not(sketch, judged, kernel, status):
    x = sketch.conv("x", 8, k=kernel, p=22)
    finding = judged(sketch.architecture(sketch.head(x))).min_receptive_field
    assert finding.status == status
    assert finding.actual.startswith(f"{kernel} px")


def test_the_smaller_side_counts(sketch, judged):
    x = sketch.conv("x", 8, k=(61, 5), p=(30, 2))
    assert judged(sketch.architecture(sketch.head(x))).facts.receptive_field_px == 5


def test_the_help_says_what_a_dilation_would_give(sketch, basic, judged):
    """Without dilation the last 3x3 adds 2 * 8 = 16 to 21; each step of dilation adds 16 more."""
    finding = judged(basic(last=lambda x: sketch.separable(x, 32, layer="last"))).min_receptive_field
    assert finding.status == "failed"
    assert finding.help == (
        "The receptive field is 37; dilation 2 (and padding 2) in last.dw would add 16: 53."
    )


def test_a_side_branch_counts_when_it_is_added(sketch, judged):
    x = sketch.conv("x", 8)
    x = sketch.call("add.Tensor", x, sketch.conv(x, 8, k=51))
    assert judged(sketch.architecture(sketch.head(x))).facts.receptive_field_px == 53


def test_an_upper_bound_above_the_limit_is_not_judged(sketch, judged):
    x = sketch.call("upsample_bilinear2d.vec", "x", [16, 16], False, None, shape=("batch", 3, 16, 16))
    x = sketch.conv(x, 8, k=25)
    finding = judged(sketch.architecture(sketch.head(x))).min_receptive_field
    assert finding.status == "not_judged"
    assert "at most" in finding.actual


def test_without_a_head_there_is_no_place_to_measure(sketch, judged):
    finding = judged(sketch.architecture(sketch.call("zeros", [1, 10], shape=("batch", 10))))
    assert finding.min_receptive_field.cause == "student"
    assert "gap_linear_head" in finding.min_receptive_field.help
