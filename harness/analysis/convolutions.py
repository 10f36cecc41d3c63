"""The rules about convolutions: depthwise-separable, dilation, receptive field."""

from harness.analysis.advice import wider
from harness.analysis.classifier import without_head
from harness.analysis.convolution import Convolution
from harness.analysis.graph import Node
from harness.analysis.verdicts import counted, failed, layers, not_judged, opaque, passed
from harness.analysis.view import View
from harness.limits import Depthwise, Dilation, MinReceptiveField, VariantRules
from harness.record import Finding, SecondMeasurement


def depthwise_separable(view: View, variant: VariantRules) -> Finding:
    """Check that depthwise-separable convolutions are used, and none in block 1 where it is kept free."""
    rule, limits = "depthwise_separable", variant.depthwise_separable
    expected = f"at least {counted(limits.at_least, 'depthwise-separable convolution')}"
    expected += ", none in block 1" if limits.block_1_ends else ""
    found = view.separable
    actual = f"{len(found)}: {layers([c.node for c in found])}" if found else "none"
    if len(found) < limits.at_least:
        if view.opaque and not view.convolutions:
            return opaque(rule, expected, view.opaque[0])
        return failed(rule, expected, actual, *_nearly(view), advice=_depthwise_advice(view))
    nodes = [c.node for c in found]
    if limits.block_1_ends is None:
        return passed(rule, expected, actual, *nodes)
    if not (view.strided if limits.block_1_ends == "with_first_strided" else view.dilated):
        what = "no strided convolution" if limits.block_1_ends == "with_first_strided" else "no dilated one"
        first = "downsampling" if limits.block_1_ends == "with_first_strided" else "dilation"
        return not_judged(
            rule,
            expected,
            f"{actual}; but there is {what}, so nobody can say where block 1 ends (see {first})",
            cause="student",
            advice=f"Make {first} pass first.",
        )
    early = [c.node for c in view.loosely_separable if _is_in_block_1(view, c, limits)]
    if early:
        advice = f"Use ordinary convolutions in block 1: {layers(early)}."
        return failed(rule, expected, f"{actual}; in block 1: {layers(early)}", *early, advice=advice)
    return passed(rule, expected, actual, *nodes)


def dilation(view: View, variant: VariantRules) -> Finding:
    """Check that there are dilated convolutions, where and in which order the variant wants them."""
    rule, limits = "dilation", variant.dilation
    wanted = limits.distinct_at_least
    expected = (
        f"at least {wanted} different dilations > 1" if wanted > 1 else f"at least {wanted} dilation > 1"
    )
    expected += ", one after the last strided convolution" if limits.after_last_strided else ""
    expected += ", never decreasing" if limits.never_decreasing else ""
    found = view.dilated
    actual = ", ".join(f"{c.dilation} in {c.node.layer}" for c in found) or "no dilated convolution"
    nodes = [c.node for c in found]
    if len({c.dilation for c in found}) < limits.distinct_at_least:
        return failed(rule, expected, actual, *nodes, advice=_dilation_advice(view, limits))
    if limits.never_decreasing and any(c.dilation < view.dilation_before(c) for c in found):
        order = sorted(c.dilation for c in found)
        advice = f"Order the dilations so that they grow: {', '.join(map(str, order))}."
        return failed(rule, expected, actual, *nodes, advice=advice)
    if limits.after_last_strided:
        if not view.strided:
            return not_judged(
                rule,
                expected,
                f"{actual}; but no convolution has a stride (see downsampling)",
                *nodes,
                cause="student",
                advice="Make downsampling pass first.",
            )
        last = view.strided[-1]
        if not any(view.is_after_last_strided(c) for c in found):
            advice = f"Put a dilated 3x3 convolution after {last.node.layer}, the last strided one."
            return failed(rule, expected, f"{actual}; none after {last.node.layer}", *nodes, advice=advice)
    return passed(rule, expected, actual, *nodes)


def min_receptive_field(
    view: View,
    limits: MinReceptiveField,
    second: SecondMeasurement | None = None,
    reach_px: tuple[int, int] | None = None,
) -> Finding:
    """Check that the last feature map sees enough of the image.

    `reach_px` are the rows and columns that it depends on by numbers, where the graph says more.
    """
    rule = "min_receptive_field"
    place = "before the global pool" if limits.place == "before_pool" else "counting the global pool"
    expected = f"more than {limits.above_px} px {place}"
    before, after = view.receptive_field_px, view.receptive_field_with_pool_px
    rf = before if limits.place == "before_pool" else after
    if view.unknown:
        return opaque(rule, expected, view.unknown)
    if before is None:
        return without_head(rule, expected, view)
    if second is not None and second.status == "differs":
        return _disputed(rule, expected, view, second)
    actual = f"{before} px" + (f" ({after} px counting the pool)" if after is not None else "")
    if view.measured.global_layers:
        actual += f"; {', '.join(view.measured.global_layers[:3])} looks at the whole image and adds nothing"
    if rf is None:
        return failed(rule, expected, f"{actual}; no global pool", advice="End in a global average pool.")
    if rf <= limits.above_px:
        advice = wider(view, limits)
        return failed(rule, expected, actual, *_last(view), advice=advice)
    if reach_px is not None and min(reach_px) + rf - before <= limits.above_px:
        seen = f"{min(reach_px)} px move the last map, when pixels are changed; {actual} by the graph"
        advice = "Pixels at the rim of what the graph says have no influence: use what reads them."
        return failed(rule, expected, seen, *_last(view), advice=advice)
    if not view.is_exact:
        return not_judged(
            rule,
            expected,
            f"at most {rf} px: interpolation in {layers(view.inexact)} leaves only an upper bound",
            *view.inexact,
            cause="harness",
            advice="Replace the interpolation, or ask the teacher to judge this rule by hand.",
        )
    return passed(rule, expected, actual, *_last(view))


# Private functions


def _disputed(rule: str, expected: str, view: View, second: SecondMeasurement) -> Finding:
    """Leave the rule open where two measurements of one number differ."""
    return not_judged(
        rule,
        expected,
        f"{view.receptive_field_px} px computed from the graph, but gradients show otherwise ({second.note})",
        *_last(view),
        cause="harness",
        advice="If a frozen weight is mostly zeros, make it trainable. Otherwise the harness is mistaken: "
        "please report it, and ask the teacher to judge this rule by hand.",
    )


def _is_in_block_1(view: View, convolution: Convolution, limits: Depthwise) -> bool:
    """Tell whether a convolution works at the first resolution; or on what no dilated one has come before."""
    if limits.block_1_ends == "with_first_strided":
        return view.is_at_first_resolution(convolution)
    first = min(view.depth(c) for c in view.dilated)
    return convolution not in view.dilated and view.depth(convolution) < first


def _nearly(view: View) -> list[Node]:
    """List convolutions that look depthwise-separable and are not."""
    return [c.node for c in view.convolutions if c.window.groups > 1]


def _depthwise_advice(view: View) -> str:
    for c in view.convolutions:
        if c.window.groups > 1 and not c.is_depthwise:
            kernel = "x".join(map(str, c.window.kernel))
            return (
                f"{c.node.layer} is a {kernel} convolution with groups={c.window.groups} on {c.channels} "
                f"channels; depthwise is a 3x3 convolution with groups={c.channels}."
            )
        if c.is_depthwise:
            return (
                f"{c.node.layer} is depthwise, but no pointwise convolution (1x1, groups=1) follows it "
                "with only normalisation, activation or dropout in between."
            )
    plain = [c for c in view.convolutions if c.is_spatial and c.channels > 3]
    if not plain:
        return "Use a depthwise 3x3 (groups = in_channels) followed by a 1x1 convolution."
    c = plain[-1]
    return (
        f"Replace {c.node.layer} by a depthwise 3x3 (groups={c.channels}) followed by a 1x1 convolution; "
        f"the 3x3 kernels then take {9 * c.channels:,} numbers."
    )


def _dilation_advice(view: View, limits: Dilation) -> str:
    if view.dead_convolutions:
        return f"The output does not depend on {layers(view.dead_convolutions)}: use what they compute."
    free = [c for c in view.convolutions if c.is_spatial and c not in view.strided and c not in view.dilated]
    if limits.after_last_strided and view.strided:
        last = view.strided[-1]
        free = [c for c in free if view.is_after_last_strided(c)]
        if not free:
            return f"Add a 3x3 convolution with dilation 2 (and padding 2) after {last.node.layer}."
    if not free:
        return "Add a 3x3 convolution with another dilation, and padding equal to it, near the end."
    return f"Give {free[-1].node.layer} dilation {_next_dilation(view)}, and padding equal to it."


def _next_dilation(view: View) -> int:
    return 2 * max((c.dilation for c in view.dilated), default=1)


def _last(view: View) -> list[Node]:
    """Name the last sliding convolution before the head, where the receptive field is complete."""
    spatial = [c.node for c in view.convolutions if c.is_spatial]
    return spatial[-1:]
