"""Write down what became of a submission: the last stage. A record is sealed once, when all is known."""

import platform
import shlex
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from harness.assignment.points import grade_variant, total, worth
from harness.assignment.spec import AssignmentSpec
from harness.assignment.starter import is_starter
from harness.base.installation import versions
from harness.base.machine import now
from harness.base.tables import content_hash
from harness.graph.cuda import not_on_cuda
from harness.graph.ir import Architecture
from harness.graph.naming import counted
from harness.loader.client import Loaded, LoadFailure
from harness.pipeline.judging import Judged
from harness.pipeline.task import Task
from harness.pipeline.tiers import chosen
from harness.pipeline.training import Trained
from harness.record import record as records
from harness.record.facts import Facts
from harness.record.findings import Finding, Problem
from harness.record.record import Record, VariantRecord
from harness.record.trainings import Training, in_percent, mean_accuracy
from harness.report.material import Measured
from harness.report.plots.sources import EffectiveField
from harness.rules import judging
from harness.sources.files import printable

PACKAGES = (
    "harness", "torch", "torchvision", "albumentations", "opencv-python-headless", "numpy", "safetensors",
    "torchinfo",
)  # fmt: skip
"""What decides a result; their versions go into the provenance."""
HANDED_IN = "handed_in"
"""Stands for all rules of a variant that is missing."""
SMALLEST_SHOWN = 0.01
"""Share that is still shown in percent."""


@dataclass(frozen=True)
class GradedVariant:
    """The results of the stages for one variant."""

    judged: Judged | LoadFailure
    full: bool = False
    """Whether trainings are part of its grade."""
    trained: Trained | None = None
    """None too where it was to be trained and could not be loaded."""
    field: EffectiveField | None = None
    notes: tuple[str, ...] = ()
    """What could not be measured for its pictures."""


@dataclass(frozen=True)
class Graded:
    """The results of the stages for a submission: all that a record is made of."""

    backend: str
    """What held the submission's code: a backend of the sandbox, or none in a self-check."""
    variants: Mapping[str, GradedVariant]
    earlier: Mapping[str, Any] = field(default_factory=dict)
    """Provenance of the grade whose trainings are taken over, where that is so."""

    @property
    def measured(self) -> dict[str, Measured]:
        """The values that pictures of the networks are made from, by variant."""
        return {
            name: Measured(one.judged.network.evaluation, one.field)
            for name, one in self.variants.items()
            if isinstance(one.judged, Judged)
        }

    def architectures(self, names: Collection[str]) -> list[tuple[str, Architecture]]:
        """Return the graphs of the variants named that could be judged, by name."""
        return [
            (name, one.judged.probed.loaded.architecture)
            for name, one in sorted(self.variants.items())
            if name in names and isinstance(one.judged, Judged)
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """The values that could not be measured for the pictures."""
        return tuple(note for one in self.variants.values() for note in one.notes)


def record(task: Task, graded: Graded) -> Record:
    """Write the record of a submission that has been graded, and seal it."""
    variants = {name: variant_record(task, name, one) for name, one in graded.variants.items()}
    return sealed_record(task, variants | missing_variants(task, graded), provenance(task, graded))


def sealed_record(task: Task, variants: Mapping[str, VariantRecord], provenance: Mapping[str, Any]) -> Record:
    """Add up what was found on all variants, and seal it."""
    scored = total(task.assignment, variants)
    return records.sealed(
        Record(
            assignment=task.assignment.id,
            assignment_title=task.assignment.title,
            assignment_sha256=content_hash(task.assignment),
            submission_sha256=task.submission.sha256,
            self_check=task.settings.self_check,
            verdict=scored.verdict,
            points=scored.points,
            max_points=scored.max_points,
            variants=dict(variants),
            provenance=dict(provenance),
        )
    )


def variant_record(task: Task, name: str, graded: GradedVariant) -> VariantRecord:
    """Write down what was found on one variant."""
    judged, spec = graded.judged, task.assignment
    if isinstance(judged, LoadFailure):
        problem = Problem(
            cause=judged.cause, message=judged.message, traceback=judged.traceback, ending=judged.ending
        )
        findings = judging.not_loaded(judged.cause, spec.rules_for(name), full=graded.full)
        return _scored(spec, name, judged.class_name, findings, full=graded.full, problem=problem)
    loaded, findings = judged.probed.loaded, judged.findings
    trainings: tuple[Training, ...] = ()
    if graded.trained is not None:
        trainings, findings = graded.trained.trainings, (*findings, *graded.trained.findings)
    return _scored(
        spec,
        name,
        loaded.class_name,
        findings,
        full=graded.full,
        facts=with_accuracy(_with_doubts(judged.facts, loaded.architecture), trainings),
        receptive_field=judged.receptive_field,
        summary=loaded.summary,
        taken_in=loaded.notes,
        graph_sha256=loaded.sha256,
        training=trainings[0] if trainings else None,
        more_trainings=trainings[1:],
    )


def missing_variants(task: Task, graded: Graded) -> dict[str, VariantRecord]:
    """Judge the variants that are asked for and were not handed in: all of their points are lost.

    None where nothing could be read: then nobody can tell what was handed in.
    """
    # By name: the order of the file is lost in a record, whose keys are sorted.
    spec, handed_in = task.assignment, ", ".join(sorted(task.submission.variants))
    if graded.variants and all(isinstance(one.judged, LoadFailure) for one in graded.variants.values()):
        return {}
    found = {}
    for name in task.submission.missing:
        finding = Finding(
            rule=HANDED_IN,
            asks="every variant that is asked for is handed in",
            status="failed",
            expected=f"variants {', '.join(sorted(spec.variants))}",
            actual=f"{handed_in} alone",
            help=f"Say in submission.toml which class answers {name}, as in [variants.{name}] "
            'file = "model.py", class = "Net".',
            points=0,
            max_points=worth(spec, name),
        )
        found[name] = _scored(spec, name, "", (finding,), full=False)
    return found


def with_accuracy(facts: Facts, trainings: Sequence[Training]) -> Facts:
    """Add what trainings measured; a preview on the embedded set measured nothing."""
    if not trainings or trainings[0].data.name == "mini":
        return facts
    share, interval = mean_accuracy(trainings)
    return facts.model_copy(
        update={
            "accuracy": share,
            "accuracy_interval": interval,
            "weights_sha256": trainings[0].weights_sha256,
        }
    )


def provenance(task: Task, graded: Graded) -> dict[str, Any]:
    """Return where, when and with what a submission was graded: nothing of it is part of the result."""
    trained = [one.trained for one in graded.variants.values() if one.trained is not None]
    earlier = graded.earlier
    return {
        "graded_at": datetime.fromtimestamp(task.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - task.started, 1),
        "train_seconds": _merged(earlier.get("train_seconds"), *(one.seconds for one in trained)),
        "host": platform.node(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "versions": dict(_versions()),
        "source": printable(task.submission.source),
        "command": shlex.join(["harness", *map(printable, sys.argv[1:])]),
        "notes": [*earlier.get("notes", ()), *_notes(graded)],
        "sandbox": graded.backend,
        "seed": task.seed,
        "fingerprint": _merged(earlier.get("fingerprint"), *(one.fingerprint for one in trained)),
        "machine": {} if task.settings.self_check else _machine(task),
        "assignment": task.assignment.model_dump(mode="json", by_alias=True),
        "recipe": {
            name: said
            for name, one in graded.variants.items()
            if isinstance(one.judged, Judged)
            and (said := chosen(task, name, one.judged.probed.loaded.architecture))
        },
        "intake": {name: _loaded(task, name, one) for name, one in graded.variants.items()},
        "workers": task.settings.workers,
        "influence": {
            name: _tried(one.judged)
            for name, one in graded.variants.items()
            if isinstance(one.judged, Judged) and one.judged.probed.probe is not None
        },
        "student_output": {name: _output(one.judged) for name, one in graded.variants.items()},
    }


# Private functions


def _merged(*found: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for one in found if one for key, value in one.items()}


def _notes(graded: Graded) -> list[str]:
    """Collect the notes stage by stage, as they came about."""
    judged = [one.judged for one in graded.variants.values() if isinstance(one.judged, Judged)]
    trained = [one.trained for one in graded.variants.values() if one.trained is not None]
    return [
        *(note for one in judged for note in one.probed.notes),
        *(note for one in trained for note in one.notes),
        *graded.notes,
    ]


def _output(judged: Judged | LoadFailure) -> str:
    return judged.output if isinstance(judged, LoadFailure) else judged.probed.loaded.output


def _with_doubts(facts: Facts, architecture: Architecture) -> Facts:
    """Warn of the network that `harness new` writes, and of one that a GPU cannot train."""
    doubts = []
    if is_starter(architecture):
        doubts.append(
            "This is the starter that `harness new` writes, its network unchanged: it keeps the rules, and is"
            " nobody's own work."
        )
    if why := not_on_cuda(architecture):
        doubts.append(f"Trained on a CPU only (--device cpu or auto): {why}.")
    return facts.model_copy(update={"warnings": (*facts.warnings, *doubts)})


def _scored(
    spec: AssignmentSpec, name: str, class_name: str, findings: tuple[Finding, ...], **rest: Any
) -> VariantRecord:
    verdict, points, max_points = grade_variant(findings, worth(spec, name))
    return VariantRecord.model_validate(
        {
            "title": spec.variants[name].title,
            "class_name": class_name,
            "verdict": verdict,
            "points": points,
            "max_points": max_points,
            "findings": findings,
            "facts": Facts(),
            **rest,
        }
    )


def _tried(judged: Judged) -> str:
    """Return what of a variant was changed to see whether the logits move, and what moves them least."""
    probe = judged.probed.probe
    effects = {} if probe is None else probe.evidence.effects
    if not effects:
        return ""
    least = min(effects, key=lambda node: effects[node])
    layer, share = judged.probed.loaded.architecture.eval.by_name[least].layer, min(effects[least], 1.0)
    moved = f"{in_percent(share, 0)} %" if share == 0 or share >= SMALLEST_SHOWN else f"{share:.0e}"
    return (
        f"other weights were tried in {counted(len(effects), 'layer')}, and other pixels at the rim of the "
        f"receptive field; what moves the logits least is {layer}, by {moved} of what tells images apart"
    )


def _machine(task: Task) -> dict[str, str]:
    return {check.name: check.found for check in now(task.assignment.recipe.threads)}


@cache
def _versions() -> Mapping[str, str]:
    """Read the versions once: a class judged again has hundreds of records."""
    return {"python": platform.python_version(), **versions(PACKAGES)}


def _loaded(task: Task, name: str, graded: GradedVariant) -> dict[str, Any]:
    """Return what a graph and its weights do not say of a variant, and its grade or its place depends on."""
    judged, answered = graded.judged, task.submission.variants[name]
    loaded: Loaded | None = judged.probed.loaded if isinstance(judged, Judged) else None
    return {
        "folder": answered.output,
        "recipe": answered.recipe.model_dump(mode="json", exclude_none=True),
        "seeds_differ": loaded.seeds_differ if loaded else None,
        "lines": dict(loaded.lines) if loaded else {},
    }
