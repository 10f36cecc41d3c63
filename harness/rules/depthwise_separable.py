"""The rule about depthwise-separable convolutions."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from harness.graph.changed_network import reshaped, with_convolution
from harness.graph.convolution import Convolution
from harness.graph.ir import Architecture, Node
from harness.graph.naming import counted, layers, placed
from harness.graph.view import View
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.mends import Mend, insert, reshape, tried
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, not_judged, passed, unknown_operator

_TRIED = 5
"""Convolutions tried, from the last one backwards."""


@rule(
    asks="depthwise-separable convolutions, where they belong",
    needs="influence",
    depends=("downsampling", "dilation"),
)
class DepthwiseSeparable(NetworkRule):
    """Check that depthwise-separable convolutions are used, and none in block 1 where it is kept free."""

    class Settings(RuleSettings):
        """The number of depthwise-separable convolutions, and where block 1, free of them, ends."""

        at_least: Annotated[int, Field(ge=0)] = 1
        block_1_ends: Literal["with_first_strided", "before_first_dilated"] | None = None
        """Not given: they may stand anywhere."""

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs, and what has influence alone."""
        apart = network.shown.apart
        return network.by_influence(lambda view: _depthwise_separable(view, settings, apart))

    def mends(self, network: Network, settings: Settings) -> Iterator[Mend]:
        """Yield what would make a pair of a convolution, or an ordinary one of a pair in block 1."""
        apart = network.shown.apart
        view = network.failing(lambda one: _depthwise_separable(one, settings, apart))
        if len(view.separable) < settings.at_least:
            yield from _paired(view)
        elif settings.block_1_ends is not None:
            for c in _early(view, settings):
                if c.window.groups > 1:
                    yield from reshape(view, c, groups=1)


# Private functions

Settings = DepthwiseSeparable.Settings


def _depthwise_separable(view: View, limits: Settings, apart: Mapping[str, str]) -> Verdict:
    """Judge one graph; `apart` are layers that mix what was found to be depthwise by what it does."""
    expected = f"at least {counted(limits.at_least, 'depthwise-separable convolution')}"
    expected += ", none in block 1" if limits.block_1_ends else ""
    found = view.separable
    actual = f"{len(found)}: {layers([c.node for c in found])}" if found else "none"
    if len(found) < limits.at_least:
        if view.unknown_operators and not view.convolutions:
            return unknown_operator(expected, view.unknown_operators[0])
        return failed(expected, actual, *_nearly(view), advice=_depthwise_advice(view))
    nodes = [c.node for c in found]
    if limits.block_1_ends is None:
        return passed(expected, actual, *nodes)
    if not (view.strided if limits.block_1_ends == "with_first_strided" else view.dilated):
        what = "no strided convolution" if limits.block_1_ends == "with_first_strided" else "no dilated one"
        first = "downsampling" if limits.block_1_ends == "with_first_strided" else "dilation"
        return not_judged(
            expected,
            f"{actual}; but there is {what}, so it is not known where block 1 ends (see {first})",
            cause="student",
            advice=f"Make {first} pass first.",
        )
    early = [c.node for c in _early(view, limits)]
    mixers = [n for n in view.pointwise if _is_from_block_1(view, apart.get(n.name), limits)]
    if early or mixers:
        advice = f"Use ordinary convolutions in block 1: {layers(early)}."
        if not early:
            advice = (
                f"Use ordinary convolutions in block 1: what {layers(mixers)} mixes is computed channel by "
            )
            advice += "channel from neighbours, as a depthwise convolution does."
        early = early or mixers
        return failed(expected, f"{actual}; in block 1: {layers(early)}", *early, advice=advice)
    return passed(expected, actual, *nodes)


def _early(view: View, limits: Settings) -> list[Convolution]:
    """List the pairs in block 1."""
    return [c for c in view.loosely_separable if _is_in_block_1(view, c, limits)]


def _is_in_block_1(view: View, convolution: Convolution, limits: Settings) -> bool:
    """Return whether a convolution works at the first resolution, or before any dilated one."""
    if limits.block_1_ends == "with_first_strided":
        return view.is_at_first_resolution(convolution)
    first = min(view.depth(c) for c in view.dilated)
    return convolution not in view.dilated and view.depth(convolution) < first


def _is_from_block_1(view: View, source: str | None, limits: Settings) -> bool:
    """Return whether a convolution that read a map would be one of block 1."""
    if source is None or source not in view.measured.fields:
        return False
    if limits.block_1_ends == "with_first_strided":
        field = view.measured.fields[source]
        return field.h.jump == field.w.jump == 1
    return view.depths.get(source, 0) + 1 < min(view.depth(c) for c in view.dilated)


def _nearly(view: View) -> list[Node]:
    """List convolutions that look depthwise-separable and are not."""
    return [c.node for c in view.convolutions if c.window.groups > 1]


def _depthwise_advice(view: View) -> str:
    for c in view.convolutions:
        if c.window.groups > 1 and not c.is_depthwise:
            kernel = "x".join(map(str, c.window.kernel))
            return (
                f"{placed(c.node)} is a {kernel} convolution with groups={c.window.groups} on {c.channels} "
                f"channels; depthwise is a 3x3 convolution with groups={c.channels}."
            )
        if c.is_depthwise:
            return (
                f"{placed(c.node)} is depthwise, but no pointwise convolution (1x1, groups=1) follows it "
                "with only normalisation, activation or dropout in between."
            )
    plain = _plain(view)
    if not plain:
        return "Use a depthwise 3x3 (groups = in_channels) followed by a 1x1 convolution."
    return _replaced(plain[-1])


def _plain(view: View) -> list[Convolution]:
    """List the convolutions that a pair could take the place of."""
    ordinary = [c for c in view.convolutions if c.is_spatial and c.window.groups == 1]
    return [c for c in ordinary if c.channels != view.measured.graph.input_shape[1]]


def _replaced(c: Convolution) -> str:
    kernel = "x".join(map(str, c.window.kernel))
    return (
        f"Replace {placed(c.node)} by a depthwise {kernel} (groups={c.channels}, its stride and dilation) "
        f"followed by a 1x1 convolution; its kernels then take {9 * c.channels:,} numbers."
    )


def _paired(view: View) -> Iterator[Mend]:
    """Complete what is nearly a pair; else put one in the place of an ordinary convolution."""
    grouped = [c for c in view.convolutions if c.window.groups > 1]
    for c in grouped[:_TRIED]:
        if c.is_spatial and not c.is_depthwise:
            yield from reshape(view, c, groups=c.channels)
        elif not c.is_spatial:
            yield from reshape(view, c, groups=1)
    for c in grouped[:_TRIED]:
        if c.is_depthwise:
            yield from insert(view, c.node, side=1)
    for c in _plain(view)[: -_TRIED - 1 : -1]:
        yield from tried(_replaced(c), _as_pair(view, c))


def _as_pair(view: View, convolution: Convolution) -> Architecture | None:
    """Draw a depthwise convolution and a pointwise one in the place of an ordinary one."""
    channels, out = convolution.channels, view.measured.weight_shape(convolution.node)[0]
    depthwise = reshaped(view, convolution, groups=channels, out=channels)
    if depthwise is None or not isinstance(out, int):
        return None
    here = View(depthwise, depthwise.eval if view.is_eval else depthwise.train)
    return with_convolution(here, here.measured.graph.by_name[convolution.node.name], side=1, out=out)
