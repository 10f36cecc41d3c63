"""Keys of grades: the hash of what decides a grade, so that what is graded is never graded again."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from harness.assignment.spec import AssignmentSpec
from harness.base.installation import VERSION
from harness.base.tables import content_hash
from harness.datasets.dataset import PREVIEW


@dataclass(frozen=True)
class GradingConfig:
    """The settings that all tasks of one run have in common."""

    assignment: AssignmentSpec
    seed: int
    preview: bool = False
    """Train on an embedded sample of the data: never a grade."""
    variants: tuple[str, ...] = ()
    """Those asked for; none: whatever a submission answers."""
    harness_version: str = VERSION

    @property
    def assignment_sha256(self) -> str:
        """Hash of the assignment's content."""
        return content_hash(self.assignment)

    @property
    def content(self) -> dict[str, Any]:
        """The settings as plain data, the assignment by its hash."""
        return {
            "assignment": self.assignment_sha256,
            "seed": self.seed,
            "data": PREVIEW if self.preview else self.assignment.data.dataset,
            "variants": self.variants,
            "harness": self.harness_version,
        }

    @property
    def run_key(self) -> str:
        """Hash of all settings."""
        return digest(self.content)

    def key(self, submission_sha256: str, recipe_sha256: str) -> str:
        """Hash of all that decides the grade of one submission."""
        return digest({"scope": self.run_key, "submission": submission_sha256, "recipe": recipe_sha256})


def digest(data: Any) -> str:
    """Return the SHA-256 (hex) of plain data."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
