"""The table of a class for people: one HTML page that needs no other file, and Markdown."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.assignment.points import are_rules_alone
from harness.cohort.charts import Drawn, histogram, measured, scatter
from harness.cohort.store.models import Row
from harness.cohort.table import ClassTable, seconds
from harness.record.facts import Facts
from harness.record.findings import Status
from harness.record.record import VariantRecord
from harness.record.trainings import in_percent
from harness.report.html import page_environment, unbroken
from harness.report.markdown import TEMPLATES, environment
from harness.report.words import CAUSES, VERDICTS, finding_of

STATES: dict[str, str] = {
    "passed": "passed",
    "failed": "failed",
    "rules": "rules passed",
    "not_judged": "not judged",
    "waiting": "waiting",
    "running": "running",
    "missing": "nothing handed in",
    "none": "no verdict",
}
"""What can be said of a submission in one word."""


@dataclass(frozen=True)
class Head:
    """Head of a column; `says` explains it, and a rule's name is written upright."""

    title: str
    says: str = ""
    rule: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell's text, what it is sorted by (None: last), and a status to mark it with."""

    text: str
    sort: str | float | None = None
    status: Status | None = None
    says: str = ""


@dataclass(frozen=True)
class Line:
    """One student: what is linked to, the state, and the other cells."""

    student: str
    link: str
    state: str
    says: str
    """Why there is no verdict, or that the total is not final."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class RuleCount:
    """The number of submissions of a variant that passed a rule, failed it, or were not judged by it."""

    variant: str
    rule: str
    asks: str
    counts: Counter[Status]


def heads(table: ClassTable) -> tuple[Head, ...]:
    """Return the headings of the columns behind the student and the verdict."""
    return (
        Head("Points"),
        *(head for name, rules in table.variants.items() for head in _heads(table, name, rules)),
        Head("Seconds", "time that grading took"),
    )


def lines(table: ClassTable, scorecard: str = "scorecard.html") -> tuple[Line, ...]:
    """Return the lines of the class, in the order of its rows."""
    return tuple(
        Line(
            row.student,
            table.scorecard(row, scorecard),
            state_of(row),
            _remark(table, row),
            (_points(table, row), *_answers(table, row), _number(seconds(row), "{:.0f}")),
        )
        for row in table.rows
    )


def state_of(row: Row) -> str:
    """Return in one word how a submission stands, a key of `STATES`."""
    if row.record is not None:
        left = row.stage != "full" and not are_rules_alone(row.record)
        return "rules" if left and row.record.verdict == "passed" else row.record.verdict
    return row.state if row.state in ("waiting", "running", "missing") else "none"


def rule_counts(table: ClassTable) -> tuple[RuleCount, ...]:
    """Count the verdicts of every rule, those that most fail first."""
    found = []
    for name, rules in table.variants.items():
        records = [row.record for row in table.rows if row.record]
        variants = [record.variants[name] for record in records if name in record.variants]
        for rule in rules:
            findings = [finding for one in variants if (finding := finding_of(one, rule))]
            found.append(
                RuleCount(
                    name, rule, _asks(table, name, rule), Counter(finding.status for finding in findings)
                )
            )
    return tuple(sorted(found, key=lambda one: (-one.counts["failed"], -one.counts["not_judged"])))


def drawings(table: ClassTable) -> dict[str, tuple[Drawn, Drawn]]:
    """Draw every variant that anybody trained."""
    found = {}
    for name in table.variants:
        if networks := measured(table.rows, name):
            share = table.assignment.accuracy_asked(name)
            threshold = None if share is None else 100 * share
            below = table.assignment.parameters_allowed(name)
            found[name] = histogram(networks, threshold), scatter(networks, threshold, below)
    return found


def render_page(table: ClassTable, templates: Path = TEMPLATES) -> str:
    """Render ``table.html``: sortable, searchable, with the distribution of the class."""
    script = (templates / "table.js").read_text(encoding="utf-8")
    style = "".join((templates / name).read_text(encoding="utf-8") for name in ("scorecard.css", "table.css"))
    return unbroken(
        page_environment(templates)
        .get_template("table.html.j2")
        .render(
            table=table,
            heads=heads(table),
            lines=lines(table),
            counts=Counter(map(state_of, table.rows)),
            final=sum(one.is_final for one in table.standings.values()),
            rules=rule_counts(table),
            drawings=drawings(table),
            STATES=STATES,
            style=Markup(style),  # noqa: S704 - our own files
            narrow=Markup((templates / "table_narrow.css").read_text(encoding="utf-8")),  # noqa: S704
            least_rem=_least_rem(heads(table)),
            script=Markup(script),  # noqa: S704 - our own file
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def render_markdown(table: ClassTable, templates: Path = TEMPLATES) -> str:
    """Render ``table.md``."""
    return (
        environment(templates)
        .get_template("table.md.j2")
        .render(
            table=table,
            heads=heads(table),
            lines=lines(table, "scorecard.md"),
            counts=Counter(map(state_of, table.rows)),
            final=sum(one.is_final for one in table.standings.values()),
            rules=rule_counts(table),
            STATES=STATES,
        )
    )


# Private functions


def _least_rem(columns: Sequence[Head]) -> int:
    """Return how wide a window has to be for the table, in rem: student, verdict, numbers, marks of rules."""
    return 27 + sum(2 if head.rule else 7 for head in columns)


def _heads(table: ClassTable, name: str, rules: tuple[str, ...]) -> Iterator[Head]:
    prefix = f"{name}: " if len(table.variants) > 1 else ""
    yield Head(f"{prefix}Accuracy, %", "of the last epoch on the test images, and half its 95 % interval")
    yield Head(f"{prefix}Parameters", "numbers that feed the network")
    yield Head(f"{prefix}RF, px", "receptive field before the pool")
    for rule in rules:
        yield Head(f"{prefix}{rule}", _asks(table, name, rule), rule=True)


def _asks(table: ClassTable, variant: str, rule: str) -> str:
    """Return what a rule asks for, in a few words; empty for one that the assignment does not have."""
    rules = table.assignment.rules_for(variant) if variant in table.assignment.variants else ()
    return next((one.asks for one in rules if one.name == rule), "")


def _answers(table: ClassTable, row: Row) -> Iterator[Cell]:
    for name, rules in table.variants.items():
        variant = row.record.variants.get(name) if row.record else None
        facts = variant.facts if variant else Facts()
        yield _accuracy(facts)
        yield _number(facts.parameters, "{:,}")
        yield _number(facts.receptive_field_px, "{}")
        for rule in rules:
            yield _mark(variant, rule)


def _points(table: ClassTable, row: Row) -> Cell:
    one = table.standings[row.student]
    if one.points is None:
        return Cell(f"– ({one.open_points} open)")
    return Cell(one.in_words.replace(" points", ""), one.points, says=one.late.reason)


def _accuracy(facts: Facts) -> Cell:
    if facts.accuracy is None or facts.accuracy_interval is None:
        return Cell("–")
    low, high = facts.accuracy_interval
    text = f"{in_percent(facts.accuracy)} ± {100 * (high - low) / 2:.2f}"
    says = f"95 % interval {in_percent(low)} to {in_percent(high)} %"
    return Cell(text, 100 * facts.accuracy, says=says)


def _number(value: float | None, form: str) -> Cell:
    return Cell("–") if value is None else Cell(form.format(value), value)


_ORDER: dict[Status, int] = {"passed": 0, "not_judged": 1, "failed": 2}


def _mark(variant: VariantRecord | None, rule: str) -> Cell:
    finding = finding_of(variant, rule) if variant else None
    if finding is None:
        return Cell("")
    cause = f" Cause: {CAUSES[finding.cause]}." if finding.cause else ""
    says = f"{rule}: {VERDICTS[finding.status]}. Expected {finding.expected}, got {finding.actual}.{cause}"
    return Cell(VERDICTS[finding.status], _ORDER[finding.status], finding.status, says)


def _remark(table: ClassTable, row: Row) -> str:
    """Return why there is no verdict or no final total, and that the submission was late."""
    one = table.standings[row.student]
    late = one.late.reason if one.late.is_late else ""
    if row.reason:
        return "; ".join(filter(None, (row.reason, late)))
    is_open = not one.is_final and row.state != "missing" and one.reason
    return "; ".join(filter(None, (f"not final: {one.reason}" if is_open else one.reason, late)))
