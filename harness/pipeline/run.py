"""One run: what was asked, what is known so far, and the children that find it out.

Student code runs in the first child only. This module starts the children, hands plain data from one to
the next, and never imports torch.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.assignment.spec import AssignmentSpec
from harness.base.files import write_text
from harness.base.seeds import seed_for
from harness.datasets.dataset import PREVIEW
from harness.graph.cost import million_multiply_adds
from harness.graph.ir import to_json
from harness.loader import load as sandbox
from harness.loader.load import PROGRAM, Traced, Untraced, open_loader
from harness.loader.protocol import ARCHITECTURE, WEIGHTS, Request
from harness.pipeline.duration import check_limit, in_words, training_s
from harness.report.plots.sources import SAMPLES
from harness.sandbox.backends import BackendChoice
from harness.sandbox.client import Sandbox
from harness.sandbox.self_check import SelfCheck, without_sandbox
from harness.settings.recipe import RecipeSpec
from harness.sources.submission import Submission
from harness.training import runner
from harness.training.events import (
    AugmentedEvent,
    DivergedEvent,
    EpochEvent,
    EstimatedEvent,
    Event,
    FieldEvent,
    MeasuredEvent,
    Probe,
    ReadyEvent,
    TrainedEvent,
)
from harness.training.jobs import AugmentJob, EvaluateJob, FieldJob, Model, TrainJob
from harness.training.progress import PROGRESS, ProgressLog

RESULTS = Path("results")
"""Where results go if nobody says otherwise."""

Stage = Literal["intake", "probe", "field", "train", "borderline", "evaluate", "augment", "draw"]
LAST_CHECKPOINT = "checkpoints/last.pth"
"""In a variant's folder: the network after the last epoch."""

Listener = Callable[[str, Event | Stage], None]
"""Called with a variant's name ("" for all) and what just happened to it."""


@dataclass(frozen=True)
class Settings:
    """What the command line decides about a run, besides the submission and the assignment."""

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
    save_every: int = 0
    sandbox: BackendChoice = "auto"
    progress: Path | None = None
    """Where trainings write how far they are; None: into the folders of their variants."""
    self_check: bool = False
    """One's own submission, run without a box: never a grade."""


@dataclass
class Run:
    """What one run has learned so far, variant by variant."""

    submission: Submission
    assignment: AssignmentSpec
    settings: Settings
    listen: Listener
    traced: dict[str, Traced | Untraced] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    """Why a network that could be exported could not be run."""
    notes: list[str] = field(default_factory=list)
    """What the user should know of this run and this machine; provenance, never result."""
    seconds: dict[str, float] = field(default_factory=dict)
    backend: str = ""
    """What held the submission's code: a backend of the box, or none in a self-check."""
    fingerprint: dict[str, str] = field(default_factory=dict)
    """What decides the bytes of a training on this machine; known once one has run."""
    kept: Callable[[str, int], Traced | Untraced] | None = None
    """Gives what was taken in before, by variant and seed; no submission is looked at then."""
    started: float = field(default_factory=time.time)

    @property
    def seed(self) -> int:
        """The base seed of this run."""
        return self.assignment.seed if self.settings.seed is None else self.settings.seed

    @property
    def stats_cache(self) -> Path:
        """Where the mean and standard deviation of the training images are kept."""
        return self.settings.stats_cache or RESULTS / self.assignment.data.stats_file

    def folder(self, variant: str) -> Path:
        """Where a variant's files go."""
        answered = self.submission.variants.get(variant)
        return self.settings.out / (answered.output if answered else variant)

    def model(self, variant: str) -> Model:
        """Locate the exported model in a variant's folder."""
        folder = self.folder(variant)
        return Model(architecture=folder / ARCHITECTURE, weights=folder / WEIGHTS)

    def recipe(self, variant: str) -> RecipeSpec:
        """Apply what the manifest changes to the assignment's recipe, of the tier of the network.

        Before it has been taken in, nobody knows which: the recipe has all tiers then.
        """
        override, traced = self.submission.variants[variant].recipe, self.traced.get(variant)
        asked = self.assignment.recipe_with(variant, override, f"submission.toml: variants.{variant}")
        if not isinstance(traced, Traced) or not asked.tiers:
            return asked
        return asked.at_cost(million_multiply_adds(traced.architecture))


def take_in(run: Run, input_shape: tuple[int, int, int] | None = None, box: Sandbox | None = None) -> None:
    """Export every variant, each in a child of its own; exported files go to the variants' folders.

    `input_shape` is (C, H, W) of one image, the assignment's if not given. `box` is one that is open and
    stays open; without it, one is opened for this run alone.

    Raises:
        SandboxError: no process can be locked on this machine; nothing of the submission has run.
    """
    if run.kept is not None:
        for name in run.submission.variants:
            run.traced[name] = run.kept(name, run.seed)
            _keep(run.traced[name], run.model(name))
        return
    run.listen("", "intake")
    with _box(run, box) as opened:
        run.backend = opened.backend
        for name in run.submission.variants:
            _take_in(run, name, opened, input_shape or run.assignment.data.input_shape)


def with_seed(run: Run, variant: str, seed: int) -> Run:
    """Start a run of one variant that differs in its seed alone; its files go below the variant's folder.

    Its submission has not been taken in: the initial weights depend on the seed.
    """
    answered = run.submission.variants[variant]
    apart = replace(answered, output=f"{answered.output}/seed_{seed}")
    return Run(
        submission=replace(run.submission, variants={variant: apart}),
        assignment=run.assignment,
        settings=replace(run.settings, seed=seed, resume=None),
        listen=run.listen,
        kept=run.kept,
    )


def train(run: Run, variant: str, recipe: RecipeSpec) -> TrainedEvent | DivergedEvent:
    """Train one variant with a recipe; checkpoints go to its folder.

    Raises:
        DataUnavailableError: neither the data set nor a download could be had.
        TrainingError: it would take longer than the assignment's limit.
        HarnessError: bad data, or the training child died.
    """
    job = TrainJob(
        model=run.model(variant),
        data=run.assignment.data,
        recipe=recipe,
        seed=run.seed,
        device=run.settings.device,
        workers=run.settings.workers,
        folder=run.settings.data,
        stats_cache=run.stats_cache,
        recompute_stats=run.settings.recompute_stats,
        checkpoints=run.folder(variant) / "checkpoints",
        resume=run.settings.resume,
        save_every=run.settings.save_every,
        samples=run.folder(variant) / SAMPLES,
        memory_mib=run.assignment.limits.training_memory_mib,
    )
    run.listen(variant, "train")
    _tell_duration(run, variant, recipe)
    progress = _progress(run, variant, recipe)

    def heard(event: Event) -> None:
        if isinstance(event, EpochEvent):
            progress.epoch(event)
        if isinstance(event, ReadyEvent):
            run.fingerprint |= event.fingerprint
        run.listen(variant, event)

    try:
        final = runner.run(job, heard, run.assignment.limits.training_s)
    except BaseException:
        progress.end("stopped")
        raise
    assert isinstance(final, TrainedEvent | DivergedEvent)
    progress.end("diverged" if isinstance(final, DivergedEvent) else "trained")
    if isinstance(final, TrainedEvent):
        run.seconds[variant] = round(final.seconds, 1)
    return final


def evaluate(run: Run, variant: str, checkpoint: Path) -> MeasuredEvent:
    """Measure the weights of a checkpoint on the test set with a variant's graph.

    Raises:
        HarnessError: no data, a checkpoint that cannot be read or does not fit, or the child died.
    """
    run.listen(variant, "evaluate")
    recipe = run.assignment.recipe_for(variant)
    job = EvaluateJob(
        model=run.model(variant),
        checkpoint=checkpoint,
        data=run.assignment.data,
        batch_size=recipe.batch_size,
        threads=recipe.threads,
        device=run.settings.device,
        folder=run.settings.data,
        stats_cache=run.stats_cache,
        recompute_stats=run.settings.recompute_stats,
        memory_mib=run.assignment.limits.training_memory_mib,
    )
    final = runner.run(job, lambda event: run.listen(variant, event), run.assignment.limits.training_s)
    assert isinstance(final, MeasuredEvent)
    return final


def measure_field(run: Run, variant: str, images: int, checkpoint: Path | None = None) -> FieldEvent:
    """Measure a variant's receptive field by gradients; draw the effective one if `images` is not 0.

    The effective one is that of the initial weights, or of those in `checkpoint`.

    Raises:
        HarnessError: the graph cannot be rebuilt, or the child died.
    """
    run.listen(variant, "field")
    threads = run.assignment.recipe.threads
    job = FieldJob(
        model=run.model(variant),
        checkpoint=checkpoint,
        threads=threads,
        images=images,
        seed=run.seed,
        memory_mib=run.assignment.limits.training_memory_mib,
    )
    final = runner.run(job, lambda event: run.listen(variant, event), run.assignment.limits.intake_s)
    assert isinstance(final, FieldEvent)
    return final


def augment(
    assignment: AssignmentSpec, settings: Settings, images: int, samples: Path, listen: Listener
) -> tuple[str, ...]:
    """Augment the first images of a training with the assignment's recipe; returns the names of the classes.

    The child writes `samples`, an ``.npz`` file; see `harness.training.samples`.

    Raises:
        HarnessError: no data, bad data, or the child died.
    """
    listen("", "augment")
    seed = assignment.seed if settings.seed is None else settings.seed
    job = AugmentJob(
        data=assignment.data,
        recipe=assignment.recipe,
        seed=seed,
        images=images,
        folder=settings.data,
        samples=samples,
    )
    final = runner.run(job, lambda event: listen("", event), assignment.limits.training_s)
    assert isinstance(final, AugmentedEvent)
    return final.classes


# Private functions


def _tell_duration(run: Run, variant: str, recipe: RecipeSpec) -> None:
    """Tell the listener how long a training will take, and refuse one that its limit would end."""
    traced, limit_s = run.traced.get(variant), run.assignment.limits.training_s
    if not isinstance(traced, Traced) or run.settings.data == PREVIEW or run.settings.resume is not None:
        return
    seconds = training_s(traced.architecture, recipe, run.assignment, run.settings.device)
    if seconds is None:
        return
    check_limit(seconds, limit_s)
    run.listen(variant, EstimatedEvent(message=f"{variant}: about {in_words(seconds)} on this machine"))


def _progress(run: Run, variant: str, recipe: RecipeSpec) -> ProgressLog:
    resumed, own = run.settings.resume is not None, run.folder(variant) / PROGRESS
    if run.settings.progress is None and not resumed:
        own.unlink(missing_ok=True)  # of an earlier run
    log = ProgressLog(run.settings.progress or own)
    log.begin(variant, run.seed, recipe.epochs, resumed=resumed)
    return log


def _box(run: Run, box: Sandbox | None) -> AbstractContextManager[Sandbox | SelfCheck]:
    if box is not None:
        return nullcontext(box)
    return without_sandbox(PROGRAM) if run.settings.self_check else open_loader(run.settings.sandbox)


def _take_in(run: Run, name: str, box: Sandbox | SelfCheck, input_shape: tuple[int, int, int]) -> None:
    limits = run.assignment.limits
    with tempfile.TemporaryDirectory(prefix="harness-") as temporary:
        request = Request(
            root=run.submission.root,
            variants={name: run.submission.variants[name].requested},
            input_shape=input_shape,
            classes=run.assignment.data.num_classes,
            init_seed=seed_for(run.seed, "init"),
            other_init_seed=seed_for(run.seed + 1, "init"),
            cpu_s=limits.intake_cpu_s,
            memory_mib=limits.intake_memory_mib,
            output_mib=limits.intake_output_mib,
            out=Path(temporary),
        )
        run.traced |= sandbox.trace(request, limits, box)
        _keep(run.traced[name], run.model(name))


def _keep(traced: Traced | Untraced, model: Model) -> None:
    """Keep what was validated, not the file it was read from."""
    if isinstance(traced, Traced):
        write_text(model.architecture, to_json(traced.architecture))
        shutil.copyfile(traced.weights, model.weights)
