"""Plain words for what a record says in one: verdicts, causes, rules and pictures."""

from collections.abc import Mapping

from harness.record import Cause, Finding, Status, VariantRecord

VERDICTS: Mapping[Status, str] = {"passed": "passed", "failed": "failed", "not_judged": "not judged"}
CAUSES: Mapping[Cause, str] = {
    "student": "something in the submission",
    "resource": "the machine ran out of memory, not the submission",
    "infrastructure": "the machine or its data, not the submission",
    "harness": "the harness itself, not the submission",
}
ASKS: Mapping[str, str] = {
    "max_parameters": "a small network",
    "no_max_pool": "no max-pooling, under any name",
    "downsampling": "the right strides, and nothing else that shrinks the maps",
    "depthwise_separable": "depthwise-separable convolutions, where they belong",
    "dilation": "dilated convolutions, where they belong",
    "min_receptive_field": "the last map sees enough of the image",
    "gap_linear_head": "a global average, then one Linear layer",
    "same_graph_in_eval": "training and evaluation run the same network",
    "untrained_at_chance": "no trained weights come with the submission",
    "augmentation": "the training images are varied",
    "min_accuracy": "enough test images are named rightly",
}
"""What each rule asks for, in a few words; docs/rules.md has the rest."""
PICTURES: Mapping[str, str] = {
    "acc_curves.png": "Accuracy by epoch",
    "loss_curves.png": "Loss by epoch",
    "cm.png": "Confusion matrix",
    "test_samples_grid.png": "Test images and what the network calls them",
    "wrong_samples_grid.png": "Test images that the network gets wrong with most confidence",
    "augmented_samples_grid.png": "Training images, and what the augmentation makes of them",
    "receptive_field.png": "Theoretical and effective receptive field",
    "architecture.svg": "The graph that is executed",
}
"""The pictures of one variant, in the order they are shown in."""


def asks(rule: str) -> str:
    """Say what a rule asks for, in a few words; empty for a rule of another version."""
    return ASKS.get(rule, "")


def finding_of(variant: VariantRecord, rule: str) -> Finding | None:
    """Find what one rule says about a variant; None where it was not asked."""
    return next((finding for finding in variant.findings if finding.rule == rule), None)


def rules_of(variants: Mapping[str, VariantRecord]) -> tuple[str, ...]:
    """List the rules of all variants, each once, in the order of their findings."""
    return tuple(dict.fromkeys(finding.rule for v in variants.values() for finding in v.findings))


def to_change(variant: VariantRecord) -> tuple[Finding, ...]:
    """List what did not pass: failed rules first, then those left open."""
    left = [finding for finding in variant.findings if finding.status != "passed"]
    return tuple(sorted(left, key=lambda finding: finding.status != "failed"))
