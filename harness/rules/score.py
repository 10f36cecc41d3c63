"""From findings to a verdict and points."""

from collections.abc import Iterable

from harness.record import Finding, Status, VariantRecord, combined


def grade_variant(findings: Iterable[Finding]) -> tuple[Status, int, int]:
    """Return verdict, points and the most points; a rule that was not judged gives none and takes none."""
    listed = list(findings)
    points = sum(finding.points or 0 for finding in listed)
    return combined(f.status for f in listed), points, sum(f.max_points for f in listed)


def grade_record(variants: Iterable[VariantRecord]) -> tuple[Status, int, int]:
    """Return verdict, points and the most points over all variants."""
    listed = list(variants)
    points, most = sum(v.points for v in listed), sum(v.max_points for v in listed)
    return combined(v.verdict for v in listed), points, most
