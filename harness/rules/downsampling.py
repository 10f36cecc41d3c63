"""The rule about what changes the size of a map."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from harness.base.tables import Positive, not_empty
from harness.graph.advice import jump_with_stride
from harness.graph.convolution import Convolution
from harness.graph.ir import Node
from harness.graph.naming import counted, layers
from harness.graph.operators import short_name
from harness.graph.receptive_field.field import Unknown
from harness.graph.receptive_field.sliding import SLIDES_OVER_MIXED
from harness.graph.view import View
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.limits import Count
from harness.rules.mends import (
    Mend,
    average_in_place_of,
    ends_in,
    insert,
    leave_out,
    leave_out_branch,
    on_every_path,
    reshape,
    stride_in_place_of,
)
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator, without_head

_TRIED = 8
"""Convolutions whose stride is changed, from the last one backwards, to find an example for the help."""


@rule(asks="the right strides, and nothing else that shrinks the maps", needs="influence")
class Downsampling(NetworkRule):
    """Check that the requested strided convolutions, and nothing else, raise the jump as requested."""

    tells_variants_apart = True

    class Settings(RuleSettings):
        """The number, kernels and stride of convolutions that may raise the jump, and to what.

        Nothing else may change it. With ``{ at_least = 1 }`` strided convolutions and a jump of
        ``{ at_least = 2 }`` the last thing that raises the jump is a strided convolution, wherever it stands.
        """

        strided_convolutions: Count
        kernel: Annotated[tuple[Positive, ...], AfterValidator(not_empty)] = (3,)
        """Sides of the square kernels that may have a stride; one number stands for a list of one."""
        stride: Annotated[int, Field(ge=2)] = 2
        jump: Count
        """Jump of the last map."""

        @field_validator("kernel", mode="before")
        @classmethod
        def _one_kernel(cls, value: Any) -> Any:
            return tuple(value) if isinstance(value, list) else (value,)

        @field_validator("jump")
        @classmethod
        def _jump_is_possible(cls, value: Count) -> Count:
            if value.smallest < 1:
                raise ValueError(f"a jump is at least 1, got {value.smallest}")
            return value

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        return network.by_influence(lambda view: _downsampling(view, settings))

    def mends(self, network: Network, settings: Settings) -> Iterator[Mend]:
        """Yield what to do about the first layer that may not change the jump, or with one that has to."""
        view = network.failing(lambda one: _downsampling(one, settings))
        right = [c for c in view.strided if _is_requested(c, settings)]
        is_needed = len(right) < settings.strided_convolutions.smallest
        wrong = {c.node.name: c for c in view.strided if c not in right}
        others = {node.name for node in view.resampling}
        if settings.strided_convolutions.exactly != 0:
            yield from _side_by_side_out(view, right)
        for node in view.measured.nodes:
            if node.name in wrong:
                yield from _other_window(view, wrong[node.name], settings, is_needed=is_needed)
                return
            if node.name in others:
                yield from _no_pool(view, node, settings, network.classes, is_needed=is_needed)
                return
        if is_needed:
            yield from _one_more(view, settings)
        elif not settings.strided_convolutions.allows(len(right)):
            for chosen in right[: -_TRIED - 1 : -1]:
                yield from _no_stride(view, chosen)


# Private functions

Settings = Downsampling.Settings


def _downsampling(view: View, limits: Settings) -> Verdict:
    expected, sides = _expected(limits), _sides(limits)
    strided = view.strided
    wrong = [c for c in strided if not _is_requested(c, limits)]
    others = [*(c.node for c in wrong), *view.resampling]
    actual = _found(view, limits, wrong)
    if others:
        advice = f"Only {sides} stride-{limits.stride} convolutions may change the size of the map; change "
        none_at_all = limits.strided_convolutions.exactly == 0
        advice += f"{layers(others)} to stride 1." if none_at_all else f"{layers(others)}."
        return failed(expected, actual, *others, advice=advice)
    nodes = [c.node for c in strided]
    if not limits.strided_convolutions.allows(len(strided)):
        return failed(expected, actual, *nodes, advice=_count_advice(view, limits))
    if view.unknown:
        return unknown_operator(expected, view.unknown)
    for reason in view.unknown_operators:
        if reason.why == SLIDES_OVER_MIXED:
            return unknown_operator(expected, reason)
    if view.mixing:
        why = "it computes rows or columns from several others"
        return unknown_operator(expected, Unknown(view.mixing[0], why))
    if not view.final_maps:
        return without_head(expected, view)
    if len(view.jumps) != 1 or not limits.jump.allows(view.jumps[0]):
        advice = "Put the strided convolutions one after the other on the path that every output takes."
        return failed(expected, actual, *nodes, advice=advice)
    return passed(expected, actual, *nodes)


def _expected(limits: Settings) -> str:
    jump, count = limits.jump, limits.strided_convolutions
    requested = f"jump {jump.exactly}" if jump.exactly is not None else f"a jump of at least {jump.smallest}"
    if count.exactly == 0:
        return f"{requested} at the head, raised by nothing"
    how_many = "exactly" if count.exactly is not None else "at least"
    convolutions = f"{counted(count.smallest, 'convolution')} ({_sides(limits)}, stride {limits.stride})"
    return f"{requested} at the head, raised by {how_many} {convolutions} and nothing else"


def _sides(limits: Settings) -> str:
    return " or ".join(f"{kernel}x{kernel}" for kernel in limits.kernel)


def _is_requested(convolution: Convolution, limits: Settings) -> bool:
    return _has_kernel(convolution, limits.kernel) and set(convolution.window.stride) == {limits.stride}


def _has_kernel(convolution: Convolution, sides: Sequence[int]) -> bool:
    kernel = set(convolution.window.kernel)
    return short_name(convolution.node.op) == "conv2d" and len(kernel) == 1 and kernel <= set(sides)


def _found(view: View, limits: Settings, wrong: Sequence[Convolution]) -> str:
    right = len(view.strided) - len(wrong)
    requested = f"({_sides(limits)}, stride {limits.stride})"
    parts = [f"{counted(right, 'convolution')} {requested}"] if right else []
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


def _count_advice(view: View, limits: Settings) -> str:
    """Return how many convolutions need another stride."""
    missing = limits.strided_convolutions.smallest - len(view.strided)
    stride = limits.stride if missing > 0 else 1
    return f"Give stride {stride} to {abs(missing)} of the {_sides(limits)} convolutions."


def _other_window(view: View, wrong: Convolution, limits: Settings, *, is_needed: bool) -> Iterator[Mend]:
    """Change the kernel and stride of a convolution to those allowed, or remove its stride."""
    if is_needed:
        side = None if _has_kernel(wrong, limits.kernel) else limits.kernel[0]
        stride = None if set(wrong.window.stride) == {limits.stride} else limits.stride
        yield from reshape(view, wrong, side=side, stride=stride)
    yield from _no_stride(view, wrong)


def _no_stride(view: View, strided: Convolution) -> Iterator[Mend]:
    jump = jump_with_stride(view, strided, 1)
    yield from reshape(view, strided, stride=1, then=f": the jump is then {jump}" if jump else "")


def _side_by_side_out(view: View, right: Sequence[Convolution]) -> Iterator[Mend]:
    """Yield the mends that remove one of two branches with a stride: the wrong one, else the later."""
    for one, other in combinations(view.strided, 2):
        if _is_beside(view, one, other):
            gone, kept = (one, other) if one not in right else (other, one)
            yield from leave_out_branch(view, gone, kept)
            return


def _is_beside(view: View, one: Convolution, other: Convolution) -> bool:
    """Return whether neither of two convolutions is computed from the other."""
    pairs = ((one.node, other.node), (other.node, one.node))
    return not any(before.name in view.behind(after) for after, before in pairs)


def _no_pool(view: View, pool: Node, limits: Settings, classes: int, *, is_needed: bool) -> Iterator[Mend]:
    """Yield the mends that replace what changes the jump and is no convolution."""
    if ends_in(view, pool):
        yield from average_in_place_of(view, pool, classes)
        return
    if is_needed:
        yield from stride_in_place_of(view, pool, limits.stride)
    yield from leave_out(view, pool)


def _one_more(view: View, limits: Settings) -> Iterator[Mend]:
    """Yield the mends that give a convolution a stride, or add one that has it, from the end to the start."""
    plain = [c for c in view.convolutions if c not in view.strided and _has_kernel(c, limits.kernel[:1])]
    alone = [c for c in plain if on_every_path(view, c.node)]
    for chosen in sorted(alone[: -_TRIED - 1 : -1], key=lambda c: (c.dilation > 1, c.window.groups > 1)):
        jump = jump_with_stride(view, chosen, limits.stride)
        then = f": the jump is then {jump}" if jump is not None and (jump,) != view.jumps else ""
        yield from reshape(view, chosen, stride=limits.stride, then=then)
    mixing = {c.node.name for c in view.convolutions if c.window.groups == 1}
    joined = [n for n in view.measured.nodes if n.name in mixing or short_name(n.op).rstrip("_") == "add"]
    places = [node for node in joined if on_every_path(view, node)]
    for node in places[: -_TRIED - 1 : -1]:
        yield from insert(view, node, side=limits.kernel[0], stride=limits.stride)
