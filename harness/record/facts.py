"""Facts: what was read from a graph."""

from typing import Literal

from harness.base.tables import Frozen


class StridedConvolution(Frozen):
    """One executed convolution that raises the jump."""

    where: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]


class ReceptiveFieldRow(Frozen):
    """One layer of the receptive-field table, in input pixels (the smaller side of a non-square one)."""

    layer: str
    k: int
    s: int
    d: int
    rf_in: int
    jump_in: int
    rf_out: int
    jump_out: int


class SecondMeasurement(Frozen):
    """The receptive field once more, by gradients: whether it agrees with the one computed from the graph.

    `px` is the measured number, None where the border of the image hides it; `note` says why there is
    no number, or where the two differ.
    """

    status: Literal["agrees", "differs", "not_measured"]
    px: int | None = None
    note: str = ""


class Facts(Frozen):
    """The measurements of the executed graph; None where something could not be measured."""

    parameters: int | None = None
    receptive_field_px: int | None = None
    receptive_field_with_pool_px: int | None = None
    receptive_field_check: SecondMeasurement | None = None
    jump: int | None = None
    strided_convolutions: tuple[StridedConvolution, ...] = ()
    dilations: tuple[int, ...] = ()
    depthwise_convolutions: tuple[str, ...] = ()
    max_pools: tuple[str, ...] = ()
    head: str | None = None
    logits_shape: tuple[int | str, ...] | None = None
    untrained_accuracy: float | None = None
    accuracy: float | None = None
    accuracy_interval: tuple[float, float] | None = None
    weights_sha256: str | None = None
    warnings: tuple[str, ...] = ()
