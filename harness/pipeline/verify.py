"""Judge a submission where it cannot be trained: the rules live, the accuracy by a record made elsewhere.

The record's seal is a hash, not a signature: who edits a record and seals it again is not found out by
it. So everything in it that can be computed again is: the graph's hash, the assignment's, the recipe, the
statistics, the points. What remains is the confusion matrix itself, which only a training can confirm;
the same seed gives the same weights, so a teacher can train any record again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import combinations

from harness.assignment.points import grade_variant, total, worth
from harness.assignment.spec import AssignmentSpec
from harness.base.tables import content_hash
from harness.datasets.spec import DataSpec
from harness.pipeline.grade import judged_by_rules, variants_to_train
from harness.pipeline.loading import load
from harness.pipeline.probing import probe
from harness.pipeline.recording import (
    Graded,
    missing_variants,
    provenance,
    sealed_record,
    variant_record,
    with_accuracy,
)
from harness.pipeline.task import Task
from harness.pipeline.training import judged
from harness.record.facts import Facts
from harness.record.findings import Finding
from harness.record.record import Record, VariantRecord
from harness.record.trainings import Training, accuracy_of
from harness.rules.judging import judge_trainings, not_loaded, not_trained
from harness.rules.registry import Asked
from harness.rules.verdicts import untrainable
from harness.settings.recipe import RecipeSpec
from harness.training.client import Child

PENDING = "The autograder was stopped before it came to this rule. Submit again, or ask for a larger machine."
ADVICE = (
    "Run harness grade on your machine, with the assignment's seed, and submit results/scorecard.json with "
    "the files it was graded from."
)

Publish = Callable[[Record], None]


def verify(task: Task, uploaded: Record | None, why_none: str, publish: Publish) -> Record:
    """Judge every variant live, take over the trainings that hold up, and publish after each variant.

    `why_none` says why there is no uploaded record. What has not been judged when `publish` is called is
    *not judged*, never a zero.

    Raises:
        HarnessError: there can be no verdict.
    """
    nothing = Graded("", {})
    missing, told = missing_variants(task, nothing), provenance(task, nothing)

    def published(variants: Mapping[str, VariantRecord]) -> Record:
        record = sealed_record(task, {**variants, **missing}, told)
        publish(record)
        return record

    found = {name: _pending(task, name) for name in task.submission.variants}
    record = published(found)
    with closing(Child()) as worker:
        worker.start(task.assignment.data)
        for name in task.submission.variants:
            live, recipe = _live(task.alone(name), name, worker)
            found |= {name: _completed(task, name, live, recipe, uploaded, why_none)}
            record = published(found)
    return record


def doubts(
    name: str, live: VariantRecord, uploaded: Record, assignment: AssignmentSpec, recipe: RecipeSpec
) -> Iterator[str]:
    """Yield everything that speaks against the training of one variant in an uploaded record."""
    if uploaded.assignment_sha256 != content_hash(assignment):
        yield f"the record is of another edition of the assignment ({uploaded.assignment})"
    theirs = uploaded.variants.get(name)
    if theirs is None or theirs.training is None:
        yield f"the record holds no training of {name}"
        return
    if theirs.graph_sha256 != live.graph_sha256:
        yield "the record is of another network: the hashes of the graphs differ"
    for i, training in enumerate(theirs.trainings):
        if recipe.differences(training.recipe):
            yield "it was trained with another recipe"
        if training.seed != assignment.seed + i:
            yield f"it was trained with seed {training.seed}; expected {assignment.seed + i}"
    full_px = assignment.data.input_shape[-1]
    counts = [recipe.epochs, *(followed.epochs for followed in _without_stages(recipe, full_px))]
    # Each group only makes sense where the one before it left no doubt.
    found = (
        [doubt for training in theirs.trainings for doubt in _data_doubts(training, assignment.data)]
        or [
            doubt
            for training in theirs.trainings
            for doubt in _statistics_doubts(training, assignment.data, counts)
        ]
        or list(_points_doubts(uploaded, theirs, name, assignment))
    )
    yield from found


# Private functions


def _live(task: Task, name: str, worker: Child) -> tuple[VariantRecord, RecipeSpec]:
    """Judge one variant by the rules, and return by which recipe it is trained."""
    loads = load(task)
    graded = judged_by_rules(task, loads.backend, probe(task, loads, worker))
    record = variant_record(task, name, graded.variants[name])
    recipe = [task.recipe_of(name, architecture) for _, architecture in graded.architectures([name])]
    return record, recipe[0] if recipe else task.recipe(name)


def _data_doubts(training: Training, spec: DataSpec) -> Iterator[str]:
    data, per_class = training.data, spec.test_per_class
    expected = (spec.dataset, spec.known_sha256 or data.sha256, spec.class_names)
    if (data.name, data.sha256, data.classes) != expected:
        yield f"it was trained on other data than {spec.title} ({data.name}, SHA-256 {data.sha256[:12]}…)"
    if per_class is None:
        return
    if (data.train_images, data.test_images) != (spec.train_images, sum(per_class)):
        yield (
            f"it counts {data.train_images:,} training and {data.test_images:,} test images; "
            f"expected {spec.train_images:,} and {sum(per_class):,}"
        )


def _without_stages(recipe: RecipeSpec, full_px: int) -> Iterator[RecipeSpec]:
    """Yield the recipes that networks follow which cannot run at some of its sizes."""
    sizes = {stage.size_px for stage in recipe.stages}
    for count in range(1, len(sizes) + 1):
        for refused in combinations(sorted(sizes), count):
            yield recipe.at_full_size(refused, full_px)


def _statistics_doubts(training: Training, spec: DataSpec, counts: Sequence[int]) -> Iterator[str]:
    """Yield what is odd about a training's numbers; `counts` are epochs it may have, the recipe's first."""
    confusion = training.confusion
    if doubt := _confusion_doubt(training, spec):
        yield doubt
        return
    accuracy, interval = accuracy_of(confusion)
    if abs(training.accuracy - accuracy) > 1e-9:
        yield f"its accuracy is not that of its confusion matrix: {training.accuracy} and {accuracy}"
    if max(map(abs, _differences(training.accuracy_interval, interval))) > 1e-9:
        yield "its interval is not the 95 % Wilson interval of its accuracy"
    possible = counts if training.notes else counts[:1]
    if [log.epoch for log in training.epochs] not in [list(range(1, count + 1)) for count in possible]:
        yield f"its log does not have epochs 1 to {counts[0]}"
        return
    if abs(training.epochs[-1].test_acc - training.accuracy) > 1e-6:
        yield "the last epoch of its log has another accuracy"
    best = max(training.epochs, key=lambda log: log.test_acc)  # the first of equals
    if training.best_epoch != best.epoch:
        yield f"its best epoch is not {training.best_epoch}"


def _confusion_doubt(training: Training, spec: DataSpec) -> str:
    """Return which test images a confusion matrix should count and does not; "" where it counts them."""
    confusion, classes, per_class = training.confusion, spec.num_classes, spec.test_per_class
    square = len(confusion) == classes
    square = square and all(len(row) == classes and min(row, default=-1) >= 0 for row in confusion)
    rows = tuple(map(sum, confusion))
    if square and (rows == per_class or (per_class is None and sum(rows) == training.data.test_images)):
        return ""
    if per_class is None:
        return f"its confusion matrix does not count the {training.data.test_images:,} test images"
    if len(set(per_class)) > 1:
        return "its confusion matrix does not count the test images of each class"
    return f"its confusion matrix does not count {per_class[0]:,} test images of each class"


def _differences(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return a[0] - b[0], a[1] - b[1]


def _points_doubts(
    uploaded: Record, theirs: VariantRecord, name: str, assignment: AssignmentSpec
) -> Iterator[str]:
    if (needed := assignment.seeds_needed(theirs.trainings, name)) != len(theirs.trainings):
        yield f"it was trained with {len(theirs.trainings)} seeds; its accuracy asks for {needed}"
    said = {finding.rule: _without_help(finding) for finding in theirs.findings if finding.measured}
    now = {f.rule: _without_help(f) for f in judge_trainings(theirs.trainings, assignment.rules_for(name))}
    for rule in said.keys() | now.keys():
        if said.get(rule) != now.get(rule):
            yield f"its verdict on {rule} does not follow from its training"
    said_of_it = (theirs.verdict, theirs.points, theirs.max_points)
    if grade_variant(theirs.findings, worth(assignment, name)) != said_of_it:
        yield "its points are not the sum of its findings"
    scored = total(assignment, uploaded.variants)
    if (scored.verdict, scored.points, scored.max_points) != (
        uploaded.verdict, uploaded.points, uploaded.max_points,
    ):  # fmt: skip
        yield "its total is not that of its variants"


def _without_help(finding: Finding) -> Finding:
    """Return what a finding says of a training alone: what to do depends on what has been asked for, too."""
    return finding.model_copy(update={"help": ""})


def _completed(
    task: Task,
    name: str,
    live: VariantRecord,
    recipe: RecipeSpec,
    uploaded: Record | None,
    why_none: str,
) -> VariantRecord:
    """Add the rule about accuracy to a variant judged live."""
    if task.assignment.policy.rules_only:
        return live
    trained = uploaded is not None and name in uploaded.variants and uploaded.variants[name].full
    if not trained and name not in variants_to_train(task, ()):
        return live
    rules = task.assignment.rules_for(name)
    if live.problem is not None:
        return _scored(task, name, live, not_loaded(live.problem.cause, rules, full=True))
    if uploaded is None:
        return _scored(task, name, live, (*live.findings, *_unproven(why_none, rules)))
    why = "; ".join(doubts(name, live, uploaded, task.assignment, recipe))
    if why:
        reason = f"the record that came with the submission does not hold up: {why}"
        return _scored(task, name, live, (*live.findings, *_unproven(reason, rules)))
    trainings = uploaded.variants[name].trainings
    findings = (*live.findings, *judged(task, name, trainings))
    taken = {"training": trainings[0], "more_trainings": trainings[1:]}
    return _scored(task, name, live, findings).model_copy(
        update={**taken, "facts": with_accuracy(live.facts, trainings)}
    )


def _unproven(why: str, rules: Sequence[Asked]) -> tuple[Finding, ...]:
    return not_trained(replace(untrainable("student", why), actual=why, help=ADVICE), rules)


def _pending(task: Task, name: str) -> VariantRecord:
    full = name in variants_to_train(task, ())
    findings = tuple(
        finding.model_copy(update={"actual": "not reached yet", "help": PENDING})
        for finding in not_loaded("infrastructure", task.assignment.rules_for(name), full=full)
    )
    verdict, points, most = grade_variant(findings, worth(task.assignment, name))
    return VariantRecord(
        title=task.assignment.variants[name].title,
        class_name=task.submission.variants[name].requested.class_name or "",
        full=full,
        verdict=verdict,
        points=points,
        max_points=most,
        findings=findings,
        facts=Facts(),
    )


def _scored(task: Task, name: str, variant: VariantRecord, findings: tuple[Finding, ...]) -> VariantRecord:
    verdict, points, most = grade_variant(findings, worth(task.assignment, name))
    full = any(finding.measured for finding in findings)
    return variant.model_copy(
        update={
            "findings": findings, "verdict": verdict, "points": points, "max_points": most, "full": full,
        }
    )  # fmt: skip
