"""The rules of an assignment, judged on the executed graph.

A rule is a function that returns a `Finding`; its name is the TOML key, the pytest id and the row of
the scorecard, and the first line of its docstring says what it checks. Rules about the architecture
must hold in both graphs, train and eval; facts are read from eval. What each rule allows and why:
docs/rules.md.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from harness.analysis import consistency
from harness.analysis.accuracy import diverged, min_accuracy, not_measured, seeds_needed, untrainable
from harness.analysis.agreement import Extents, agreement
from harness.analysis.classifier import gap_linear_head
from harness.analysis.convolutions import depthwise_separable, dilation, min_receptive_field
from harness.analysis.evidence import Evidence
from harness.analysis.facts import measured_facts
from harness.analysis.graph import Architecture
from harness.analysis.influence import Views, doubted
from harness.analysis.lookups import lookups
from harness.analysis.maxima import find_maxima
from harness.analysis.ops import unknown_nodes, unknown_ops
from harness.analysis.parameters import Counted, count, numbers
from harness.analysis.receptive import table
from harness.analysis.strides import downsampling
from harness.analysis.verdicts import failed, layers, not_judged, opaque, passed
from harness.analysis.view import View
from harness.assignment import AssignmentSpec, Points
from harness.limits import Rules
from harness.recipe import TransformSpec
from harness.record import Cause, Facts, Finding, ReceptiveFieldRow

MAX_BATCH_DIFFERENCE = 1e-3
"""Largest relative change of an output by its batch mates; another order of summation gives about 1e-6."""
MAX_REPEAT_DIFFERENCE = 1e-6


class Probe(Protocol):
    """What an untrained network does when it is run. Accuracies in [0, 1], differences relative."""

    @property
    def accuracy_running(self) -> float:
        """With running statistics."""

    @property
    def accuracy_batch(self) -> float:
        """With batch statistics."""

    @property
    def repeat_difference(self) -> float:
        """Of two identical passes in eval."""

    @property
    def batch_difference(self) -> float:
        """Of an image alone and among others, in eval."""

    @property
    def finite(self) -> bool:
        """Whether all outputs are numbers."""

    @property
    def extents(self) -> Extents:
        """The receptive field measured by gradients."""

    @property
    def evidence(self) -> Evidence:
        """What of the graph has influence."""


Judged = tuple[tuple[Finding, ...], Facts, tuple[ReceptiveFieldRow, ...]]


def judge(
    architecture: Architecture,
    probe: Probe | None,
    assignment: AssignmentSpec,
    variant: str,
    pipeline: Sequence[TransformSpec],
    seeds_differ: bool | None = None,  # noqa: FBT001 - a fact with three values, not a switch
    not_run: str = "",
) -> Judged:
    """Judge every rule but accuracy; findings are in the order of the assignment's points.

    `probe` is None when the network could not be run, and `not_run` says why; `pipeline` are the
    transforms it is trained with. Returns findings, facts and the receptive-field table, the last two
    of the eval graph.
    """
    spec, limits = assignment.variants[variant], assignment.rules
    shown = probe.evidence if probe else Evidence(broken=_unproven(architecture, not_run))
    train, evaluation = View(architecture, architecture.train), View(architecture, architecture.eval)
    views = Views(evaluation, train, shown)
    counted = count(architecture, (train.measured, evaluation.measured), shown.filled)
    classes = assignment.data.classes
    second = agreement(evaluation, probe.extents) if probe else None
    findings = (
        max_parameters(counted, limits),
        views.in_both(lambda view: no_max_pool(view, shown.pools)),
        views.by_influence(lambda view: downsampling(view, spec)),
        views.by_influence(lambda view: depthwise_separable(view, spec)),
        views.by_influence(lambda view: dilation(view, spec)),
        views.by_influence(
            lambda view: min_receptive_field(
                view,
                limits.min_receptive_field,
                second if view is evaluation else None,
                shown.reach_px if view.is_eval else None,
            )
        ),
        views.in_both(lambda view: gap_linear_head(view, limits.gap_linear_head, classes, shown.head)),
        same_graph_in_eval(train, evaluation, probe, not_run),
        views.in_both(lambda view: untrained_at_chance(view, probe, limits, classes, not_run)),
        augmentation(pipeline, limits),
    )
    sure = (doubted(finding, shown) for finding in findings)
    facts = measured_facts(evaluation, counted, probe, seeds_differ=seeds_differ, second=second)
    helped = (_with_other_variants(finding, evaluation, assignment, variant) for finding in sure)
    return tuple(_scored(f, assignment.points) for f in helped), facts, table(evaluation.measured)


def not_taken_in(cause: Cause, assignment: AssignmentSpec, *, full: bool) -> tuple[Finding, ...]:
    """Leave every rule open for a submission that could not be exported; `full` includes accuracy."""
    rules = [rule for rule in Points.model_fields if full or rule != "min_accuracy"]
    advice = "Mend what the message about the submission says; then every rule is judged."
    expected = "a network that can be imported, built, run and exported"
    return tuple(
        _scored(
            not_judged(rule, expected, "no graph to look at", cause=cause, advice=advice), assignment.points
        )
        for rule in rules
    )


def max_parameters(counted: Counted, limits: Rules) -> Finding:
    """Check that few enough numbers feed the network: parameters, used or not, and tables it reads."""
    below = limits.max_parameters.below
    expected = f"fewer than {below:,}"
    hidden = sum(numbers(tensor) for tensor in counted.hidden)
    actual = f"{counted.total:,}" + (f", of them {hidden:,} in buffers and constants" if hidden else "")
    if counted.total < below:
        return passed("max_parameters", expected, actual)
    largest = sorted(counted.tensors, key=numbers, reverse=True)[:3]
    named = ", ".join(f"{tensor.name} ({numbers(tensor):,})" for tensor in largest)
    advice = f"Remove at least {counted.total - below + 1:,}; the largest are {named}."
    if counted.unused:
        unused = sum(numbers(tensor) for tensor in counted.unused)
        advice += f" {unused:,} are never used: {', '.join(t.name for t in counted.unused[:3])}."
    return failed("max_parameters", expected, actual, advice=advice)


def no_max_pool(view: View, behaving: Mapping[str, str] = MappingProxyType({})) -> Finding:
    """Check that no maximum is taken over rows, columns or windows, whatever it is called.

    `behaving` are nodes that were found to be one by what they do, with the reason in words.
    """
    rule, expected = "no_max_pool", "no maximum over space"
    maxima = find_maxima(view.measured, behaving)
    if maxima.found:
        named = "; ".join(f"{reason} in {node.layer}" for node, reason in maxima.found[:5])
        layers = ", ".join(dict.fromkeys(node.layer for node, _ in maxima.found[:5]))
        advice = f"Remove {layers}: downsample with a strided convolution, pool globally with an average."
        return failed(rule, expected, named, *(node for node, _ in maxima.found), advice=advice)
    if maxima.undecided:
        return opaque(rule, expected, maxima.undecided[0])
    return passed(rule, expected, "none")


def same_graph_in_eval(train: View, evaluation: View, probe: Probe | None, not_run: str = "") -> Finding:
    """Check that train and eval differ in batch-norm and dropout alone, and eval sees the image only."""
    rule = "same_graph_in_eval"
    expected = "train and eval differ in batch-norm and dropout alone; eval depends on the image only"
    flows = train.measured.flow, evaluation.measured.flow
    for nodes, what, advice in (
        (consistency.chance(flows[1]), "eval depends on chance", "Write F.dropout(x, p, self.training)."),
        (consistency.batch_statistics(flows[1]), "eval normalises with the statistics of the batch",
         "Leave track_running_stats=True and the layers in the mode that model.eval() sets."),
        (consistency.state_changes(*flows), "a buffer or parameter is changed",
         "Compute without changing the model; only batch-norm keeps statistics."),
        (consistency.across_images(evaluation.measured) or consistency.across_images(train.measured),
         "images of a batch are combined", "Do not compute anything across the first dimension, the batch."),
        (consistency.odd_statistics(flows[0]) or consistency.odd_statistics(flows[1]),
         "running statistics do not follow those of the batches",
         f"Give batch-norm a momentum from {consistency.LEAST_MOMENTUM} to less than 1; PyTorch's is 0.1."),
        (consistency.switches(train.measured) or consistency.switches(evaluation.measured),
         "what the image does not reach is normalised or dropped, which only tells train from eval",
         "Apply batch-norm and dropout to what is computed from the image."),
        (consistency.unread_statistics(flows[0]), "statistics follow what nobody reads",
         "Do not call a batch-norm whose result is not used."),
        (consistency.shared_statistics(flows[0]), "running statistics are used that a batch just changes",
         "Call the batch-norm itself: it uses the batch's statistics in training, its running ones in eval."),
        (consistency.odd_dropouts(flows[0]), "hardly anything is left by a dropout in training",
         f"Give dropout a p of at most {consistency.MOST_DROPPED}."),
        (consistency.difference(*flows), "train and eval compute different things",
         "Remove what depends on self.training, batch-norm and dropout apart."),
    ):  # fmt: skip
        if nodes:
            actual = f"{what}: {', '.join(f'{n.op} in {n.layer}' for n in nodes[:3])}"
            return failed(rule, expected, actual, *nodes, advice=advice)
    unreliable = {node.name for flow in flows for node in (*flow.unknown, *flow.tangled)}
    blocking = [r for view in (evaluation, train) for r in view.opaque if r.node.name in unreliable]
    if blocking:
        return opaque(rule, expected, blocking[0])
    finding = _same_when_run(rule, expected, probe, not_run)
    counting = consistency.by_batch_size(evaluation.measured) or consistency.by_batch_size(train.measured)
    if finding.status == "passed" and counting:
        what = f"the number of images in a batch is computed with: {layers(counting)}"
        advice = "Use sizes of a batch in shapes alone."
        return failed(rule, expected, what, *counting, advice=advice)
    return finding


def untrained_at_chance(
    view: View, probe: Probe | None, limits: Rules, classes: int, not_run: str = ""
) -> Finding:
    """Check that the untrained network guesses: no trained weights, no table of answers in the submission."""
    rule, most = "untrained_at_chance", limits.untrained_at_chance.max_accuracy
    expected = f"at most {100 * most:g} % before training (chance is {100 / classes:g} %)"
    if found := lookups(view.measured):
        return failed(
            rule,
            f"{expected}, and no table of answers",
            f"stored numbers are looked up by the image: {layers(found)}",
            *found,
            advice="Remove the table: what the network knows has to come from its training.",
        )
    if probe is None:
        return _not_run(rule, expected, not_run)
    if not probe.finite:
        return _no_number(rule, expected)
    actual = (
        f"{100 * probe.accuracy_running:.1f} % with running and {100 * probe.accuracy_batch:.1f} % with "
        "batch statistics"
    )
    if max(probe.accuracy_running, probe.accuracy_batch) <= most:
        return passed(rule, expected, actual)
    advice = "Remove trained weights from the submission: the harness trains the network itself."
    return failed(rule, expected, actual, advice=advice)


def augmentation(pipeline: Sequence[TransformSpec], limits: Rules) -> Finding:
    """Check that the training pipeline has every required transform."""
    required = [" or ".join(names) for names in limits.augmentation.required]
    least = limits.augmentation.min_p
    used = {transform.name for transform in pipeline if transform.p >= least}
    expected = f"{', '.join(required)}, each with p at least {least:g}"
    actual = ", ".join(f"{t.name} (p {t.p:g})" for t in pipeline) or "none"
    missing = [
        wanted
        for wanted, names in zip(required, limits.augmentation.required, strict=True)
        if not used & set(names)
    ]
    if not missing:
        return passed("augmentation", expected, actual)
    advice = f"Add {', '.join(missing)} to recipe.augmentation in submission.toml, with p at least {least:g}."
    return failed("augmentation", expected, actual, advice=advice)


DESCRIPTIONS: Mapping[str, str] = {
    rule: (function.__doc__ or "").splitlines()[0]
    for rule, function in (
        ("max_parameters", max_parameters),
        ("no_max_pool", no_max_pool),
        ("downsampling", downsampling),
        ("depthwise_separable", depthwise_separable),
        ("dilation", dilation),
        ("min_receptive_field", min_receptive_field),
        ("gap_linear_head", gap_linear_head),
        ("same_graph_in_eval", same_graph_in_eval),
        ("untrained_at_chance", untrained_at_chance),
        ("augmentation", augmentation),
        ("min_accuracy", min_accuracy),
    )
}
"""What each rule checks, in a sentence."""


# Private functions


def _with_other_variants(finding: Finding, view: View, assignment: AssignmentSpec, variant: str) -> Finding:
    """Tell whoever fails `downsampling` which other variant's way of it the network has."""
    if finding.rule != "downsampling" or finding.status != "failed":
        return finding
    for name, spec in assignment.variants.items():
        if name != variant and downsampling(view, spec).status == "passed":
            advice = f"{finding.help} If it is meant as variant {name}, judge it with --variant {name}."
            return finding.model_copy(update={"help": advice})
    return finding


def _unproven(architecture: Architecture, not_run: str) -> str:
    """Say why nothing is known of what has influence; empty where a rule about running says it."""
    unknown = unknown_nodes(architecture.eval)
    return "" if not_run or not unknown else f"the operator {unknown[0].op} is not known"


def _scored(finding: Finding, points: Points) -> Finding:
    most: int = getattr(points, finding.rule)
    earned = {"passed": most, "failed": 0, "not_judged": None}[finding.status]
    return finding.model_copy(update={"points": earned, "max_points": most})


def _same_when_run(rule: str, expected: str, probe: Probe | None, not_run: str) -> Finding:
    """Check by running what the graph does not show: chance and the influence of batch mates."""
    if probe is None:
        return _not_run(rule, expected, not_run)
    if probe.evidence.switch:
        actual = "what is computed depends on whether a dropout drops anything"
        return failed(rule, expected, actual, advice="Use what a dropout gives as a value, not as a sign.")
    if probe.repeat_difference > MAX_REPEAT_DIFFERENCE:
        actual = f"two passes over the same images differ by {probe.repeat_difference:.1e} of the output"
        return failed(rule, expected, actual, advice="Remove what depends on chance.")
    if probe.batch_difference > MAX_BATCH_DIFFERENCE:
        actual = f"an image's output changes by {probe.batch_difference:.1e} with the others in its batch"
        advice = "Do not compute anything across the first dimension, the batch."
        return failed(rule, expected, actual, advice=advice)
    if not probe.finite:
        return _no_number(rule, expected)
    if probe.evidence.mixed:
        actual = "after some steps of training an image's output changes with the others in its batch"
        advice = "Do not compute anything across the first dimension, the batch."
        return failed(rule, expected, actual, advice=advice)
    return passed(rule, expected, "as expected")


def _no_number(rule: str, expected: str) -> Finding:
    return not_judged(
        rule,
        expected,
        "the untrained network gives outputs that are not numbers",
        cause="student",
        advice="Look for a division by zero, a logarithm of zero, or weights that start far too large.",
    )


def _not_run(rule: str, expected: str, why: str) -> Finding:
    if why:
        advice = "The network must map (N, 3, 32, 32) images to logits, one per class; see the other rules."
        return not_judged(rule, expected, f"not run: {why}", cause="student", advice=advice)
    return not_judged(
        rule,
        expected,
        "the network could not be rebuilt from its graph and run",
        cause="harness",
        advice="See the other rules that were not judged; they name the operator.",
    )


__all__ = [
    "DESCRIPTIONS", "Probe", "augmentation", "depthwise_separable", "dilation", "diverged", "downsampling",
    "gap_linear_head", "judge", "max_parameters", "min_accuracy", "min_receptive_field", "no_max_pool",
    "not_measured", "not_taken_in", "same_graph_in_eval", "seeds_needed", "unknown_ops", "untrainable",
    "untrained_at_chance",
]  # fmt: skip
