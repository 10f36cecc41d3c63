"""The rules about a network that is run: the same in both modes, and untrained at chance."""

from typing import Protocol

from harness.analysis import consistency
from harness.analysis.agreement import Extents
from harness.analysis.evidence import Evidence
from harness.analysis.lookups import lookups
from harness.analysis.signs import signs_of_mode
from harness.analysis.verdicts import failed, layers, not_judged, opaque, passed
from harness.analysis.view import View
from harness.limits import Rules
from harness.record import Finding

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
        (signs_of_mode(train.measured), "what a dropout gives is compared with what it was given",
         "Use what a dropout gives as a value, not as a sign of the mode."),
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
    steps = probe.evidence.steps if probe and view.is_eval else frozenset()
    if found := lookups(view.measured, steps):
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


# Private functions


def _same_when_run(rule: str, expected: str, probe: Probe | None, not_run: str) -> Finding:
    """Check by running what the graph does not show: chance and the influence of batch mates."""
    if probe is None:
        return _not_run(rule, expected, not_run)
    if probe.evidence.normalised:
        actual = f"{probe.evidence.normalised} normalises what is nearly the same for all images"
        return failed(rule, expected, actual, advice="Normalise what differs from image to image.")
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
