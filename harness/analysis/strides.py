"""The rule about what changes the size of a map: downsampling."""

from collections.abc import Sequence

from harness.analysis.advice import jump_with_stride
from harness.analysis.classifier import without_head
from harness.analysis.convolution import Convolution
from harness.analysis.field import Unknown
from harness.analysis.ops import short_name
from harness.analysis.verdicts import counted, failed, layers, opaque, passed
from harness.analysis.view import View
from harness.analysis.windows import SLIDES_OVER_MIXED
from harness.limits import Downsampling, VariantRules
from harness.record import Finding

_TRIED = 8
"""Convolutions whose stride is changed, from the last one backwards, to find an example for the help."""


def downsampling(view: View, variant: VariantRules) -> Finding:
    """Check that the wanted strided convolutions, and nothing else, raise the jump to the wanted value."""
    rule, limits = "downsampling", variant.downsampling
    expected, sides = _expected(limits), _sides(limits)
    strided = view.strided
    wrong = [c for c in strided if not _is_wanted(c, limits)]
    others = [*(c.node for c in wrong), *view.resampling]
    actual = _found(view, limits, wrong)
    if others:
        advice = f"Only {sides} stride-{limits.stride} convolutions may change the size of the map; change "
        none_at_all = limits.strided_convolutions.exactly == 0
        advice += f"{layers(others)} to stride 1." if none_at_all else f"{layers(others)}."
        return failed(rule, expected, actual, *others, advice=advice)
    nodes = [c.node for c in strided]
    if not limits.strided_convolutions.allows(len(strided)):
        return failed(rule, expected, actual, *nodes, advice=_count_advice(view, limits))
    if view.unknown:
        return opaque(rule, expected, view.unknown)
    for reason in view.opaque:
        if reason.why == SLIDES_OVER_MIXED:
            return opaque(rule, expected, reason)
    if view.mixing:
        why = "it computes rows or columns from several others"
        return opaque(rule, expected, Unknown(view.mixing[0], why))
    if not view.final_maps:
        return without_head(rule, expected, view)
    if len(view.jumps) != 1 or not limits.jump.allows(view.jumps[0]):
        advice = "Put the strided convolutions one after the other on the path that every output takes."
        return failed(rule, expected, actual, *nodes, advice=advice)
    return passed(rule, expected, actual, *nodes)


# Private functions


def _expected(limits: Downsampling) -> str:
    jump, count = limits.jump, limits.strided_convolutions
    wanted = f"jump {jump.exactly}" if jump.exactly is not None else f"a jump of at least {jump.smallest}"
    if count.exactly == 0:
        return f"{wanted} at the head, raised by nothing"
    how_many = "exactly" if count.exactly is not None else "at least"
    convolutions = f"{counted(count.smallest, 'convolution')} ({_sides(limits)}, stride {limits.stride})"
    return f"{wanted} at the head, raised by {how_many} {convolutions} and nothing else"


def _sides(limits: Downsampling) -> str:
    return " or ".join(f"{kernel}x{kernel}" for kernel in limits.kernel)


def _is_wanted(convolution: Convolution, limits: Downsampling) -> bool:
    return _has_kernel(convolution, limits.kernel) and set(convolution.window.stride) == {limits.stride}


def _has_kernel(convolution: Convolution, sides: Sequence[int]) -> bool:
    kernel = set(convolution.window.kernel)
    return short_name(convolution.node.op) == "conv2d" and len(kernel) == 1 and kernel <= set(sides)


def _found(view: View, limits: Downsampling, wrong: Sequence[Convolution]) -> str:
    right = len(view.strided) - len(wrong)
    wanted = f"({_sides(limits)}, stride {limits.stride})"
    parts = [f"{counted(right, 'convolution')} {wanted}"] if right else []
    for c in wrong:
        kernel = "x".join(map(str, c.window.kernel))
        strides = _side_by_side(c.window.stride)
        parts.append(f"{kernel} stride-{strides} {short_name(c.node.op)} in {c.node.layer}")
    parts += [f"{short_name(node.op)} in {node.layer}" for node in view.resampling]
    jump = " and ".join(map(str, view.jumps)) or "unknown"
    return f"jump {jump}: " + (", ".join(parts) or "nothing raises it")


def _side_by_side(stride: Sequence[int]) -> str:
    """Write a stride as "2", or as "2x1" where its sides differ."""
    return str(stride[0]) if len(set(stride)) == 1 else "x".join(map(str, stride))


def _count_advice(view: View, limits: Downsampling) -> str:
    """Say how many convolutions need another stride, and what one of them would make of the jump."""
    missing = limits.strided_convolutions.smallest - len(view.strided)
    stride = limits.stride if missing > 0 else 1
    advice = f"Give stride {stride} to {abs(missing)} of the {_sides(limits)} convolutions"
    plain = [c for c in view.convolutions if c not in view.strided and _has_kernel(c, limits.kernel[:1])]
    # A dilated one last: without it another rule would fail.
    plain.sort(key=lambda c: c.dilation == 1)
    for chosen in reversed((plain if missing > 0 else view.strided)[-_TRIED:]):
        jump = jump_with_stride(view, chosen, stride)
        if jump is not None and (jump,) != view.jumps:
            return f"{advice}; in {chosen.node.layer} it would make the jump {jump}."
    return f"{advice}."
