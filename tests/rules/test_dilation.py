import pytest

from harness.graph.evidence import Evidence


def test_the_drawn_network_passes_every_rule(basic, judged):
    verdict = judged(basic())
    findings = {k: v.status for k, v in vars(verdict).items() if k not in ("facts", "table")}
    assert set(findings.values()) == {"passed"}, findings
    assert (verdict.facts.receptive_field_px, verdict.facts.jump) == (53, 8)
    assert verdict.facts.receptive_field_with_pool_px == 53 + 3 * 8


# depthwise_separable


def test_groups_32_of_64_channels_are_not_depthwise(sketch, judged):
    x = sketch.conv(sketch.conv("x", 64, s=2), 64, g=32, layer="half")
    finding = judged(sketch.architecture(sketch.head(sketch.conv(x, 64, k=1)))).depthwise_separable
    assert finding.status == "failed"
    assert finding.help == "Give half (model.py:2) groups=64."


def test_a_separable_pair_of_kernel_1_is_not_depthwise(sketch, judged):
    x = sketch.conv("x", 16, s=2)
    x = sketch.conv(sketch.conv(x, 16, k=1, g=16), 16, k=1)
    assert judged(sketch.architecture(sketch.head(x))).depthwise_separable.status == "failed"


def test_a_depthwise_convolution_must_be_mixed_afterwards(sketch, judged):
    x = sketch.conv("x", 16, s=2)
    x = sketch.conv(sketch.conv(x, 16, g=16, layer="dw"), 16, k=3)
    finding = judged(sketch.architecture(sketch.head(x))).depthwise_separable
    assert finding.help == "Add a 1x1 convolution after dw (model.py:2)."


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


BETWEEN = {
    "channels in another order": lambda s, x: s.call("channel_shuffle", x, 4),
    "padding": lambda s, x: s.call("pad", x, [1, 1, 1, 1], shape=("batch", 16, 18, 18)),
    "a sum of depthwise convolutions": lambda s, x: s.call("add.Tensor", x, s.conv(half(s), 16, k=5, g=16)),
    "depthwise convolutions one behind the other": lambda s, x: s.call(
        "cat", [x, s.conv(half(s), 16, k=5, g=16)], 1, shape=("batch", 32, 16, 16)
    ),
}


def half(sketch):
    """The map that the first strided convolution made."""
    return next(node.name for node in sketch.nodes if node.module == "half")


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_what_mixes_no_positions_may_stand_between(sketch, judged, between):
    x = sketch.conv(sketch.conv("x", 16, s=2, layer="half"), 16, g=16, layer="dw")
    x = sketch.conv(between(sketch, x), 16, k=1)
    assert judged(sketch.architecture(sketch.head(x))).depthwise_separable.status == "passed"


def test_a_linear_over_the_channels_of_a_map_is_pointwise(sketch, judged):
    x = sketch.conv(sketch.conv("x", 16, s=2), 16, g=16, layer="dw")
    x = sketch.call("permute", x, [0, 2, 3, 1], shape=("batch", 16, 16, 16))
    x = sketch.call("permute", sketch.linear(x, 24, layer="pw"), [0, 3, 1, 2], shape=("batch", 24, 16, 16))
    assert judged(sketch.architecture(sketch.head(x))).depthwise_separable.actual == "1: dw"


def test_block_1_is_a_matter_of_resolution_not_of_order(sketch, basic, judged):
    """The gate is computed from the full resolution, after the first strided convolution was executed."""

    def gated(x):
        first = next(node.name for node in sketch.nodes if node.module == "a")
        gate = sketch.gap(sketch.separable(first, 16, layer="early"))
        return sketch.call("mul.Tensor", x, gate)

    finding = judged(basic(middle=gated)).depthwise_separable
    assert "in block 1: early.dw" in finding.actual


def test_a_layer_without_influence_keeps_no_rule(sketch, basic, judged):
    def beside(x):
        return sketch.call("add.Tensor", x, sketch.separable(x, 32, d=2, layer="dil"))

    architecture = basic(last=beside)
    named = {node.module: node.name for node in architecture.eval.nodes}
    verdict = judged(architecture, evidence=Evidence(weak={"eval": (named["dil.dw"],)}))
    for finding in (verdict.dilation, verdict.min_receptive_field):
        assert finding.status == "failed"
        assert finding.actual.endswith("the logits do not depend on dil.dw, whatever its weights are")
    assert verdict.downsampling.status == verdict.depthwise_separable.status == "passed"


def test_what_the_analysis_took_for_unused_and_is_not_leaves_the_rules_open(basic, judged):
    verdict = judged(
        basic(), evidence=Evidence(misjudged="aten.sub.Tensor in sub is taken for zero, and is not")
    )
    assert verdict.dilation.status == verdict.max_parameters.status == "not_judged"
    assert verdict.dilation.cause == "harness"
    assert "is taken for zero, and is not" in verdict.dilation.actual
    assert "please report it" in verdict.dilation.help
    assert verdict.augmentation.status == "passed"


def test_rules_about_influence_stay_open_where_it_could_not_be_measured(basic, judged):
    verdict = judged(basic(), evidence=Evidence(broken="RuntimeError: no double"))
    assert verdict.dilation.status == "not_judged"
    assert "could not be measured: RuntimeError: no double" in verdict.dilation.actual
    assert verdict.max_parameters.status == "passed"


@pytest.mark.parametrize(("reach", "status"), [((44, 53), "failed"), ((45, 53), "passed")])
def test_the_field_is_no_larger_than_what_moves_the_map(basic, judged, reach, status):
    finding = judged(basic(), evidence=Evidence(reach_px=reach)).min_receptive_field
    assert finding.status == status
    if status == "failed":
        assert finding.actual.startswith("44 px move the last map, when pixels are changed; 53 px")
        assert "have no influence" in finding.help


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


def test_without_an_end_of_block_1_the_pair_may_stand_anywhere(sketch, judged, judged_c1c2c3c4):
    x = sketch.separable(sketch.conv("x", 8), 16, s=2, layer="first")
    network = sketch.architecture(sketch.head(x))
    finding = judged_c1c2c3c4(network).depthwise_separable
    assert (finding.status, finding.expected) == ("passed", "at least 1 depthwise-separable convolution")
    whole = judged(network)
    assert whole.depthwise_separable.actual == "1: first.dw; in block 1: first.dw (see downsampling)"


# dilation


def test_a_dilation_before_the_last_stride_is_too_early(sketch, basic, judged):
    def early(x):
        return sketch.conv(x, 16, d=2, layer="early")

    finding = judged(basic(middle=early, last=lambda x: sketch.separable(x, 32, layer="end"))).dilation
    assert "none after s3" in finding.actual


def test_a_dilation_on_a_1x1_kernel_is_none(sketch, basic, judged):
    finding = judged(basic(last=lambda x: sketch.conv(x, 32, k=1, d=2))).dilation
    assert finding.actual == "no dilated convolution"
    assert finding.help == "Add a 3x3 convolution with dilation 2 and padding 2 after v6 (model.py:7)."


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


def test_one_dilation_anywhere_is_enough_where_no_place_is_asked_for(sketch, basic, judged, judged_c1c2c3c4):
    def early(x):
        return sketch.conv(x, 16, d=2, layer="early")

    network = basic(middle=early, last=lambda x: sketch.separable(x, 32, layer="end"))
    finding = judged_c1c2c3c4(network).dilation
    assert (finding.status, finding.expected) == ("passed", "at least 1 dilation > 1")
    assert judged(network).dilation.status == "failed"


# min_receptive_field


@pytest.mark.parametrize(("kernel", "status"), [(44, "failed"), (45, "passed")])
def test_45_px_pass_and_44_do_not(sketch, by_rule, kernel, status):
    x = sketch.conv("x", 8, k=kernel, p=22)
    finding = by_rule("min_receptive_field", sketch.architecture(sketch.head(x)), above_px=44)
    assert finding.status == status
    assert finding.actual.startswith(f"{kernel} px")


def test_the_smaller_side_counts(sketch, judged):
    x = sketch.conv("x", 8, k=(61, 5), p=(30, 2))
    assert judged(sketch.architecture(sketch.head(x))).facts.receptive_field_px == 5


def test_the_help_says_what_a_dilation_would_give(sketch, basic, by_rule):
    """Without dilation the last 3x3 adds 2 * 8 = 16 to 21; each step of dilation adds 16 more."""
    network = basic(last=lambda x: sketch.separable(x, 32, layer="last"))
    finding = by_rule("min_receptive_field", network, above_px=44)
    assert finding.status == "failed"
    assert finding.help == (
        "The receptive field is 37; dilation 2 (and padding 2) in last.dw (model.py:7) would add 16: 53."
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


def test_what_leaves_an_upper_bound_is_named_though_its_map_shrinks_again(sketch, judged):
    weight = sketch.tensor("up.weight", 3, 8, 2, 2)
    shape = ("batch", 8, 64, 64)
    x = sketch.call("conv_transpose2d.input", "x", weight, None, [2, 2], [0, 0], shape=shape, layer="up")
    x = sketch.conv(sketch.conv(x, 8, s=2), 8, k=51)
    finding = judged(sketch.architecture(sketch.head(x))).min_receptive_field
    assert finding.actual.endswith("interpolation in up leaves only an upper bound")
    assert [where.layer for where in finding.where] == ["up"]


def test_without_a_head_there_is_no_place_to_measure(sketch, judged):
    finding = judged(sketch.architecture(sketch.call("zeros", [1, 10], shape=("batch", 10))))
    assert finding.min_receptive_field.cause == "student"
    assert "rule about the head pass first" in finding.min_receptive_field.help


@pytest.mark.parametrize(("padding", "total", "status"), [(6, 44, "failed"), (7, 46, "passed")])
def test_counting_the_pool_is_a_choice_and_both_numbers_are_shown(sketch, by_rule, padding, total, status):
    """A kernel of 15 leaves 18 + 2 p positions, and the pool over them adds one less."""
    network = sketch.architecture(sketch.head(sketch.conv("x", 8, k=15, p=padding)))
    finding = by_rule("min_receptive_field", network, above_px=44, place="with_pool")
    assert finding.status == status
    assert finding.expected == "more than 44 px counting the global pool"
    assert finding.actual == f"15 px ({total} px counting the pool)"
    before = by_rule("min_receptive_field", network, above_px=44)
    assert (before.status, before.actual) == ("failed", finding.actual)


def test_the_help_measures_at_the_place_the_assignment_names(sketch, by_rule):
    """RF 3 (jump 2), 7: with 16 positions the pool adds 30; each step of dilation adds 4."""
    x = sketch.conv(sketch.conv("x", 8, s=2), 8, layer="last")
    network = sketch.architecture(sketch.head(x))
    finding = by_rule("min_receptive_field", network, above_px=44, place="with_pool")
    assert finding.actual == "7 px (37 px counting the pool)"
    assert (
        finding.help
        == "The receptive field is 37; dilation 3 (and padding 3) in last (model.py:2) would add 8: 45."
    )
