"""What `harness cohort rejudge` and `similar` show: whose grade changes and why, and who is alike."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.progress import track

from harness.cohort.rejudging import NotRejudged, Rejudged
from harness.cohort.similar_page import SHOWN_PAIRS, Alike
from harness.record import Record
from harness.reporting.words import VERDICTS
from harness.screen import output, say, screen

_Item = TypeVar("_Item")


def followed(items: Iterable[_Item], what: str, total: int) -> Iterable[_Item]:
    """Show on a terminal how far a loop is."""
    return track(items, what, total, console=screen, transient=True, disable=not screen.is_terminal)


def show_rejudged(found: Sequence[Rejudged | NotRejudged]) -> None:
    """Print the difference student by student, then the sums."""
    judged = [one for one in found if isinstance(one, Rejudged)]
    left = [one for one in found if isinstance(one, NotRejudged)]
    changed = [one for one in judged if one.changes]
    to_train = [one for one in judged if one.to_train]
    for one in changed:
        say(f"{one.row.student}: {_grade(one.row.record)} → {_grade(one.record)}", output)
        for change in one.changes:
            say(f"  {change}", output)
    _show("to be trained; harness cohort grade does that, once the new grades are entered", to_train)
    for skipped in left:
        say(f"{skipped.row.student}: stays as it is: {skipped.why}", output)
    say(
        f"{len(found)} students: {len(changed)} grades change, {len(judged) - len(changed)} stay, "
        f"{len(to_train)} need training, {len(left)} could not be judged again",
        output,
    )


def show_alike(found: Sequence[Alike], compared: int) -> None:
    """Print the clusters, the strongest first, and how each pair is alike."""
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


def _show(what: str, some: Sequence[Rejudged]) -> None:
    if some:
        say(f"{what}:", output)
    for one in some:
        say(f"  {one.row.student}: {'; '.join(one.to_train)}", output)


def _grade(record: Record | None) -> str:
    return f"{VERDICTS[record.verdict]}, {record.points} of {record.max_points}" if record else "none"
