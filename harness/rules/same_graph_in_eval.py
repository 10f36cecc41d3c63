"""The rule that training and evaluation run the same network."""

from harness.graph import consistency
from harness.graph.naming import layers
from harness.graph.signs_of_mode import signs_of_mode
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.network import Network, no_number, not_run
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator

MAX_BATCH_DIFFERENCE = 1e-3
"""Largest relative change of an output by its batch mates; another order of summation gives about 1e-6."""
MAX_REPEAT_DIFFERENCE = 1e-6


@rule(asks="training and evaluation run the same network", needs="probe")
class SameGraphInEval(NetworkRule):
    """Check that train and eval differ in batch-norm and dropout alone, and eval sees the image only."""

    def judge(self, network: Network, settings: RuleSettings) -> Verdict:
        """Judge both graphs side by side, and what running them shows."""
        return _same_graph(network)


# Private functions


def _same_graph(network: Network) -> Verdict:
    expected = "train and eval differ in batch-norm and dropout alone; eval depends on the image only"
    train, evaluation = network.train, network.evaluation
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
            return failed(expected, actual, *nodes, advice=advice)
    unreliable = {node.name for flow in flows for node in (*flow.unknown, *flow.tangled)}
    blocking = [
        r for view in (evaluation, train) for r in view.unknown_operators if r.node.name in unreliable
    ]
    if blocking:
        return unknown_operator(expected, blocking[0])
    verdict = _same_when_run(expected, network)
    counting = consistency.by_batch_size(evaluation.measured) or consistency.by_batch_size(train.measured)
    if verdict.status == "passed" and counting:
        what = f"the number of images in a batch is computed with: {layers(counting)}"
        advice = "Use sizes of a batch in shapes alone."
        return failed(expected, what, *counting, advice=advice)
    return verdict


def _same_when_run(expected: str, network: Network) -> Verdict:
    """Check by running what the graph does not show: chance and the influence of batch mates."""
    probe = network.probe
    if probe is None:
        return not_run(expected, network)
    if probe.evidence.normalised:
        actual = f"{probe.evidence.normalised} normalises what is nearly the same for all images"
        return failed(expected, actual, advice="Normalise what differs from image to image.")
    if probe.evidence.switch:
        actual = "what is computed depends on whether a dropout drops anything"
        return failed(expected, actual, advice="Use what a dropout gives as a value, not as a sign.")
    if probe.repeat_difference > MAX_REPEAT_DIFFERENCE:
        actual = f"two passes over the same images differ by {probe.repeat_difference:.1e} of the output"
        return failed(expected, actual, advice="Remove what depends on chance.")
    if probe.batch_difference > MAX_BATCH_DIFFERENCE:
        actual = f"an image's output changes by {probe.batch_difference:.1e} with the others in its batch"
        advice = "Do not compute anything across the first dimension, the batch."
        return failed(expected, actual, advice=advice)
    if not probe.finite:
        return no_number(expected)
    if probe.evidence.mixed:
        actual = "after some steps of training an image's output changes with the others in its batch"
        advice = "Do not compute anything across the first dimension, the batch."
        return failed(expected, actual, advice=advice)
    return passed(expected, "as expected")
