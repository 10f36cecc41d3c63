"""Render a record as the Markdown scorecard: a pure function from a record to text."""

from pathlib import Path

from harness.record import Record
from harness.reporting.markdown import TEMPLATES, environment


def render_scorecard(record: Record, templates: Path = TEMPLATES) -> str:
    """Render ``scorecard.md`` from a record alone; a misspelt field in a template raises."""
    return environment(templates).get_template("scorecard.md.j2").render(record=record)
