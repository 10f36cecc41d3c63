"""The material of a variant's pictures: values that are known already, or files read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.graph.ir import parse_architecture
from harness.graph.view import View
from harness.report.plots.sources import (
    ARCHITECTURE,
    SAMPLES,
    EffectiveField,
    read_effective_field,
)

if TYPE_CHECKING:
    from harness.report.plots.image_file import Samples


@dataclass(frozen=True)
class Measured:
    """The measurements by the process that ran a network: the eval graph, the effective receptive field."""

    view: View
    field: EffectiveField | None


@dataclass(frozen=True)
class Material:
    """The material of one variant's pictures; each file of its folder is read when it is asked for.

    `known` stands for the files, where this process has what they hold.
    """

    folder: Path
    known: Measured | None = None

    @cached_property
    def view(self) -> View:
        """The graph of evaluation, measured.

        Raises:
            OSError, GraphError: there is none, or no valid one.
        """
        if self.known is not None:
            return self.known.view
        architecture = parse_architecture((self.folder / ARCHITECTURE).read_bytes())
        return View(architecture, architecture.eval)

    @cached_property
    def field(self) -> EffectiveField | None:
        """The effective receptive field; None where it was not measured."""
        return self.known.field if self.known is not None else read_effective_field(self.folder)

    @property
    def has_samples(self) -> bool:
        """Whether there are images that show what a training did."""
        return (self.folder / SAMPLES).is_file()

    @cached_property
    def samples(self) -> "Samples | None":
        """Images that show what a training did; None without one.

        Raises:
            OSError, ValueError, KeyError: the file is not what it should be.
        """
        from harness.report.plots.image_file import read_samples  # takes numpy along

        return read_samples(self.folder / SAMPLES) if self.has_samples else None


def materials(
    folders: Mapping[str, Path], measured: Mapping[str, Measured] | None = None
) -> dict[str, Material]:
    """Return the material of every variant; `measured` has what this process knows, None nothing."""
    known = measured or {}
    return {name: Material(folder, known.get(name)) for name, folder in folders.items()}
