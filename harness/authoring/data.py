"""The data of an assignment, as far as it is on this machine."""

from pathlib import Path

from harness.datasets.dataset import Public
from harness.datasets.places import local_folder, places
from harness.datasets.spec import DataSpec


def data_path(spec: DataSpec, folder: str | None = None) -> Path | None:
    """Find an assignment's data, looking in `folder` first; None where it is not here. Nothing is read."""
    if isinstance(spec.of, Public):
        return local_folder(spec.of, folder)
    path = spec.path or ""
    searched = [*(place / path for place in places(spec.of, folder)), Path(path)]
    return next((found for found in searched if found.exists()), None)
