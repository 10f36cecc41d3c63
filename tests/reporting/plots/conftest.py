"""Figures as they are saved, so that a test can ask what was drawn where."""

from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Figure]]:
    """Call a drawing function and return the figures it saved; the files are written all the same."""
    saved: list[Figure] = []
    original = Figure.savefig

    def savefig(self: Figure, *args: Any, **kwargs: Any) -> None:
        saved.append(self)
        original(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)

    def draw(function: Callable[..., None], *args: Any) -> list[Figure]:
        saved.clear()
        function(*args)
        return list(saved)

    return draw
