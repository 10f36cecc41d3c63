"""Points on the one scale of an assignment: the most there is never changes, what was not judged is open."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from harness.assignment.spec import AssignmentSpec
from harness.base.tables import content_hash
from harness.record.findings import Finding, Status, combined
from harness.record.record import Record, VariantRecord
from harness.settings.policy_and_deadlines import Policy, Variants, policy_in

SHORT = 8
"""Characters of an assignment's hash that are shown beside its name."""


@dataclass(frozen=True)
class Total:
    """The points of a submission, the most there are, and those still open."""

    verdict: Status
    points: int
    max_points: int
    open_points: int
    """Of rules that were not judged: neither given nor taken."""
    counted: tuple[str, ...]
    """Variants whose points these are."""

    @property
    def in_words(self) -> str:
        """The points in a phrase: ``75 of 100 points, 25 open``."""
        return in_words(self.points, self.max_points, self.open_points)


def in_words(points: int, max_points: int, open_points: int) -> str:
    """Return points as a phrase; open points are named if there are any."""
    still = f", {open_points} open" if open_points else ""
    return f"{points} of {max_points} points{still}"


def variant_in_words(variant: VariantRecord) -> str:
    """Return the points of one variant as a phrase, like `in_words`."""
    return in_words(variant.points, variant.max_points, open_points(variant))


def named(spec: AssignmentSpec) -> str:
    """Return an assignment's id and the beginning of its hash."""
    return f"{spec.id} {content_hash(spec)[:SHORT]}"


def worth(spec: AssignmentSpec, variant: str) -> int:
    """Return the most points of one variant, whatever of it is judged."""
    rules = spec.rules_for(variant)
    return sum(one.settings.points for one in rules if not (spec.policy.rules_only and one.is_measured))


def most(spec: AssignmentSpec) -> int:
    """Return the most points of a submission: of one variant, or of all where all are asked for."""
    each = [worth(spec, variant) for variant in spec.variants]
    return sum(each) if spec.policy.variants == "all" else max(each)


def grade_variant(findings: Iterable[Finding], max_points: int) -> tuple[Status, int, int]:
    """Return verdict, points and the most points of a variant; what was not judged gives and takes none."""
    listed = list(findings)
    return combined(f.status for f in listed), sum(f.points or 0 for f in listed), max_points


def total(spec: AssignmentSpec, variants: Mapping[str, VariantRecord]) -> Total:
    """Add the variants of a submission up as the assignment says, whatever a record says is the most."""
    now = {
        name: variant.model_copy(update={"max_points": worth(spec, name)})
        for name, variant in variants.items()
        if name in spec.variants
    }
    return _total(spec.policy.variants, spec.default_variant, most(spec), now)


def total_of(record: Record) -> Total:
    """Return the total of a record, with what of it is open."""
    assignment = record.provenance.get("assignment")
    default = assignment.get("default_variant", "") if isinstance(assignment, dict) else ""
    found = _total(asks_for(record), default, record.max_points, record.variants)
    return Total(record.verdict, record.points, record.max_points, found.open_points, found.counted)


def asks_for(record: Record) -> Variants:
    """Return which variants the assignment of a record asks for."""
    found = policy_in(record.provenance.get("assignment")).get("variants")
    return "all" if found == "all" else "best" if found == "best" else "any"


def stated(record: Record) -> tuple[str, ...]:
    """Return what counts by the assignment of a record, in sentences; none if nothing has to be stated."""
    assignment = record.provenance.get("assignment")
    names = list(assignment.get("variants", {})) if isinstance(assignment, dict) else []
    with suppress(ValidationError):  # of another version of the harness
        return _stated(Policy.model_validate(policy_in(assignment)), names)
    return ()


def stated_by(spec: AssignmentSpec) -> tuple[str, ...]:
    """Return what counts by an assignment, in sentences; none if nothing has to be stated."""
    return _stated(spec.policy, list(spec.variants))


def are_rules_alone(record: Record) -> bool:
    """Return whether by the assignment of a record the rules alone are the grade."""
    return policy_in(record.provenance.get("assignment")).get("rules_only") is True


def open_points(variant: VariantRecord) -> int:
    """Return the points of what was not judged of a variant, a training that is missing included."""
    return max(0, variant.max_points - _judged(variant))


def said_of_variants(which: Variants, names: Sequence[str]) -> str:
    """Return a sentence on what the variants of an assignment are for; "" where there is one variant."""
    if len(names) < 2:
        return ""
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return {
        "any": f"Any one of the variants {listed} is asked for. Of several that are handed in, each has to "
        "hold, and the one that loses most points counts.",
        "all": f"All of the variants {listed} are asked for, and their points are added up. One that is "
        "missing has failed.",
        "best": f"Of the variants {listed}, the best one that is handed in counts.",
    }[which]


# Private functions


def _stated(policy: Policy, variants: Sequence[str]) -> tuple[str, ...]:
    return tuple(filter(None, (said_of_variants(policy.variants, variants), *policy.in_words)))


def _total(which: Variants, default: str, most_points: int, variants: Mapping[str, VariantRecord]) -> Total:
    if which == "all" or not variants:
        points = sum(variant.points for variant in variants.values())
        judged = sum(map(_judged, variants.values()))
        verdict = combined(variant.verdict for variant in variants.values())
        return Total(verdict, points, most_points, max(0, most_points - judged), tuple(variants))
    order = sorted(variants, key=lambda name: (name != default, name))  # of equals the default, then by name
    if which == "best":
        name = max(order, key=lambda name: _merit(variants[name]))
        verdict = variants[name].verdict
    else:
        name = max(order, key=lambda name: _loss(variants[name]))
        verdict = combined(variant.verdict for variant in variants.values())
    counted = variants[name]
    return Total(verdict, counted.points, most_points, open_points(counted), (name,))


def _merit(variant: VariantRecord) -> tuple[int, int]:
    """Rank by what can still be reached, which nothing is that cannot be read, then by what is."""
    out_of_reach = sum(f.max_points for f in variant.findings if f.points is None and f.cause == "student")
    return open_points(variant) - out_of_reach + variant.points, variant.points


def _loss(variant: VariantRecord) -> tuple[int, bool, bool]:
    return _judged(variant) - variant.points, variant.verdict == "not_judged", variant.full


def _judged(variant: VariantRecord) -> int:
    return sum(finding.max_points for finding in variant.findings if finding.points is not None)
