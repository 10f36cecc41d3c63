"""A task: one submission to be graded under one assignment. Frozen: every stage is a function of it.

load -> probe -> judge -> train -> record

Each stage is a function from frozen values to a frozen value: `Loads`, `Probed`, `Judged`, `Trained`, and at
the end a `Record`. Student code runs while a submission is loaded, in the sandbox, and nowhere else; networks
are run by a worker. Nothing here imports torch.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.assignment.spec import AssignmentSpec
from harness.graph.cost import million_multiply_adds
from harness.graph.ir import Architecture
from harness.loader.client import Loaded, LoadFailure
from harness.loader.protocol import ARCHITECTURE, WEIGHTS
from harness.sandbox.backends import BackendChoice
from harness.settings.recipe import RecipeSpec
from harness.sources.submission import Submission
from harness.training.events import Event
from harness.training.jobs import Model

RESULTS = Path("results")
"""Where results go if nobody says otherwise."""

Stage = Literal["load", "probe", "field", "train", "borderline", "evaluate", "augment", "draw"]
LAST_CHECKPOINT = "checkpoints/last.pth"
"""In a variant's folder: the network after the last epoch."""

Listener = Callable[[str, Event | Stage], None]
"""Called with a variant's name ("" for all) and what just happened to it."""


@dataclass(frozen=True)
class Settings:
    """The settings of a grade by the command line, besides the submission and the assignment."""

    out: Path = RESULTS
    seed: int | None = None
    """None: the assignment's."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = 0
    data: str | None = None
    stats_cache: Path | None = None
    """None: `stats_cache`, below the working directory's results."""
    recompute_stats: bool = False
    resume: Path | None = None
    continues: bool = False
    """Go on with the trainings that an interrupted grade has left in `out`."""
    live: bool = False
    """Write the log and the curves of a training after every epoch."""
    save_every: int = 0
    sandbox: BackendChoice = "auto"
    progress: Path | None = None
    """Where trainings write how far they are; None: into the folders of their variants."""
    self_check: bool = False
    """One's own submission, run without a sandbox: never a grade."""


@dataclass(frozen=True)
class Loads:
    """The results of loading the variants of a submission.

    `backend` is what held the submission's code: a backend of the sandbox, or none in a self-check.
    """

    backend: str
    variants: Mapping[str, Loaded | LoadFailure]


@dataclass(frozen=True)
class Task:
    """One submission to grade under one assignment; `source` says where its variants are loaded from."""

    submission: Submission
    assignment: AssignmentSpec
    settings: Settings
    source: "Source"
    listen: Listener = lambda *_: None
    started: float = field(default_factory=time.time)

    @property
    def seed(self) -> int:
        """The base seed."""
        return self.assignment.seed if self.settings.seed is None else self.settings.seed

    @property
    def stats_cache(self) -> Path:
        """The file that stores the mean and standard deviation of the training images."""
        return self.settings.stats_cache or RESULTS / self.assignment.data.stats_file

    def folder(self, variant: str) -> Path:
        """Return where a variant's files go."""
        answered = self.submission.variants.get(variant)
        return self.settings.out / (answered.output if answered else variant)

    def model(self, variant: str) -> Model:
        """Locate the exported model in a variant's folder."""
        folder = self.folder(variant)
        return Model(architecture=folder / ARCHITECTURE, weights=folder / WEIGHTS)

    def recipe(self, variant: str) -> RecipeSpec:
        """Apply what the manifest changes to the assignment's recipe; it still has its tiers.

        Raises:
            AssignmentError: the manifest asks for more than the assignment allows.
        """
        override = self.submission.variants[variant].recipe
        return self.assignment.recipe_with(variant, override, f"submission.toml: variants.{variant}")

    def recipe_of(self, variant: str, architecture: Architecture) -> RecipeSpec:
        """Return the recipe by which a variant's network is trained: that of its tier.

        Raises:
            AssignmentError: the manifest asks for more than the assignment allows.
        """
        return self.recipe(variant).at_cost(million_multiply_adds(architecture))

    def alone(self, variant: str) -> "Task":
        """Return the task of one variant of the submission."""
        only = replace(self.submission, variants={variant: self.submission.variants[variant]})
        return replace(self, submission=only)

    def with_seed(self, variant: str, seed: int) -> "Task":
        """Return the task of one variant with another seed; its files go below the variant's folder.

        Nothing of it is loaded: the initial weights depend on the seed.
        """
        answered = self.submission.variants[variant]
        apart = replace(answered, output=f"{answered.output}/seed_{seed}")
        return replace(
            self,
            submission=replace(self.submission, variants={variant: apart}),
            settings=replace(self.settings, seed=seed, resume=None),
        )


Source = Callable[[Task], Loads]
"""Loads the variants of a task: from the sandbox, from a folder of results, from a store."""
