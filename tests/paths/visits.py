"""A page of HTML as a browser shows it, and what keeps somebody out of it."""

from pathlib import Path
from typing import Any

from checkout import REPOSITORY

AXE = REPOSITORY / "tests" / "report" / "vendor" / "axe.min.js"
WIDTHS = (380, 800, 1400)
CUT = """[...document.querySelectorAll("body *")]
    .filter(element => !element.closest(".scroll > *, svg, thead") && element.clientWidth)
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
    .map(element => element.outerHTML.slice(0, 120))"""
"""Elements that reach beyond the page, other than inside a region that scrolls."""


class Visit:
    """A page that was opened, and what the browser had to say."""

    def __init__(self, browser: Any, place: Path | str, width: int = 1400, **context: Any) -> None:
        self.address = place.as_uri() if isinstance(place, Path) else place
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **context)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(self.address)

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    @property
    def asked_for(self) -> list[str]:
        """What was asked for besides the page and what lies in it."""
        return [url for url in self.requests if not url.startswith("data:") and url != self.address]

    def cut(self) -> list[object]:
        """List what is cut at any width: a width that is not the page's, or an element beyond it."""
        found: list[object] = []
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            across = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            found += [one for one in self.page.evaluate(across) if one != width]
            found += self.page.evaluate(CUT)
        return found

    def grave(self) -> list[tuple[str, ...]]:
        """List what axe finds that shuts somebody out."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        assert len(self.page.evaluate("axe.getRules()")) > 50
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [
            (one["id"], one["impact"], node["html"][:200])
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]
