"""The rules of an assignment, judged on the executed graph.

A rule is a function that returns a `Finding`; its name is the TOML key, the pytest id and the row of
the scorecard, and the first line of its docstring says what it checks. Rules about the architecture
must hold in both graphs, train and eval; facts are read from eval. What each rule allows and why:
docs/rules.md.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from harness.analysis.accuracy import diverged, min_accuracy, not_measured, seeds_needed, untrainable
from harness.analysis.agreement import agreement
from harness.analysis.classifier import gap_linear_head
from harness.analysis.convolutions import depthwise_separable, dilation, min_receptive_field
from harness.analysis.evidence import Evidence
from harness.analysis.facts import measured_facts
from harness.analysis.graph import Architecture
from harness.analysis.influence import Views, doubted
from harness.analysis.maxima import find_maxima
from harness.analysis.ops import unknown_nodes, unknown_ops
from harness.analysis.parameters import Counted, count, numbers
from harness.analysis.receptive import table
from harness.analysis.running import Probe, same_graph_in_eval, untrained_at_chance
from harness.analysis.strides import downsampling
from harness.analysis.verdicts import failed, not_judged, opaque, passed
from harness.analysis.view import View
from harness.assignment import AssignmentSpec, Points
from harness.limits import Rules
from harness.recipe import TransformSpec
from harness.record import Cause, Facts, Finding, ReceptiveFieldRow

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
    classes = assignment.data.num_classes
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


__all__ = [
    "DESCRIPTIONS", "Probe", "augmentation", "depthwise_separable", "dilation", "diverged", "downsampling",
    "gap_linear_head", "judge", "max_parameters", "min_accuracy", "min_receptive_field", "no_max_pool",
    "not_measured", "not_taken_in", "same_graph_in_eval", "seeds_needed", "unknown_ops", "untrainable",
    "untrained_at_chance",
]  # fmt: skip
