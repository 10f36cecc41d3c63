"""A new assignment: a commented file that works, and beside it a submission that keeps its rules."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.assignment.gallery import located, reference_of
from harness.authoring.images import OwnImages
from harness.base.errors import UsageError
from harness.base.installation import package_data
from harness.base.tables import meant
from harness.datasets.dataset import Public
from harness.datasets.registry import DATASETS
from harness.datasets.spec import DataSpec
from harness.rules.registry import RULES

TEMPLATES = package_data("templates", "assignment")
RARE = 0.1
"""Where chance is at most this, an untrained network hardly tells classes apart by luck."""
EPOCHS_AND_BATCH = ((5_000, (12, 128)), (1_000, (20, 64)), (0, (40, 16)))
"""Epochs and images per step, from so many training images on."""


@dataclass(frozen=True)
class Written:
    """The result of writing: the assignment, its reference, and every file."""

    assignment: Path
    reference: Path
    files: tuple[Path, ...]


def write_for(folder: Path, dataset: str | None = None) -> Written:
    """Write an assignment for a data set that everybody has, the first of the registry if not given.

    Raises:
        UsageError: there is no such data set, or the folder holds something or cannot be written.
    """
    known = [name for name, one in DATASETS.items() if isinstance(one, Public)]
    dataset = dataset or known[0]
    if dataset not in known:
        raise UsageError(
            f"--dataset {dataset}: no such data set. {meant(dataset, known, 'data sets')} For images of your "
            "own: --folder."
        )
    spec = DataSpec(dataset=dataset)
    train, _ = _images(spec)
    return _write(folder, spec, train, spec.title, _public_lines(spec))


def write_for_images(folder: Path, images: OwnImages) -> Written:
    """Write an assignment for a folder of images.

    Raises:
        UsageError: the folder holds something or cannot be written.
    """
    return _write(folder, images.spec, images.train_images, f"{images.spec.path}", _own_lines(images))


def copy_from(folder: Path, given: str) -> Written:
    """Copy an assignment that comes with the harness and its reference, under the folder's name.

    Raises:
        UsageError: there is no such assignment, or the folder holds something or cannot be written.
    """
    source, name = located(given), slug(folder)
    text = re.sub(r'^id = ".*"$', f'id = "{name}"', source.read_text(encoding="utf-8"), count=1, flags=re.M)
    files = {f"{name}.toml": text}
    reference = reference_of(source)
    if reference is not None:
        kept = sorted([*reference.glob("*.py"), *reference.glob("submission.toml")])
        files |= {f"{name}/{file.name}": file.read_text(encoding="utf-8") for file in kept}
    return _put(folder, name, files)


def slug(folder: Path) -> str:
    """Make an assignment's id of a folder's name."""
    found = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:64].strip("-")
    return found or "assignment"


# Private functions


def _write(folder: Path, spec: DataSpec, images: int, title: str, lines: list[str]) -> Written:
    source = (TEMPLATES / "assignment.toml.j2").read_text(encoding="utf-8")
    name, shown = slug(folder), re.sub(r'["\\\x00-\x1f]', " ", title)
    values = {
        **_numbers(spec, images),
        "id": name,
        "title": f"{shown}: a small network",
        "data": lines,
        "others": [(one, rule.asks) for one, rule in RULES.items() if f"[rules.{one}]" not in source],
    }
    files = {
        f"{name}.toml": _rendered("assignment.toml.j2", values),
        f"{name}/model.py": _rendered("model.py.j2", values),
        f"{name}/submission.toml": _rendered("submission.toml.j2", values),
    }
    return _put(folder, name, files)


def _rendered(template: str, values: Mapping[str, Any]) -> str:
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - TOML and Python, not HTML
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    return jinja.get_template(template).render(values)


def _numbers(spec: DataSpec, images: int) -> dict[str, Any]:
    """Choose numbers that make sense for so many classes and training images."""
    classes, chance = spec.num_classes, spec.chance
    channels, side, _ = spec.input_shape
    untrained = chance + RARE if chance <= RARE else (1 + chance) / 2
    epochs, batch = next(chosen for least, chosen in EPOCHS_AND_BATCH if images >= least)
    return {
        "below": 10_000 * (11 + 64 * classes // 10_000),
        "untrained": round(untrained, 3),
        "chance": round(chance, 3),
        "at_least": round(chance + 0.4 * (1 - chance), 2),
        "higher": round(chance + 0.8 * (1 - chance), 2),
        "epochs": epochs,
        "batch_size": min(batch, max(2, images // 4)),
        "half_px": max(8, side // 2),
        "side": side,
        "channels": channels,
        "classes": classes,
    }


def _images(spec: DataSpec) -> tuple[int, int]:
    assert spec.train_images is not None
    return spec.train_images, sum(spec.test_per_class or ())


def _public_lines(spec: DataSpec) -> list[str]:
    channels, height, width = spec.input_shape
    train, test = _images(spec)
    first = ", ".join(f'"{name}"' for name in spec.class_names[:2])
    return [
        f'dataset = "{spec.dataset}"',
        f"# {spec.title}: {spec.of.about}.",
        f"# {channels} x {height} x {width}; {train:,} images to train on, {test:,} to test.",
        f"# classes = [{first}]      # a part of its {spec.num_classes} classes, in this order",
        f"# validation = {train // 10:_}             # so many training images set apart",
        f"# resize = {height // 2}                      # a square of so many pixels",
    ]


def _own_lines(images: OwnImages) -> list[str]:
    spec = images.spec
    size = f"input_shape = {list(spec.stored)}" if spec.stored else f"resize = {spec.resize}"
    names = ", ".join(_quoted(name) for name in spec.class_names)
    lines = [
        'dataset = "folder"',
        f"path = {_quoted(spec.path or '')}  # in the folder that --data or HARNESS_DATA names",
        f"classes = [{names}]",
        f"{size}  # {'(C, H, W)' if spec.stored else 'every image becomes a square of so many pixels'}",
    ]
    if spec.resize:
        lines.append(f"channels = {spec.channels}  # {'grey' if spec.channels == 1 else 'RGB'}")
    if spec.validation:
        lines.append(
            f"validation = {spec.validation}  # there is no folder test: the last of each class, to test on"
        )
    return [*lines, f'sha256 = "{spec.sha256}"']


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _put(folder: Path, name: str, files: Mapping[str, str]) -> Written:
    try:
        (folder / name).mkdir(parents=True, exist_ok=True)
        if any((folder / file).exists() for file in files):
            raise UsageError(f"{folder}: holds {name}.toml already. Name another folder.")
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder / name, ignore_errors=True)
        reason = error.strerror or error
        raise UsageError(f"{folder}: cannot be written ({reason}). Name another folder.") from None
    return Written(folder / f"{name}.toml", folder / name, tuple(folder / file for file in files))
