"""Render Markdown: ``scorecard.md`` of a record; what a submission can influence is escaped."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tabulate import tabulate

from harness.assignment.points import stated, total_of, variant_in_words
from harness.base.installation import package_data
from harness.record.facts import ReceptiveFieldRow, SecondMeasurement
from harness.record.record import Record
from harness.record.trainings import Training, in_percent
from harness.report import words
from harness.report.visible import short, visible

TEMPLATES = package_data("templates")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~$!&])")


def environment(templates: Path = TEMPLATES) -> Environment:
    """Set Jinja up for Markdown; text from a submission goes through `text`, `code` or `fenced`."""
    jinja = Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, not HTML: every student's text goes through a filter
        keep_trailing_newline=True,
        trim_blocks=False,
    )
    jinja.filters |= {
        "text": escape_markdown,
        "code": inline_code,
        "fenced": fenced,
        "percent": percent,
        "px": lambda length: "not known" if length is None else f"{length} px",
        "rf_table": receptive_field_table,
        "training_table": training_table,
        "seeds_table": seeds_table,
        "checked": in_words,
        "pretty_json": pretty_json,
        "finding_of": words.finding_of,
        "rules_of": words.rules_of,
        "to_change": words.to_change,
        "asks": words.asks,
        "url": quote,
        "total": total_of,
        "stated": stated,
        "variant_points": variant_in_words,
    }
    jinja.globals |= {"VERDICTS": words.VERDICTS, "CAUSES": words.CAUSES, "PICTURES": words.PICTURES}
    return jinja


def render_scorecard(
    record: Record,
    pictures: Mapping[str, Sequence[Path]] | None = None,
    templates: Path = TEMPLATES,
    in_class: Sequence[str] = (),
) -> str:
    """Render ``scorecard.md`` from a record alone; a misspelt field in a template raises.

    `pictures` are the paths of each variant's pictures, relative to the scorecard.
    `in_class` as of `harness.report.html.render_html`.
    """
    template = environment(templates).get_template("scorecard.md.j2")
    return template.render(record=record, pictures=pictures or {}, in_class=in_class)


def pictures_beside(out: Path, folders: Mapping[str, Path]) -> dict[str, list[Path]]:
    """Find the pictures that were drawn in the variants' folders, relative to `out`."""
    found = {
        name: [folder / "plots" / picture for picture in words.PICTURES] for name, folder in folders.items()
    }
    return {
        name: [Path(os.path.relpath(path, out)) for path in paths if path.is_file()]
        for name, paths in found.items()
    }


def render_field(report: object) -> str:
    """Render the receptive-field table of one network, a `harness.pipeline.receptive_field.FieldReport`."""
    return environment().get_template("receptive_field.md.j2").render(report=report)


def escape_markdown(text: str) -> str:
    """Make text stand for itself in Markdown, tables included, on one line."""
    return (
        _MARKDOWN.sub(r"\\\1", " ".join(visible(text).split())).replace("\\<", "&lt;").replace("\\>", "&gt;")
    )


def inline_code(text: str) -> str:
    """Show a name as code, cut if very long; what could end the code span or the table cell is replaced."""
    safe = short(" ".join(visible(text).split())).replace("`", "'").replace("|", "¦")
    return f"`{safe}`" if safe else ""


def fenced(text: str) -> str:
    """Show text in a code block whose fence is longer than any run of backticks in it."""
    text = visible(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.strip(chr(10))}\n{fence}"


def pretty_json(data: Mapping[str, Any]) -> str:
    """Show a table of settings, such as a recipe, as indented JSON."""
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False)


def percent(share: float) -> str:
    """Show a share in [0, 1] as a percentage with two decimals; see `in_percent`."""
    return f"{in_percent(share)} %"


def receptive_field_table(rows: Sequence[ReceptiveFieldRow]) -> str:
    """Render the receptive-field table as the seed project did."""
    header = ["#", "Layer", "k", "s", "d", "RF_in", "jump_in", "RF_out", "jump_out"]
    cells = [
        [i, inline_code(r.layer), r.k, r.s, r.d, r.rf_in, r.jump_in, r.rf_out, r.jump_out]
        for i, r in enumerate(rows, 1)
    ]
    aligned = ["right", "left", *["right"] * 7] if cells else None
    return str(tabulate(cells, header, tablefmt="pipe", disable_numparse=True, colalign=aligned))


def in_words(check: SecondMeasurement) -> str:
    """Return what the second measurement of the receptive field found."""
    number = "" if check.px is None else f"{check.px} px"
    what = {"agrees": "agrees", "differs": "DIFFERS", "not_measured": "not possible"}[check.status]
    details = "; ".join(part for part in (number, check.note) if part)
    return f"{what} ({details})" if details else what


def seeds_table(trainings: Sequence[Training]) -> str:
    """Render the trainings of one variant, by seed."""
    header = ["Seed", "Test accuracy", "95 % interval", "Best epoch"]
    cells = [
        [t.seed, percent(t.accuracy), " to ".join(map(percent, t.accuracy_interval)), t.best_epoch]
        for t in trainings
    ]
    return str(tabulate(cells, header, tablefmt="pipe", disable_numparse=True))


def training_table(training: Training) -> str:
    """Render the epochs of a training."""
    header = ["Epoch", "Train loss", "Train accuracy", "Test loss", "Test accuracy", "Learning rate"]
    cells = [
        [
            e.epoch,
            f"{e.train_loss:.4f}",
            percent(e.train_acc),
            f"{e.test_loss:.4f}",
            percent(e.test_acc),
            f"{e.lr:.2g}",
        ]
        for e in training.epochs
    ]
    return str(tabulate(cells, header, tablefmt="pipe", disable_numparse=True))
