"""The request to build one variant of a submission."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.settings.recipe import Scalar


class Requested(BaseModel):
    """One variant to build: a file, or a folder to search; a class (None: find it); arguments for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    class_name: str | None
    arguments: dict[str, Scalar] = {}
