"""What `harness rf` shows of one network: the table of its layers, the second measurement, the picture."""

from dataclasses import dataclass

from harness.analysis.agreement import agreement, targets
from harness.analysis.receptive import table
from harness.analysis.span import Span
from harness.analysis.view import View
from harness.errors import HarnessError
from harness.intake.sandbox import Untraced
from harness.record import ReceptiveFieldRow, SecondMeasurement
from harness.run import Run, measure_field


@dataclass(frozen=True)
class EffectiveField:
    """The mean absolute input gradient of one position, and the interval it can see, in pixels.

    `heat` is rows of pixels, its largest value 1; `rows` and `columns` are (first pixel, length), and
    may reach beyond the image.
    """

    heat: tuple[tuple[float, ...], ...]
    rows: tuple[float, float]
    columns: tuple[float, float]


@dataclass(frozen=True)
class FieldReport:
    """The receptive field of one network; None and `unknown` where it cannot be computed."""

    title: str
    rows: tuple[ReceptiveFieldRow, ...]
    before_pool_px: int | None
    with_pool_px: int | None
    jump: int | None
    unknown: str = ""
    check: SecondMeasurement | None = None
    effective: EffectiveField | None = None

    @property
    def doubtful(self) -> bool:
        """Tell whether a second measurement was asked for and does not agree."""
        return self.check is not None and self.check.status != "agrees"


def report_field(run: Run, variant: str, title: str, *, check: bool, images: int) -> FieldReport:
    """Report the receptive field of a variant that has been taken in.

    `check` measures it a second time; `images` are those the effective field is averaged over, 0 for none.

    Raises:
        HarnessError: the network could not be exported; the effective field is asked for and cannot be had.
    """
    traced = run.traced[variant]
    if isinstance(traced, Untraced):
        raise HarnessError(f"{traced.message}\n{traced.traceback}".rstrip())
    view = View(traced.architecture, traced.architecture.eval)
    size = "x".join(str(side) for side in view.measured.graph.input_shape[-2:])
    measured = measure_field(run, variant, images) if check or images else None
    return FieldReport(
        title=title or f"RF: {traced.class_name} ({size} input)",
        rows=table(view.measured),
        before_pool_px=view.receptive_field_px,
        with_pool_px=view.receptive_field_with_pool_px,
        jump=max(view.jumps, default=None),
        unknown=_why(view),
        check=agreement(view, measured.extents) if measured and check else None,
        effective=_effective(view, measured.heat, measured.position) if measured else None,
    )


# Private functions


def _why(view: View) -> str:
    if view.unknown is not None:
        node = view.unknown.node
        return f"{node.op} in {node.layer}: {view.unknown.why}"
    return "" if view.final_maps else "no feature map leads to the output"


def _effective(
    view: View, heat: tuple[tuple[float, ...], ...] | None, position: tuple[int, int] | None
) -> EffectiveField | None:
    if heat is None or position is None:
        return None
    field = view.measured.fields[targets(view)[-1]]
    return EffectiveField(heat, _interval(field.h, position[0]), _interval(field.w, position[1]))


def _interval(span: Span, position: int) -> tuple[float, float]:
    return float(span.start + position * span.jump), float(span.rf_px)
