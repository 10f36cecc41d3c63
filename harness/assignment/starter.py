"""The starter submission of `harness new`: it is written here, and known again when it is handed in."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness.base.errors import UsageError
from harness.base.installation import package_data
from harness.graph.ir import Architecture, Graph

STARTER = package_data("templates", "starter")
OUTLINE_SHA256 = "f57dee676d02bedd4f1474d38d57768b4d5e8b06ce1ccd4ca8d71e3856cfca76"
"""Of the starter's network, as the installed torch exports it."""


def write_starter(folder: Path) -> tuple[Path, ...]:
    """Write the starter submission into a folder that is empty or not there; returns its files.

    Raises:
        UsageError: the folder holds something, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder}: is not empty; expected a new or an empty folder. Name another one.")
        names = sorted(file.name for file in STARTER.iterdir() if file.is_file())
        return tuple(Path(shutil.copyfile(STARTER / name, folder / name)) for name in names)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{folder}: cannot be written ({reason}). Name another folder.") from None


def is_starter(architecture: Architecture) -> bool:
    """Return whether a network is the starter's, whatever its layers, values and lines are called."""
    return outline_sha256(architecture.eval) == OUTLINE_SHA256


def outline_sha256(graph: Graph) -> str:
    """Hash (hex) what a graph computes: its operators in order, their settings and shapes, and no name."""
    rows = [
        [node.op, node.shape, _settings(node.args), _settings(node.kwargs.values())] for node in graph.nodes
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


# Private functions


def _settings(values: Iterable[Any]) -> list[Any]:
    """Return the numbers, strings and lists of them; a reference to another value only as a placeholder."""
    plain = (None if isinstance(one, BaseModel) else one for one in values)
    return [_settings(one) if isinstance(one, list) else one for one in plain]
