"""One submission, start to end: take it in, judge the rules, train, score, write what was found.

    submission -> trace (child) -> probe (child) -> rules -> train (child) -> record -> reports

Student code runs in the first child only. This module starts the children, hands plain data from
one to the next, and never imports torch.
"""

import importlib.metadata
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from harness import record as records
from harness.analysis import rules, score
from harness.assignment import AssignmentSpec, RecipeSpec, content_hash
from harness.errors import DataUnavailableError
from harness.intake import sandbox
from harness.intake.exchange import ARCHITECTURE, WEIGHTS, Request
from harness.intake.sandbox import Traced, Untraced
from harness.intake.submission import Submission
from harness.record import Finding, Record, Training, VariantRecord
from harness.seeds import seed_for
from harness.training import runner
from harness.training.jobs import (
    DivergedEvent,
    Event,
    Model,
    Probe,
    ProbeEvent,
    ProbeJob,
    TrainedEvent,
    TrainJob,
)

Stage = Literal["intake", "probe", "train"]
Listener = Callable[[str, Event | Stage], None]
"""Called with a variant's name ("" for all) and what just happened to it."""

PREVIEW_EPOCHS = 4
"""Epochs of the preview on the embedded set, when the real data cannot be had."""


@dataclass(frozen=True)
class Settings:
    """What the command line decides about a run, besides the submission and the assignment."""

    out: Path = Path("results")
    seed: int | None = None
    """None: the assignment's."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = 0
    data: str | None = None
    stats_cache: Path = Path("results/cifar10_stats.json")
    recompute_stats: bool = False
    resume: Path | None = None
    save_every: int = 0


@dataclass
class Run:
    """What one run has learned so far, variant by variant."""

    submission: Submission
    assignment: AssignmentSpec
    settings: Settings
    listen: Listener
    traced: dict[str, Traced | Untraced] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.time)

    @property
    def seed(self) -> int:
        """The base seed of this run."""
        return self.assignment.seed if self.settings.seed is None else self.settings.seed

    def folder(self, variant: str) -> Path:
        """Where a variant's files go."""
        return self.settings.out / self.submission.variants[variant].output

    def recipe(self, variant: str) -> RecipeSpec:
        """Apply what the manifest changes to the assignment's recipe."""
        override = self.submission.variants[variant].recipe
        return self.assignment.recipe_with(override, f"submission.toml: variants.{variant}")


def grade(run: Run, train: frozenset[str] = frozenset()) -> Record:
    """Judge every variant of the submission, and train those named.

    Raises:
        HarnessError: there can be no verdict: bad data, a broken installation, a child that died.
    """
    recipes = {name: run.recipe(name) for name in run.submission.variants}
    take_in(run)
    variants = {name: _variant(run, name, recipes[name], full=name in train) for name in recipes}
    return _record(run, variants)


def take_in(run: Run) -> None:
    """Export every variant and run it once, untrained; exported files go to the variants' folders."""
    run.listen("", "intake")
    with tempfile.TemporaryDirectory(prefix="harness-") as temporary:
        request = Request(
            root=run.submission.root,
            variants={name: one.wanted for name, one in run.submission.variants.items()},
            input_shape=run.assignment.data.input_shape,
            classes=run.assignment.data.classes,
            init_seed=seed_for(run.seed, "init"),
            other_init_seed=seed_for(run.seed + 1, "init"),
            memory_mib=run.assignment.limits.intake_memory_mib,
            output_mib=run.assignment.limits.intake_output_mib,
            out=Path(temporary),
        )
        run.traced = sandbox.trace(request, run.assignment.limits)
        for name, traced in run.traced.items():
            if isinstance(traced, Traced):
                _keep(Path(temporary) / name, run.folder(name))
    _probe(run)


def train(run: Run, variant: str, recipe: RecipeSpec) -> TrainedEvent | DivergedEvent:
    """Train one variant with a recipe; checkpoints go to its folder.

    Raises:
        DataUnavailableError: neither the data set nor a download could be had.
        HarnessError: bad data, or the training child died.
    """
    folder = run.folder(variant)
    job = TrainJob(
        model=Model(architecture=folder / ARCHITECTURE, weights=folder / WEIGHTS),
        classes=run.assignment.data.classes,
        recipe=recipe,
        seed=run.seed,
        device=run.settings.device,
        workers=run.settings.workers,
        data=run.settings.data,
        stats_cache=run.settings.stats_cache,
        recompute_stats=run.settings.recompute_stats,
        checkpoints=folder / "checkpoints",
        resume=run.settings.resume,
        save_every=run.settings.save_every,
    )
    run.listen(variant, "train")
    final = runner.run(job, lambda event: run.listen(variant, event), run.assignment.limits.training_s)
    assert isinstance(final, TrainedEvent | DivergedEvent)
    if isinstance(final, TrainedEvent):
        run.seconds[variant] = round(final.seconds, 1)
    return final


# Private functions


def _keep(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in (ARCHITECTURE, WEIGHTS):
        shutil.copyfile(source / name, target / name)


def _probe(run: Run) -> None:
    """Run the models that can be rebuilt; an unknown operator is for the rules to report."""
    models = {
        name: Model(architecture=run.folder(name) / ARCHITECTURE, weights=run.folder(name) / WEIGHTS)
        for name, traced in run.traced.items()
        if isinstance(traced, Traced) and not rules.unknown_ops(traced.architecture)
    }
    if not models:
        return
    run.listen("", "probe")
    job = ProbeJob(
        models=models,
        classes=run.assignment.data.classes,
        batch_size=run.assignment.recipe.batch_size,
        threads=run.assignment.recipe.threads,
    )
    final = runner.run(job, lambda event: run.listen("", event), run.assignment.limits.intake_s)
    assert isinstance(final, ProbeEvent)
    run.probes = dict(final.probes)


def _variant(run: Run, name: str, recipe: RecipeSpec, *, full: bool) -> VariantRecord:
    traced = run.traced[name]
    title = run.assignment.variants[name].title
    if isinstance(traced, Untraced):
        problem = records.Problem(cause=traced.cause, message=traced.message, traceback=traced.traceback)
        findings = rules.not_taken_in(traced.cause, run.assignment, full=full)
        return _scored(title, traced.class_name, findings, full=full, problem=problem)
    probe = run.probes.get(name)
    findings, facts, table = rules.judge(
        traced.architecture, probe, run.assignment, name, recipe.augmentation, traced.seeds_differ
    )
    if (doubt := _summary_doubt(traced)) is not None:
        facts = facts.model_copy(update={"warnings": (*facts.warnings, doubt)})
    training: Training | None = None
    if full:
        training, finding = _accuracy(run, name, recipe, probe)
        findings = (*findings, finding)
    if training is not None and training.data.name != "mini":
        facts = facts.model_copy(
            update={
                "accuracy": training.accuracy,
                "accuracy_interval": training.accuracy_interval,
                "weights_sha256": training.weights_sha256,
            }
        )
    return _scored(
        title,
        traced.class_name,
        findings,
        full=full,
        facts=facts,
        receptive_field=table,
        summary=traced.summary,
        graph_sha256=traced.sha256,
        training=training,
    )


def _summary_doubt(traced: Traced) -> str | None:
    """Compare torchinfo's total, which is text from the child, with the graph's."""
    found = re.search(r"^Total params: ([\d,]{1,20})$", traced.summary, flags=re.MULTILINE)
    counted = sum(t.numel for t in traced.architecture.tensors if t.kind == "parameter" and t.tied_to is None)
    if found is not None and int(found[1].replace(",", "")) == counted:
        return None
    said = found[1] if found else "no total"
    return f"The model summary says {said} parameters, the exported model has {counted:,}; the latter counts."


def _scored(title: str, class_name: str, findings: tuple[Finding, ...], **rest: Any) -> VariantRecord:
    verdict, points, max_points = score.grade_variant(findings)
    return VariantRecord.model_validate(
        {
            "title": title,
            "class_name": class_name,
            "verdict": verdict,
            "points": points,
            "max_points": max_points,
            "findings": findings,
            "facts": records.Facts(),
            **rest,
        }
    )


def _accuracy(
    run: Run, name: str, recipe: RecipeSpec, probe: Probe | None
) -> tuple[Training | None, Finding]:
    """Train for the grade, or preview on the embedded set where the real data cannot be had."""
    if probe is None:
        return None, rules.untrainable(run.assignment)
    if run.settings.data == "mini":
        return _preview(run, name, recipe, "the embedded mini set was asked for (--data mini)")
    try:
        final = train(run, name, recipe)
    except DataUnavailableError as error:
        return _preview(run, name, recipe, str(error))
    if isinstance(final, DivergedEvent):
        return None, rules.diverged(final, run.assignment)
    return final.training, rules.min_accuracy(final.training, run.assignment)


def _preview(run: Run, name: str, recipe: RecipeSpec, why: str) -> tuple[Training | None, Finding]:
    """Train briefly on the embedded set: it shows that everything works, and is never a grade."""
    short = recipe.model_copy(update={"epochs": min(recipe.epochs, PREVIEW_EPOCHS), "stages": ()})
    offline = replace(run, settings=replace(run.settings, data="mini", resume=None))
    final = train(offline, name, short)
    training = final.training if isinstance(final, TrainedEvent) else None
    return training, rules.not_measured(training, why, run.assignment)


def _record(run: Run, variants: Mapping[str, VariantRecord]) -> Record:
    verdict, points, max_points = score.grade_record(variants.values())
    record = Record(
        assignment=run.assignment.id,
        assignment_title=run.assignment.title,
        assignment_sha256=content_hash(run.assignment),
        submission_sha256=run.submission.sha256,
        verdict=verdict,
        points=points,
        max_points=max_points,
        variants=dict(variants),
        provenance=_provenance(run),
    )
    return records.sealed(record)


def _provenance(run: Run) -> dict[str, Any]:
    packages = ("torch", "torchvision", "albumentations", "torchinfo", "numpy", "harness")
    return {
        "graded_at": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - run.started, 1),
        "train_seconds": run.seconds,
        "host": platform.node(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "sandbox": sandbox.BACKEND,
        "seed": run.seed,
        "workers": run.settings.workers,
        "student_output": {name: traced.output for name, traced in run.traced.items()},
    }
