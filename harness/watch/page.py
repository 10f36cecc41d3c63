"""The protocol of a watched page: parts that change, each a piece of HTML, and the cards it links to."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from jinja2 import Environment

from harness.cohort.page import STATES
from harness.report.html import page_environment, unbroken
from harness.report.markdown import TEMPLATES
from harness.report.words import duration

Kind = Literal["class", "run"]
Parts = Mapping[str, str]
"""HTML by the id of the element that it fills, those first that hold others."""


class View(Protocol):
    """Something to watch: a class, or the folder of one run."""

    kind: Kind

    @property
    def title(self) -> str:
        """The title of what is watched."""

    def parts(self) -> Parts:
        """Return every part of the page as it is now."""

    def card(self, name: str) -> Path | None:
        """Return the file of a scorecard that the page links to; None where there is none."""


@cache
def environment() -> Environment:
    """Set Jinja up for the parts of the page."""
    jinja = page_environment(TEMPLATES)
    jinja.globals |= {"STATES": STATES}
    jinja.filters |= {"duration": duration}
    return jinja


def part(name: str, **values: Any) -> str:
    """Render one part of the page, a macro of ``_watch.html.j2``."""
    macros = environment().get_template("_watch.html.j2").module
    return unbroken(str(getattr(macros, name)(**values)))


def page(view: View, parts: Parts, *, only: str = "") -> str:
    """Render the page whole, as it stands; `only` asks for a page with one of its parts alone."""
    template = environment().get_template("watch.html.j2")
    return template.render(view=view, parts=parts, only=only)
