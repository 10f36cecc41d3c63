"""The facts of a variant, read from its eval graph."""

from typing import Protocol

from harness.graph.evidence import Evidence
from harness.graph.head import describe
from harness.graph.maxima import find_maxima
from harness.graph.naming import layers
from harness.graph.parameters import Counted, numbers
from harness.graph.view import View
from harness.record.facts import Facts, SecondMeasurement, StridedConvolution


class Untrained(Protocol):
    """The measurements of an untrained network that go into the facts."""

    @property
    def accuracy_running(self) -> float:
        """With running statistics, in [0, 1]."""

    @property
    def finite(self) -> bool:
        """Whether all outputs are numbers."""

    @property
    def evidence(self) -> Evidence:
        """The influence of what is in the graph."""


def measured_facts(
    view: View,
    counted: Counted,
    probe: Untrained | None,
    *,
    seeds_differ: bool | None,
    second: SecondMeasurement | None = None,
) -> Facts:
    """Collect what was measured; what is not known stays None."""
    measured = view.measured
    maxima = find_maxima(measured, probe.evidence.pools if probe else {}).found
    return Facts(
        parameters=counted.total,
        receptive_field_px=view.receptive_field_px,
        receptive_field_with_pool_px=view.receptive_field_with_pool_px,
        receptive_field_check=second,
        jump=max(view.jumps, default=None),
        strided_convolutions=tuple(
            StridedConvolution(
                where=c.node.layer,
                kernel=c.window.kernel,
                stride=c.window.stride,
                dilation=c.window.dilation,
            )
            for c in view.strided
        ),
        dilations=tuple(sorted({c.dilation for c in view.dilated})),
        depthwise_convolutions=tuple(c.node.layer for c in view.convolutions if c.is_depthwise),
        max_pools=tuple(node.layer for node, _ in maxima),
        head=None if view.head.unknown else describe(measured, view.head),
        logits_shape=tuple(measured.shapes.get(measured.flow.output, ())) or None,
        untrained_accuracy=probe.accuracy_running if probe else None,
        warnings=_warnings(view, counted, probe, seeds_differ=seeds_differ),
    )


def _warnings(
    view: View, counted: Counted, probe: Untrained | None, *, seeds_differ: bool | None
) -> tuple[str, ...]:
    found = []
    if counted.unused:
        names = ", ".join(tensor.name for tensor in counted.unused[:8])
        total = sum(numbers(tensor) for tensor in counted.unused)
        found.append(f"{total:,} parameters are counted but never used: {names}.")
    if view.dead_convolutions:
        found.append(f"Executed, but the output does not depend on it: {layers(view.dead_convolutions)}.")
    if view.measured.global_layers:
        names = ", ".join(view.measured.global_layers[:8])
        found.append(f"Looks at the whole image, which adds nothing to the receptive field: {names}.")
    if seeds_differ is False:
        found.append("The untrained weights are the same under two seeds: they do not come from chance.")
    if probe is not None and not probe.finite:
        found.append("The untrained network gives outputs that are not numbers.")
    return tuple(found)
