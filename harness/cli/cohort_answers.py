"""The answers of `harness cohort`: sums, who has no verdict, a student, whose grade changes, who is alike."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

from harness.assignment.points import SHORT, named
from harness.assignment.spec import AssignmentSpec
from harness.base.tables import content_hash
from harness.cli.terminal import output, say, screen, verdicts
from harness.cohort.differences import Difference, differences
from harness.cohort.final_points import standing
from harness.cohort.store.models import Row, outcome
from harness.record.findings import Finding
from harness.report.words import to_change
from harness.settings.policy_and_deadlines import lateness

if TYPE_CHECKING:  # a command loads what it shows
    from harness.cohort.regrading import NotRegraded, Regraded
    from harness.similarity.page import Alike

_Item = TypeVar("_Item")

STAGES = {"rules": "by the rules alone", "full": "in full"}
SHOWN = 20
"""Submissions that are named of each cause."""
LINES = 10
"""Most lines of the answer to why a submission has its verdict."""


def show_summary(by_cause: Mapping[str, Sequence[Row]]) -> None:
    """Print how many came to what, and who did not come to a verdict and why."""
    table = Table("", "submissions")
    table.columns[1].justify = "right"
    for what in sorted(by_cause):
        table.add_row(what, str(len(by_cause[what])))
    verdicts.print(table)
    for what, rows in sorted(by_cause.items()):
        if what.startswith("not judged"):
            show_failures(what, rows)


def show_failures(what: str, rows: Sequence[Row], to: Console = screen, most: int = SHOWN) -> None:
    """Print who was not judged for one cause, and the reason of each."""
    say(f"{what}:", to)
    for row in rows[:most]:
        say(f"  {row.student}: {row.reason}", to)
    if len(rows) > most:
        say(f"  and {len(rows) - most} more: harness cohort failures", to)


def show_row(row: Row, spec: AssignmentSpec, same: Sequence[str]) -> None:
    """Print one student's verdict and what it rests on, in ten lines, then the history.

    `same` names the students whose submissions have the same bytes.
    """
    for line in answer(row, spec, same):
        say(line, output)
    sha256 = content_hash(spec)
    for entry in row.history:
        late = lateness(spec.policy, entry.submitted_at, row.until)
        costs = late.percent > 0 and entry.assignment_sha256 == sha256
        left = f" ({late.left_of(entry.points)} after lateness)" if costs else ""
        handed_in = f" handed in {entry.submitted_at:%Y-%m-%d %H:%M}" if entry.submitted_at else ""
        say(
            f"{entry.graded_at:%Y-%m-%d %H:%M:%S} {entry.reason} {STAGES[entry.stage]}: "
            f"{entry.verdict.replace('_', ' ')}, {entry.points} of {entry.max_points} points{left}; "
            f"{entry.source}{handed_in}; by {entry.worker} in {entry.seconds:.1f} s, "
            f"assignment {entry.assignment_sha256[:SHORT]}, harness {entry.harness_version}",
            output,
        )


def answer(row: Row, spec: AssignmentSpec, same: Sequence[str] = ()) -> tuple[str, ...]:
    """Return why a submission has the verdict it has, in at most `LINES` lines.

    The rules that failed come first, two lines each; what there is no room for is counted.
    """
    handed_in = f", handed in {row.submitted_at:%Y-%m-%d %H:%M} UTC" if row.submitted_at else ""
    head = [": ".join(filter(None, (row.student, f"{row.source}{handed_in}", outcome(row))))]
    if row.state == "missing":
        return tuple(head)
    stands = standing(row, spec)
    how = STAGES[row.stage or "rules"] if row.record is not None else "not graded"
    head.append(f"{stands.in_words} ({how}); assignment {named(spec)}")
    if stands.late.reason:
        head.append(stands.late.reason)
    if row.reason:
        head.append(_one_line(row.reason))
    end = [f"the same files, byte for byte, as {_listed(same)}"] if same else []
    if row.folder is not None:
        end.append(f"scorecard: {row.folder / 'scorecard.html'}")
    rules = _open_rules(row)
    shown = rules[: (LINES - len(head) - len(end) - 1) // 2]
    more = [f"and {len(rules) - len(shown)} more: see the scorecard"] if len(rules) > len(shown) else []
    return (*head, *(line for lines in shown for line in lines), *more, *end)


def followed(items: Iterable[_Item], what: str, total: int) -> Iterable[_Item]:
    """Show on a terminal how far a loop is."""
    return track(items, what, total, console=screen, transient=True, disable=not screen.is_terminal)


def show_regraded(
    found: "Sequence[Regraded | NotRegraded]", changes: Sequence[Difference], counted: frozenset[str]
) -> None:
    """Print the difference student by student, then the sums; `counted` has the keys of what may count."""
    from harness.cohort.regrading import NotRegraded, Regraded

    left = [one for one in found if isinstance(one, NotRegraded)]
    to_train = [one for one in found if isinstance(one, Regraded) and one.to_train and one.key in counted]
    unknown = {one.row.student for one in left}
    changed = [one for one in changes if one.is_one and one.student not in unknown]
    show_differences(changed, output)
    _show_to_train(to_train)
    for skipped in left:
        say(f"{skipped.row.student}: graded anew by harness cohort grade: {skipped.why}", output)
    say(
        f"{len(changes)} students: {len(changed)} grades change, "
        f"{len(changes) - len(changed) - len(unknown)} stay, {len(to_train)} need training, "
        f"{len(unknown)} could not be judged again",
        output,
    )


def show_differences(changed: Iterable[Difference], to: Console) -> None:
    """Print from what to what grades have changed, and by which rules."""
    for one in changed:
        say(f"{one.student}: {one.before or 'no grade'} → {one.after or 'no grade'}", to)
        for rule in one.rules:
            say(f"  {rule}", to)


def show_changes(before: Sequence[Row], after: Sequence[Row], spec: AssignmentSpec) -> None:
    """Print everyone whose final grade has changed."""
    changed = [one for one in differences(before, spec, after, spec) if one.was_final and one.is_one]
    if changed:
        say(f"{len(changed)} final grades have changed:")
        show_differences(changed, screen)


def show_alike(found: "Sequence[Alike]", compared: int) -> None:
    """Print the clusters, the strongest first, and how each pair is alike."""
    from harness.similarity.page import SHOWN_PAIRS

    for number, group in enumerate(found, start=1):
        say(f"{number}. {', '.join(group.students)}", output)
        for one in group.evidence[:SHOWN_PAIRS]:
            source = f"{100 * one.pair.source:.0f} % of the source" if one.pair.source else ""
            say(
                f"   {one.pair.one} and {one.pair.other}: {'; '.join(filter(None, [source, *one.graphs]))}",
                output,
            )
        if (more := len(group.evidence) - SHOWN_PAIRS) > 0:
            say(f"   and {more} pairs more", output)
    say(f"{compared} submissions compared, {len(found)} groups of similar ones", output)
    if found:
        say("This points, it does not judge: read the lines before you speak to anyone.", output)


# Private functions


def _open_rules(row: Row) -> list[tuple[str, ...]]:
    """Yield what was expected and found of each rule that did not pass, and what to do: failed ones first."""
    if row.record is None:
        return []
    found = [
        (finding, name)
        for name, variant in row.record.variants.items()
        if variant.problem is None
        for finding in to_change(variant)
    ]
    found.sort(key=lambda one: one[0].status != "failed")
    return [_finding_lines(finding, name) for finding, name in found]


def _finding_lines(finding: Finding, variant: str) -> tuple[str, ...]:
    points = f"{finding.points or 0} of {finding.max_points} points"
    said = points if finding.status == "failed" else f"not judged, {finding.max_points} points open"
    head = f"{variant}: {finding.rule}: expected {finding.expected}, got {finding.actual} ({said})"
    to_do = (f"  to do: {_one_line(finding.help)}",) if finding.help else ()
    return (_one_line(head), *to_do)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _listed(students: Sequence[str]) -> str:
    more = f" and {len(students) - SHOWN} more" if len(students) > SHOWN else ""
    return f"{', '.join(students[:SHOWN])}{more}"


def _show_to_train(some: "Sequence[Regraded]") -> None:
    if some:
        say("to be trained; harness cohort grade does that, once the new grades are entered:", output)
    for one in some:
        say(f"  {one.row.student}: {'; '.join(one.to_train)}", output)
