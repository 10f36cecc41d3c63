"""The parts of `harness rf` for one network: the table of its layers, the second measurement, the picture."""

from dataclasses import dataclass, replace

from harness.base.errors import HarnessError
from harness.graph.receptive_field.agreement import agreement, targets
from harness.graph.receptive_field.engine import table
from harness.graph.receptive_field.span import Span
from harness.graph.view import View
from harness.loader.client import Loaded, LoadFailure
from harness.pipeline.jobs import run_field
from harness.pipeline.loading import required
from harness.pipeline.recording import GradedVariant
from harness.pipeline.task import LAST_CHECKPOINT, Task
from harness.record.facts import ReceptiveFieldRow, SecondMeasurement
from harness.report.plots.sources import EffectiveField, Weights
from harness.training.client import Child
from harness.training.events import FieldEvent

DECIMALS = 6
"""Of the gradient that is drawn and kept; its largest value is 1."""
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
        """Return whether a second measurement was asked for and does not agree."""
        return self.check is not None and self.check.status != "agrees"


def report_field(
    task: Task,
    variant: str,
    loaded: Loaded | LoadFailure,
    title: str,
    worker: Child,
    *,
    check: bool,
    images: int,
) -> FieldReport:
    """Report the receptive field of a variant.

    `check` measures it a second time; `images` are those the effective field is averaged over, 0 for none.

    Raises:
        HarnessError: the network could not be exported; the effective field is asked for and cannot be had.
    """
    exported = required(loaded)
    view = View(exported.architecture, exported.architecture.eval)
    size = "x".join(str(side) for side in view.measured.graph.input_shape[-2:])
    measured = None
    if check or images:
        measured = run_field(task, variant, worker, extents=check, images=images)
    return FieldReport(
        title=title or f"RF: {exported.class_name} ({size} input)",
        rows=table(view.measured),
        before_pool_px=view.receptive_field_px,
        with_pool_px=view.receptive_field_with_pool_px,
        jump=max(view.jumps, default=None),
        unknown=_why(view),
        check=agreement(view, measured.extents) if measured and measured.extents else None,
        effective=_effective(view, measured, "initial") if measured else None,
    )


def with_effective_field(task: Task, name: str, graded: GradedVariant, worker: Child) -> GradedVariant:
    """Measure the effective receptive field, which pictures show: of trained weights, else of initial ones.

    None is measured of a network that could not be loaded or run, or whose field is not known. Where it
    cannot be, that is a note, and costs no grade.
    """
    judged = graded.judged
    if isinstance(judged, LoadFailure) or judged.probed.probe is None:
        return graded
    view = judged.network.evaluation
    if not targets(view):
        return graded
    trained = graded.trained is not None and bool(graded.trained.trainings)
    checkpoint = task.folder(name) / LAST_CHECKPOINT if trained else None
    try:
        measured = run_field(task, name, worker, extents=False, images=IMAGES, checkpoint=checkpoint)
    except HarnessError as error:
        return replace(graded, notes=(f"{name}: the effective receptive field is not drawn: {error}",))
    return replace(graded, field=_effective(view, measured, "trained" if trained else "initial"))


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
        heat=tuple(tuple(round(value, DECIMALS) for value in row) for row in measured.heat),
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
