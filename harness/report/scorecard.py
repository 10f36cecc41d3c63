"""Render a record as the Markdown scorecard: a pure function from a record to text."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.record.record import Record
from harness.report.markdown import TEMPLATES, environment
from harness.report.words import PICTURES

Pictures = Mapping[str, Sequence[Path]]
"""Paths of a variant's pictures, relative to the scorecard."""


def render_scorecard(
    record: Record,
    pictures: Pictures | None = None,
    templates: Path = TEMPLATES,
    in_class: Sequence[str] = (),
) -> str:
    """Render ``scorecard.md`` from a record alone; a misspelt field in a template raises.

    `in_class` as of `harness.report.html.render_html`.
    """
    template = environment(templates).get_template("scorecard.md.j2")
    return template.render(record=record, pictures=pictures or {}, in_class=in_class)


def pictures_beside(out: Path, folders: Mapping[str, Path]) -> dict[str, list[Path]]:
    """Find the pictures that were drawn in the variants' folders, relative to `out`."""
    found = {name: [folder / "plots" / picture for picture in PICTURES] for name, folder in folders.items()}
    return {
        name: [Path(os.path.relpath(path, out)) for path in paths if path.is_file()]
        for name, paths in found.items()
    }
