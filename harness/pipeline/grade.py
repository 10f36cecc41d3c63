"""One submission, start to end: take it in, judge the rules, train, score, say what was found.

submission -> trace (child) -> probe (child) -> rules -> train (child) -> record -> reports
"""

import platform
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from harness.assignment.points import grade_variant, total, worth
from harness.assignment.spec import AssignmentSpec
from harness.assignment.starter import is_starter
from harness.base.installation import versions
from harness.base.machine import now
from harness.base.tables import content_hash
from harness.datasets.loading import check_before
from harness.graph.cuda import not_on_cuda
from harness.graph.naming import counted, with_lines
from harness.loader.load import Traced, Untraced
from harness.pipeline.probing import probe
from harness.pipeline.run import Run, take_in
from harness.pipeline.trainings import Accuracy, accuracy
from harness.record import record as records
from harness.record.record import Facts, Finding, Record, Training, VariantRecord
from harness.rules import judging
from harness.rules.network import Network
from harness.settings.recipe import RecipeSpec
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


def grade(run: Run, to_train: frozenset[str] = frozenset()) -> Record:
    """Take in, probe and judge every variant of the submission, and train those named.

    Raises:
        HarnessError: there can be no verdict: bad data, a broken installation, a child that died.
    """
    for name in run.submission.variants:
        run.recipe(name)  # a manifest that asks for too much is refused before anything is run
    if to_train:
        check_before(run.assignment.data, run.settings.data)
    take_in(run)
    probe(run)
    return judge(run, to_train)


def judge(
    run: Run, to_train: frozenset[str] = frozenset(), trained: Mapping[str, Accuracy] | None = None
) -> Record:
    """Judge every variant of a submission that has been taken in and probed, and train those named.

    `trained` has what came of variants that were trained before: they are not trained again.

    Raises:
        HarnessError: as `grade`.
    """
    measured = trained or {}
    variants = {
        name: _variant(run, name, run.recipe(name), measured.get(name), train=name in to_train)
        for name in run.submission.variants
    }
    return _record(run, variants | missing_variants(run))


def variants_to_train(run: Run, asked: Sequence[str]) -> frozenset[str]:
    """Say which variants are trained: those asked for, else those that the assignment asks for.

    Where any one will do that is its default, or what was handed in in its place. None where the rules alone
    are the grade.
    """
    policy, default = run.assignment.policy, run.assignment.default_variant
    if policy.rules_only:
        return frozenset()
    if asked:
        return frozenset(asked)
    one_will_do = policy.variants == "any" and default in run.submission.variants
    return frozenset([default] if one_will_do else run.submission.variants)


def missing_variants(run: Run) -> dict[str, VariantRecord]:
    """Judge the variants that are asked for and were not handed in: all of their points are lost.

    None where nothing could be read: then nobody can tell what was handed in.
    """
    # By name: the order of the file is lost in a record, whose keys are sorted.
    spec, handed_in = run.assignment, ", ".join(sorted(run.submission.variants))
    if run.traced and all(isinstance(traced, Untraced) for traced in run.traced.values()):
        return {}
    found = {}
    for name in run.submission.missing:
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
    share, interval = records.mean_accuracy(trainings)
    return facts.model_copy(
        update={
            "accuracy": share,
            "accuracy_interval": interval,
            "weights_sha256": trainings[0].weights_sha256,
        }
    )


# Private functions


def _variant(
    run: Run, name: str, recipe: RecipeSpec, measured: Accuracy | None, *, train: bool
) -> VariantRecord:
    traced, full = run.traced[name], train or measured is not None
    judged = traced if isinstance(traced, Untraced) else _judged(run, name, traced, recipe)
    if isinstance(judged, Untraced):
        run.traced[name] = judged
        problem = records.Problem(
            cause=judged.cause, message=judged.message, traceback=judged.traceback, ending=judged.ending
        )
        findings = judging.not_loaded(judged.cause, run.assignment.rules_for(name), full=full)
        return _scored(run.assignment, name, judged.class_name, findings, full=full, problem=problem)
    assert isinstance(traced, Traced)
    findings, facts, table = judged
    doubts = [
        doubt for doubt in (_summary_doubt(traced), _starter_doubt(traced), _cuda_doubt(traced)) if doubt
    ]
    facts = facts.model_copy(update={"warnings": (*facts.warnings, *doubts)})
    trainings: tuple[Training, ...] = ()
    if full:
        trainings, reached = measured or accuracy(run, name, recipe, run.probes.get(name))
        findings = (*findings, *reached)
    return _scored(
        run.assignment,
        name,
        traced.class_name,
        findings,
        full=full,
        facts=with_accuracy(facts, trainings),
        receptive_field=table,
        summary=traced.summary,
        taken_in=traced.notes,
        graph_sha256=traced.sha256,
        training=trainings[0] if trainings else None,
        more_trainings=trainings[1:],
    )


def _judged(run: Run, name: str, traced: Traced, recipe: RecipeSpec) -> judging.Judged | Untraced:
    """Judge the rules; a graph that nobody can judge counts as not taken in."""
    try:
        network = Network(
            with_lines(traced.architecture, traced.lines),
            run.assignment.data.input_shape,
            run.assignment.data.num_classes,
            recipe,
            run.probes.get(name),
            run.not_run.get(name, ""),
        )
        return judging.judge(network, run.assignment.every_rule(), name, seeds_differ=traced.seeds_differ)
    except Exception as error:  # noqa: BLE001 - whatever a graph says, there is a verdict and never a crash
        message = (
            f"graph: no rule can be judged by it ({type(error).__name__}: {str(error)[:300]}). "
            "Write the model with standard layers, or ask the teacher to judge it by hand."
        )
        return Untraced(traced.class_name, "bad_output", "student", message, "", traced.output)


def _starter_doubt(traced: Traced) -> str | None:
    """Notice the network that `harness new` writes."""
    if not is_starter(traced.architecture):
        return None
    return (
        "This is the starter that `harness new` writes, its network unchanged: it keeps the rules, and is"
        " nobody's own work."
    )


def _cuda_doubt(traced: Traced) -> str | None:
    """Say of a network that a GPU cannot train it."""
    why = not_on_cuda(traced.architecture)
    return f"Trained on a CPU only (--device cpu or auto): {why}." if why else None


def _summary_doubt(traced: Traced) -> str | None:
    """Compare torchinfo's total, which is text from the child, with the graph's."""
    if not traced.summary:
        return None
    found = re.search(r"^Total params: (\d[\d,]{0,20})$", traced.summary, flags=re.MULTILINE)
    counted = sum(t.numel for t in traced.architecture.tensors if t.kind == "parameter" and t.tied_to is None)
    if found is not None and int(found[1].replace(",", "")) == counted:
        return None
    said = found[1] if found else "no total"
    return f"The model summary says {said} parameters, the exported model has {counted:,}; the latter counts."


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
            "facts": records.Facts(),
            **rest,
        }
    )


def _record(run: Run, variants: Mapping[str, VariantRecord]) -> Record:
    scored = total(run.assignment, variants)
    record = Record(
        assignment=run.assignment.id,
        assignment_title=run.assignment.title,
        assignment_sha256=content_hash(run.assignment),
        submission_sha256=run.submission.sha256,
        self_check=run.settings.self_check,
        verdict=scored.verdict,
        points=scored.points,
        max_points=scored.max_points,
        variants=dict(variants),
        provenance=_provenance(run),
    )
    return records.sealed(record)


def _provenance(run: Run) -> dict[str, Any]:
    return {
        "graded_at": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - run.started, 1),
        "train_seconds": run.seconds,
        "host": platform.node(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "versions": dict(_versions()),
        "source": printable(run.submission.source),
        "command": shlex.join(["harness", *map(printable, sys.argv[1:])]),
        "notes": run.notes,
        "sandbox": run.backend,
        "seed": run.seed,
        "fingerprint": run.fingerprint,
        "machine": {} if run.settings.self_check else _machine(run),
        "assignment": run.assignment.model_dump(mode="json", by_alias=True),
        "intake": {name: _taken(run, name) for name in run.submission.variants},
        "workers": run.settings.workers,
        "influence": {name: _tried(run, name) for name in run.probes},
        "student_output": {name: traced.output for name, traced in run.traced.items()},
    }


def _tried(run: Run, name: str) -> str:
    """Say what of a variant was changed to see whether the logits move, and what moves them least."""
    traced, effects = run.traced[name], run.probes[name].evidence.effects
    if isinstance(traced, Untraced) or not effects:
        return ""
    least = min(effects, key=lambda node: effects[node])
    layer, share = traced.architecture.eval.by_name[least].layer, min(effects[least], 1.0)
    moved = f"{records.in_percent(share, 0)} %" if share == 0 or share >= SMALLEST_SHOWN else f"{share:.0e}"
    return (
        f"other weights were tried in {counted(len(effects), 'layer')}, and other pixels at the rim of the "
        f"receptive field; what moves the logits least is {layer}, by {moved} of what tells images apart"
    )


def _machine(run: Run) -> dict[str, str]:
    return {check.name: check.found for check in now(run.assignment.recipe.threads)}


@cache
def _versions() -> Mapping[str, str]:
    """Look the versions up once: a class judged again has hundreds of records."""
    return {"python": platform.python_version(), **versions(PACKAGES)}


def _taken(run: Run, name: str) -> dict[str, Any]:
    """Keep what a graph and its weights do not say of a variant, and its grade or its place depends on."""
    traced = run.traced[name]
    return {
        "folder": run.submission.variants[name].output,
        "recipe": run.submission.variants[name].recipe.model_dump(mode="json", exclude_none=True),
        "seeds_differ": traced.seeds_differ if isinstance(traced, Traced) else None,
        "lines": dict(traced.lines) if isinstance(traced, Traced) else {},
    }
