"""The rules about convolutions: downsampling, depthwise-separable, dilation, receptive field."""

from collections.abc import Sequence

from harness.analysis.advice import wider
from harness.analysis.graph import Node
from harness.analysis.head import describe
from harness.analysis.ops import short_name
from harness.analysis.verdicts import failed, layers, not_judged, opaque, passed
from harness.analysis.view import Convolution, View
from harness.assignment import Depthwise, Dilation, MinReceptiveField, VariantSpec
from harness.record import Finding


def downsampling(view: View, variant: VariantSpec) -> Finding:
    """Check that the wanted strided convolutions, and nothing else, raise the jump to the wanted value."""
    rule, limits = "downsampling", variant.downsampling
    count, side = limits.strided_convolutions, f"{limits.kernel}x{limits.kernel}"
    expected = f"jump {limits.jump} at the head, raised by " + (
        f"exactly {_counted(count, 'convolution')} ({side}, stride {limits.stride}) and nothing else"
        if count
        else "nothing"
    )
    strided = view.strided
    wrong = [c for c in strided if not _is_wanted(c, limits.kernel, limits.stride)]
    others = [*(c.node for c in wrong), *view.resampling]
    actual = _downsampling_found(view, side, limits.stride, wrong)
    if others:
        advice = f"Only {side} stride-{limits.stride} convolutions may change the size of the map; change "
        advice += f"{layers(others)}." if count else f"{layers(others)} to stride 1."
        return failed(rule, expected, actual, *others, advice=advice)
    if len(strided) != count:
        change = "Give stride 1 to" if len(strided) > count else "Give stride 2 to"
        surplus = abs(len(strided) - count)
        nodes = [c.node for c in strided]
        return failed(
            rule, expected, actual, *nodes, advice=f"{change} {surplus} of the {side} convolutions."
        )
    if view.unknown:
        return opaque(rule, expected, view.unknown)
    if not view.final_maps:
        return _without_head(rule, expected, view)
    if view.jumps != (limits.jump,):
        nodes = [c.node for c in strided]
        advice = "Put the strided convolutions one after the other on the path that every output takes."
        return failed(rule, expected, actual, *nodes, advice=advice)
    return passed(rule, expected, actual, *(c.node for c in strided))


def depthwise_separable(view: View, variant: VariantSpec) -> Finding:
    """Check that depthwise-separable convolutions are used, and none in block 1."""
    rule, limits = "depthwise_separable", variant.depthwise_separable
    expected = f"at least {_counted(limits.at_least, 'depthwise-separable convolution')}, none in block 1"
    found = view.separable
    actual = f"{len(found)}: {layers([c.node for c in found])}" if found else "none"
    if len(found) < limits.at_least:
        if view.opaque and not view.convolutions:
            return opaque(rule, expected, view.opaque[0])
        return failed(rule, expected, actual, *_nearly(view), advice=_depthwise_advice(view))
    last = _end_of_block_1(view, limits)
    if last is None:
        what = "no strided convolution" if limits.block_1_ends == "with_first_strided" else "no dilated one"
        first = "downsampling" if limits.block_1_ends == "with_first_strided" else "dilation"
        return not_judged(
            rule,
            expected,
            f"{actual}; but there is {what}, so nobody can say where block 1 ends (see {first})",
            cause="student",
            advice=f"Make {first} pass first.",
        )
    early = [c.node for c in found if c.position <= last]
    if early:
        advice = f"Use ordinary convolutions in block 1: {layers(early)}."
        return failed(rule, expected, f"{actual}; in block 1: {layers(early)}", *early, advice=advice)
    return passed(rule, expected, actual, *(c.node for c in found))


def dilation(view: View, variant: VariantSpec) -> Finding:
    """Check that there are dilated convolutions, where and in which order the variant wants them."""
    rule, limits = "dilation", variant.dilation
    expected = f"at least {_counted(limits.distinct_at_least, 'different dilation')} > 1"
    expected += ", one after the last strided convolution" if limits.after_last_strided else ""
    expected += ", never decreasing" if limits.never_decreasing else ""
    found = view.dilated
    actual = ", ".join(f"{c.dilation} in {c.node.layer}" for c in found) or "no dilated convolution"
    nodes = [c.node for c in found]
    if len({c.dilation for c in found}) < limits.distinct_at_least:
        return failed(rule, expected, actual, *nodes, advice=_dilation_advice(view, limits))
    order = [c.dilation for c in found]
    if limits.never_decreasing and order != sorted(order):
        advice = f"Order the dilations so that they grow: {', '.join(map(str, sorted(order)))}."
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
        if not any(c.node is not last.node and view.depends_on(c.node, last.node) for c in found):
            advice = f"Put a dilated 3x3 convolution after {last.node.layer}, the last strided one."
            return failed(rule, expected, f"{actual}; none after {last.node.layer}", *nodes, advice=advice)
    return passed(rule, expected, actual, *nodes)


def min_receptive_field(view: View, limits: MinReceptiveField) -> Finding:
    """Check that the last feature map sees enough of the image."""
    rule = "min_receptive_field"
    place = "before the global pool" if limits.place == "before_pool" else "counting the global pool"
    expected = f"more than {limits.above_px} px {place}"
    before, after = view.receptive_field_px, view.receptive_field_with_pool_px
    rf = before if limits.place == "before_pool" else after
    if view.unknown:
        return opaque(rule, expected, view.unknown)
    if before is None:
        return _without_head(rule, expected, view)
    actual = f"{before} px" + (f" ({after} px counting the pool)" if after is not None else "")
    if view.measured.global_layers:
        actual += f"; {', '.join(view.measured.global_layers[:3])} looks at the whole image and adds nothing"
    if rf is None:
        return failed(rule, expected, f"{actual}; no global pool", advice="End in a global average pool.")
    if rf <= limits.above_px:
        advice = wider(view, limits)
        return failed(rule, expected, actual, *_last(view), advice=advice)
    if not view.is_exact:
        return not_judged(
            rule,
            expected,
            f"at most {rf} px: interpolation in {layers(view.resampling)} leaves only an upper bound",
            *view.resampling,
            cause="harness",
            advice="Replace the interpolation, or ask the teacher to judge this rule by hand.",
        )
    return passed(rule, expected, actual, *_last(view))


# Private functions


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _is_wanted(convolution: Convolution, kernel: int, stride: int) -> bool:
    window = convolution.window
    plain = short_name(convolution.node.op) == "conv2d"
    return plain and set(window.kernel) == {kernel} and set(window.stride) == {stride}


def _downsampling_found(view: View, side: str, stride: int, wrong: Sequence[Convolution]) -> str:
    right = len(view.strided) - len(wrong)
    parts = [f"{_counted(right, 'convolution')} ({side}, stride {stride})"] if right else []
    for c in wrong:
        kernel = "x".join(map(str, c.window.kernel))
        strides = "x".join(map(str, sorted(set(c.window.stride))))
        parts.append(f"{kernel} stride-{strides} {short_name(c.node.op)} in {c.node.layer}")
    parts += [f"{short_name(node.op)} in {node.layer}" for node in view.resampling]
    jump = " and ".join(map(str, view.jumps)) or "unknown"
    return f"jump {jump}: " + (", ".join(parts) or "nothing raises it")


def _without_head(rule: str, expected: str, view: View) -> Finding:
    if view.head.unknown is not None and view.opaque:
        return opaque(rule, expected, view.opaque[0])
    return not_judged(
        rule,
        expected,
        f"no feature map leads to the output; head: {describe(view.measured, view.head)}",
        cause="student",
        advice="Make gap_linear_head pass first: its rule says where the network's head begins.",
    )


def _end_of_block_1(view: View, limits: Depthwise) -> int | None:
    """Return the place of the last convolution that belongs to block 1; None when it has no end."""
    if limits.block_1_ends == "with_first_strided":
        return view.strided[0].position if view.strided else None
    return view.dilated[0].position - 1 if view.dilated else None


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
        free = [c for c in free if view.depends_on(c.node, last.node)]
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
