"""A submission's ``submission.toml``: which class answers which variant, and what it changes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from harness.base.errors import AssignmentError
from harness.base.tables import Identifier, Slug, Table, read_toml, validate
from harness.settings.recipe import RecipeOverride, Scalar

MAX_BYTES = 64 * 1024


class Submitted(Table):
    """The place of a submission's variant, and the arguments to build it."""

    file: str
    class_name: Annotated[Identifier, Field(alias="class")]
    output: str | None = None
    """Folder of the results; the last part names it below the results folder."""
    arguments: dict[Identifier, Scalar] = Field(default_factory=dict)
    recipe: RecipeOverride = RecipeOverride()

    @model_validator(mode="after")
    def _paths_stay_inside(self) -> "Submitted":
        for key, value in (("file", self.file), ("output", self.output or ".")):
            path = Path(value)
            if path.is_absolute() or ".." in path.parts or "\0" in value:
                raise ValueError(f"{key} must be a relative path without '..', got {value!r}")
        return self

    def folder(self, variant: str) -> str:
        """Return the name of the variant's folder below the results folder."""
        return Path(self.output or variant).name


class Manifest(Table):
    """A submission's ``submission.toml``: its variants, by the assignment's names."""

    variants: Annotated[dict[Slug, Submitted], Field(min_length=1)]

    @model_validator(mode="after")
    def _folders_are_distinct(self) -> "Manifest":
        seen: set[str] = set()
        for variant, one in self.variants.items():
            folder = one.folder(variant)
            if folder in seen or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", folder):
                raise ValueError(
                    f"variants.{variant}.output: the last part must be a folder name of its own "
                    f"(letters, digits, _ and -), got {folder!r}"
                )
            seen.add(folder)
        return self


def load_manifest(path: Path) -> Manifest:
    """Read a ``submission.toml``.

    Raises:
        AssignmentError: the file cannot be read, is too large, is not TOML, or is not a valid manifest.
    """
    if path.is_file() and (size := path.stat().st_size) > MAX_BYTES:
        raise AssignmentError(
            f"{path.name}: too large; expected at most {MAX_BYTES:,} bytes, got {size:,}. "
            "It names the variants, their files and classes, and little else."
        )
    return parse_manifest(read_toml(path), where=path.name)


def parse_manifest(table: Mapping[str, Any], where: str = "submission.toml") -> Manifest:
    """Check a manifest table; see `load_manifest`."""
    return validate(Manifest, table, where)
