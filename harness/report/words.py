"""Plain words for what is a code in a record: verdicts, causes, rules and pictures; its assignment, read."""

from collections.abc import Mapping, Sequence

from harness.assignment.spec import parse_assignment
from harness.base.errors import AssignmentError
from harness.record.findings import Cause, Finding, Status
from harness.record.record import Record, VariantRecord

VERDICTS: Mapping[Status, str] = {"passed": "passed", "failed": "failed", "not_judged": "not judged"}
CAUSES: Mapping[Cause, str] = {
    "student": "something in the submission",
    "resource": "the machine ran out of memory, not the submission",
    "infrastructure": "the machine or its data, not the submission",
    "harness": "the harness itself, not the submission",
}
PICTURES: Mapping[str, str] = {
    "acc_curves.png": "Accuracy by epoch",
    "loss_curves.png": "Loss by epoch",
    "cm.png": "Confusion matrix",
    "test_samples_grid.png": "Test images and the network's predictions",
    "wrong_samples_grid.png": "Misclassified test images, most confident first",
    "augmented_samples_grid.png": "Training images, augmented",
    "receptive_field.png": "Theoretical and effective receptive field",
    "architecture.svg": "The graph that is executed",
}
"""The pictures of one variant, in the order they are shown in."""
_WORST: tuple[Status, ...] = ("failed", "not_judged", "passed")


def asks(variants: Mapping[str, VariantRecord], rule: str) -> str:
    """Return what a rule asks for, in a few words: as the first variant that has the rule puts it."""
    found = (finding_of(variant, rule) for variant in variants.values())
    return next((finding.asks for finding in found if finding), "")


def finding_of(variant: VariantRecord, rule: str) -> Finding | None:
    """Find what one rule says about a variant; None where it was not asked."""
    return next((finding for finding in variant.findings if finding.rule == rule), None)


def rules_of(variants: Mapping[str, VariantRecord]) -> tuple[str, ...]:
    """List the rules of all variants, each once, in the order of their findings."""
    return tuple(dict.fromkeys(finding.rule for v in variants.values() for finding in v.findings))


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort findings: what failed first, then what was not judged; each in its own order."""
    return tuple(sorted(findings, key=lambda finding: _WORST.index(finding.status)))


def by_worst(variants: Mapping[str, VariantRecord]) -> tuple[str, ...]:
    """List the rules of all variants, those first that failed in any, then those that were not judged."""

    def worst(rule: str) -> int:
        found = (finding_of(variant, rule) for variant in variants.values())
        return min(_WORST.index(finding.status) for finding in found if finding)

    return tuple(sorted(rules_of(variants), key=worst))


def to_change(variant: VariantRecord) -> tuple[Finding, ...]:
    """List what did not pass in the order of steps; where none is recorded, failed rules first."""
    left = [finding for finding in variant.findings if finding.status != "passed"]
    last = len(variant.findings) + 1
    return tuple(sorted(left, key=lambda one: (one.step or last, one.status != "failed")))


def duration(seconds: float) -> str:
    """Write a number of seconds for people: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def accuracy_asked(record: Record, variant: str) -> float | None:
    """Return the accuracy that a variant had to reach, a share in [0, 1].

    None where none was asked for, or where the record holds no assignment that can be read.
    """
    try:
        assignment = parse_assignment(record.provenance.get("assignment", {}))
        return assignment.accuracy_asked(variant)
    except (AssignmentError, KeyError):
        return None
