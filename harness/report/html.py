"""Render a record as ``scorecard.html``: one file that needs no other, on a screen, on paper or read aloud.

The environment itself escapes everything that the template prints and makes it visible, so no expression
can forget it. The page's policy forbids every request and every script but its own.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import ValidationError

from harness.assignment.points import SHORT, stated, total_of, variant_in_words
from harness.datasets.spec import DataSpec
from harness.record.record import Record, VariantRecord
from harness.record.trainings import Training, in_percent
from harness.report import charts, words
from harness.report.charts import Chart, FieldView, Strip
from harness.report.embedded import Embedded, embedded_in
from harness.report.markdown import TEMPLATES, in_words, percent, pretty_json
from harness.report.plots.sources import SHARE
from harness.report.visible import short, visible
from harness.report.words import accuracy_asked

CONFUSIONS = 5
"""Pairs of classes that are named as the most often confused."""
_PERCENT = re.compile(r"(<(pre|style|script)\b.*?</\2>)|(?<=\d) %", re.DOTALL)


@dataclass(frozen=True)
class Confusion:
    """Test images of one class called another: how many, and how many there are of that class."""

    label: str
    called: str
    count: int
    total: int


@dataclass(frozen=True)
class Drawings:
    """The drawings of one variant; None where there is nothing to draw."""

    pictures: Embedded
    field: FieldView | None = None
    accuracy: Chart | None = None
    loss: Chart | None = None
    strip: Strip | None = None
    confusions: tuple[Confusion, ...] = ()


def render_html(
    record: Record,
    folders: Mapping[str, Path],
    templates: Path = TEMPLATES,
    student: str = "",
    in_class: Sequence[str] = (),
) -> str:
    """Render ``scorecard.html`` from a record and the pictures in its variants' folders, see `render_page`.

    `folders` may lack a variant.
    """
    pictures = {
        name: embedded_in(variant, folders[name])
        for name, variant in record.variants.items()
        if name in folders
    }
    return render_page(record, pictures, templates, student, in_class)


def render_page(
    record: Record,
    pictures: Mapping[str, Embedded],
    templates: Path = TEMPLATES,
    student: str = "",
    in_class: Sequence[str] = (),
) -> str:
    """Render ``scorecard.html`` from a record and the pictures of its variants.

    A picture that is not there is left out. `pictures` may lack a variant. `student` is named at the head.
    `in_class` says, in sentences, what becomes of the points in a class, such as what handing in late costs.
    """
    script = (templates / "scorecard.js").read_text(encoding="utf-8")
    drawings = {
        name: _drawings(
            variant, pictures.get(name, Embedded()), accuracy_asked(record, name), image_px(record)
        )
        for name, variant in record.variants.items()
    }
    return unbroken(
        page_environment(templates)
        .get_template("scorecard.html.j2")
        .render(
            record=record,
            drawings=drawings,
            in_class=in_class,
            student=student,
            style=Markup((templates / "scorecard.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def unbroken(html: str) -> str:
    """Join the percent sign to its number with a no-break space, but for code and printed output."""
    return _PERCENT.sub(lambda found: found[1] or "\u00a0%", html)


def image_px(record: Record) -> int | None:
    """Return the image size of a record's networks, in pixels; None where it does not hold its assignment."""
    assignment = record.provenance.get("assignment")
    data = assignment.get("data") if isinstance(assignment, dict) else None
    if not isinstance(data, dict):
        return None
    if data.get("input_shape") and not data.get("resize"):
        return int(data["input_shape"][-1])
    with suppress(ValidationError):  # of a data set that this harness does not know
        return DataSpec.model_validate(data).input_shape[-1]
    return None


def most_confused(training: Training) -> tuple[Confusion, ...]:
    """List the pairs of classes that are confused most often, by the number of images."""
    classes = training.data.classes
    pairs = [
        Confusion(classes[i], classes[j], count, sum(row))
        for i, row in enumerate(training.confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.count)[:CONFUSIONS])


def page_environment(templates: Path) -> Environment:
    """Set Jinja up for pages: everything that is printed is made visible and escaped."""
    jinja = Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    jinja.filters |= {
        "short": short,
        "percent": percent,
        "in_percent": in_percent,
        "worst_first": words.worst_first,
        "by_worst": words.by_worst,
        "checked": in_words,
        "pretty_json": pretty_json,
        "asks": words.asks,
        "finding_of": words.finding_of,
        "rules_of": words.rules_of,
        "to_change": words.to_change,
        "shade": _shade,
        "total": total_of,
        "stated": stated,
        "variant_points": variant_in_words,
    }
    jinja.globals |= {"VERDICTS": words.VERDICTS, "CAUSES": words.CAUSES, "SHORT": SHORT}
    jinja.globals |= {"parts": _parts, "HELD": f"{100 * SHARE:g}"}
    jinja.globals |= {"WIDTH": charts.WIDTH, "HEIGHT": charts.HEIGHT, "STRIP_HEIGHT": charts.STRIP_HEIGHT}
    jinja.globals |= {"LEFT": charts.LEFT, "RIGHT": charts.RIGHT, "TOP": charts.TOP, "BOTTOM": charts.BOTTOM}
    return jinja


# Private functions


def _drawings(
    variant: VariantRecord, pictures: Embedded, threshold: float | None, side: int | None
) -> Drawings:
    rows = variant.receptive_field
    field = charts.field_view(rows, side) if rows and side else None
    training = variant.training
    if training is None or not training.epochs:
        return Drawings(pictures, field)
    graded = threshold if training.data.name != "mini" else None
    return Drawings(
        pictures,
        field,
        accuracy=charts.accuracy_chart(training.epochs, graded, counts=training),
        loss=charts.loss_chart(training.epochs, counts=training),
        strip=None if graded is None else charts.accuracy_strip(variant.trainings, graded),
        confusions=most_confused(training),
    )


def _parts(variant: VariantRecord, drawn: Drawings) -> Iterator[tuple[str, str]]:
    """Yield the parts that are shown of a variant, in order: the end of its id, and its heading."""
    if variant.problem or words.to_change(variant):
        yield "change", "what to do"
    if variant.problem:
        return
    yield "evidence", "evidence"
    if drawn.pictures.architecture:
        yield "graph", "graph"
    if drawn.field:
        yield "field", "receptive field"
    if variant.training:
        yield "training", "training"
        yield "confusions", "confusions"


def _shown(value: object) -> object:
    """Make what cannot be seen visible in every text that is printed; escaping follows."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _shade(count: int, total: int) -> int:
    """Shade a cell by the root of its share, in percent: rare confusions would be invisible otherwise."""
    return round(100 * (count / total) ** 0.5) if total else 0
