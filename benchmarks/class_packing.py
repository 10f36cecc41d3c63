"""How the work of a made-up class is handed in: as a file, a folder, a notebook, an archive."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

Kind = Literal["honest", "borderline", "broken", "hostile"]
Files = Mapping[str, str | bytes]
"""Contents by path in the submission."""
INSTANT = (2026, 3, 1, 12, 0, 0)


@dataclass(frozen=True)
class Work:
    """What one student hands in, and what a grader has to make of it.

    `verdict` is that of the rules, without training. `failed` are the rules that fail; `cause` says whose
    fault it is that something is not judged; `says` has to be in the message about it. `fixed` is how it has
    to be handed in; "" leaves it to chance. `write` writes what `files` cannot express to a path, and
    returns the path with its suffix.
    """

    idea: str
    kind: Kind
    files: Files = field(default_factory=dict)
    verdict: Literal["passed", "failed", "not_judged"] = "not_judged"
    failed: tuple[str, ...] = ()
    cause: Literal["student"] | None = None
    says: str = ""
    parameters: int | None = None
    field_px: int | None = None
    fixed: str = ""
    write: Callable[[Path], Path] | None = None


def pack(work: Work, path: Path, rng: Random) -> Path:
    """Write a work to `path`, to which the suffix is added; returns where it is."""
    if work.write is not None:
        return work.write(path)
    ways = ["folder", ".zip", ".tar.gz", "in a folder", "in a folder.zip"]
    if set(work.files) == {"model.py"}:
        ways += [".py", ".py", ".ipynb"]
    way = work.fixed or rng.choice(ways)
    if way in (".py", ".ipynb"):
        (content,) = work.files.values()
        to = path.with_name(path.name + way)
        to.write_bytes(_bytes(content if way == ".py" else notebook(str(content))))
        return to
    outer = f"{rng.choice(('assignment', 'S9', 'my work'))}/" if way.startswith("in a folder") else ""
    files = {**_beside(rng), **work.files}
    files = {f"{outer}{name}": _bytes(content) for name, content in files.items()}
    return _written(files, path, Path(way).suffix and way[way.index(".") :])


def notebook(source: str) -> str:
    """Cut a source into the cells of a notebook, between a magic and a training loop that cannot run."""
    cells = [
        "!pip install torchsummary\n%matplotlib inline",
        *source.split("\n\n\n"),
        "train(model, epochs=20)",
    ]
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [
                {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
                for cell in cells
            ],
        }
    )


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Make a zip archive; equal files give equal bytes."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, INSTANT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return held.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    """Make a tar.gz archive; equal files give equal bytes."""
    held = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=held, mode="wb", mtime=0) as zipper,
        tarfile.open(fileobj=zipper, mode="w") as tar,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return held.getvalue()


# Private functions


def _written(files: Mapping[str, bytes], path: Path, suffix: str) -> Path:
    to = path.with_name(path.name + suffix)
    if suffix:
        to.write_bytes({".zip": zipped, ".tar.gz": tarred}[suffix](files))
        return to
    to.mkdir()
    for name, content in files.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes(content)
    return to


def _beside(rng: Random) -> Files:
    """Choose what a student leaves lying beside their model."""
    beside: Files = {
        "README.md": "# My work\n",
        "train.py": "import model\n\nprint('training')\n",
        "requirements.txt": "torch\n",
        "results/log.json": "{}\n",
    }
    return {name: beside[name] for name in sorted(beside) if rng.random() < 0.3}


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()
