"""The parts of `harness rf` for one network: the table of its layers, the second measurement, the picture."""

from dataclasses import dataclass

from harness.base.errors import HarnessError
from harness.graph.receptive_field.agreement import agreement, targets
from harness.graph.receptive_field.engine import table
from harness.graph.receptive_field.span import Span
from harness.graph.view import View
from harness.loader.load import Untraced
from harness.pipeline.run import LAST_CHECKPOINT, Run, measure_field
from harness.record.record import ReceptiveFieldRow, Record, SecondMeasurement
from harness.report.plots.sources import EFFECTIVE_FIELD, EffectiveField, Weights, write_effective_field
from harness.training.events import FieldEvent

IMAGES = 32
"""Random images that the effective receptive field of a graded network is averaged over."""


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
        """Whether a second measurement was asked for and does not agree."""
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
        effective=_effective(view, measured, "initial") if measured else None,
    )


def keep_effective_field(run: Run, variant: str, *, trained: bool) -> None:
    """Measure a variant's effective receptive field and write it into its folder.

    `trained` says that the last checkpoint holds the weights to look at, else the initial ones are.
    Nothing is written for a network that could not be exported or whose field is not known.

    Raises:
        HarnessError: as `harness.pipeline.run.measure_field`.
    """
    traced = run.traced[variant]
    # Of an earlier run: it would be drawn as this one's.
    (run.folder(variant) / EFFECTIVE_FIELD).unlink(missing_ok=True)
    if isinstance(traced, Untraced):
        return
    view = View(traced.architecture, traced.architecture.eval)
    if not targets(view):
        return
    checkpoint = run.folder(variant) / LAST_CHECKPOINT if trained else None
    measured = measure_field(run, variant, IMAGES, checkpoint)
    field = _effective(view, measured, "trained" if trained else "initial")
    if field is not None:
        write_effective_field(run.folder(variant), field)


def keep_effective_fields(run: Run, record: Record) -> tuple[str, ...]:
    """Measure what the pictures of the receptive field show; a failure is a note, and costs no grade."""
    notes = []
    for name, variant in record.variants.items():
        if name not in run.probes:
            continue  # a network that could not be run untrained cannot be differentiated
        try:
            keep_effective_field(run, name, trained=variant.training is not None)
        except HarnessError as error:
            notes.append(f"{name}: the effective receptive field is not drawn: {error}")
    return tuple(notes)


# Private functions


def _why(view: View) -> str:
    if view.unknown is not None:
        node = view.unknown.node
        return f"{node.op} in {node.layer}: {view.unknown.why}"
    return "" if view.final_maps else "no feature map leads to the output"


def _effective(view: View, measured: FieldEvent, weights: Weights) -> EffectiveField | None:
    if measured.heat is None or measured.position is None:
        return None
    graph, name = view.measured.graph, targets(view)[-1]
    field = view.measured.fields[name]
    corner, size = [], []
    for axis, side, position in zip("hw", graph.input_shape[-2:], measured.position, strict=True):
        assert isinstance(side, int)
        span = field.span(axis)
        own = _nearest_middle(span, side)
        corner.append(float((position - own) * span.jump))
        size.append(side)
    return EffectiveField(
        heat=measured.heat,
        rows=_interval(field.h, measured.position[0]),
        columns=_interval(field.w, measured.position[1]),
        image=(corner[0], corner[1], size[0], size[1]),
        weights=weights,
    )


def _nearest_middle(span: Span, side: int) -> int:
    """Find the position whose field of view lies closest to the middle of an image."""
    return round(((side - span.rf_px) / 2 - span.start) / span.jump)


def _interval(span: Span, position: int) -> tuple[float, float]:
    return float(span.start + position * span.jump), float(span.rf_px)
