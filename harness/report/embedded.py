"""Pictures of a variant as ``data:`` addresses, so that a page needs no other file."""

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.record.record import VariantRecord
from harness.report.material import Material
from harness.report.plots.sources import ARCHITECTURE, EffectiveField, effective_square

ARCHITECTURE_SVG, AUGMENTED = "architecture.svg", "augmented_samples_grid.png"
"""Pictures among the files of a variant that a page shows too."""
SEEN_COLOUR = (230, 120, 0)


@dataclass(frozen=True)
class TestImage:
    """One test image and what the network calls it; `share` is the probability it gives that class."""

    address: str
    label: str
    called: str
    share: float


@dataclass(frozen=True)
class Seen:
    """The part of the image that one position does see, as a picture over it, in pixels from its corner.

    The square from (`left`, `upper`) of side `side` holds most of it. `weights` says which ones were tried.
    """

    address: str
    x: float
    y: float
    width: int
    height: int
    left: float
    upper: float
    side: float
    weights: str


@dataclass(frozen=True)
class Embedded:
    """The files of a variant's folder, embedded; None or empty where there is none.

    `background` is a test image, to show a receptive field on.
    """

    architecture: str | None = None
    seen: Seen | None = None
    augmented: str | None = None
    background: str | None = None
    wrong: tuple[TestImage, ...] = ()


def embedded(variant: VariantRecord, material: Material, drawn: Mapping[str, bytes]) -> Embedded:
    """Embed a variant's pictures; `drawn` are those that are files, by their names."""
    background, wrong = _samples(variant, material)
    architecture, augmented = drawn.get(ARCHITECTURE_SVG), drawn.get(AUGMENTED)
    return Embedded(
        architecture=None if architecture is None else data_address(architecture, "image/svg+xml"),
        seen=_seen(material.field),
        augmented=None if augmented is None else data_address(augmented, "image/png"),
        background=background,
        wrong=wrong,
    )


def embedded_in(variant: VariantRecord, folder: Path) -> Embedded:
    """Embed the pictures in a variant's folder; nothing is taken from one that holds another graph."""
    if _is_of_another(variant, folder):
        return Embedded()
    files = {name: folder / "plots" / name for name in (ARCHITECTURE_SVG, AUGMENTED)}
    drawn = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    return embedded(variant, Material(folder), drawn)


def data_address(content: bytes, kind: str) -> str:
    """Write a file's content as an address; `kind` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def png(image: NDArray[np.uint8]) -> bytes:
    """Write an image (H, W, C) uint8 as PNG; a fourth channel is how far it covers what is below."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


# Private functions


def _is_of_another(variant: VariantRecord, folder: Path) -> bool:
    graph = folder / ARCHITECTURE
    return graph.is_file() and hashlib.sha256(graph.read_bytes()).hexdigest() != variant.graph_sha256


def _seen(field: EffectiveField | None) -> Seen | None:
    """Colour the effective receptive field on a root scale, as its tails would be invisible otherwise."""
    if field is None:
        return None
    strength = np.sqrt(np.asarray(field.heat))
    shown = np.empty((*strength.shape, 4), np.uint8)
    shown[..., :3], shown[..., 3] = SEEN_COLOUR, np.round(255 * strength)
    top, left = field.image[:2]
    across, down = effective_square(field.heat, field.rows, field.columns)
    return Seen(
        data_address(png(shown), "image/png"), -left, -top, shown.shape[1], shown.shape[0],
        across[0] - left, down[0] - top, across[1], field.weights,
    )  # fmt: skip


def _samples(variant: VariantRecord, material: Material) -> tuple[str | None, tuple[TestImage, ...]]:
    samples = None if variant.training is None else material.samples
    if variant.training is None or samples is None:
        return None, ()
    classes = variant.training.data.classes
    background = None
    if samples.test is not None and len(samples.test.images):
        background = data_address(png(samples.test.images[0]), "image/png")
    wrong = samples.wrong
    if wrong is None:
        return background, ()
    return background, tuple(
        TestImage(
            address=data_address(png(wrong.images[i]), "image/png"),
            label=classes[int(wrong.labels[i])],
            called=classes[int(wrong.predictions[i])],
            share=float(wrong.probabilities[i].max()),
        )
        for i in range(len(wrong.labels))
    )
