"""The output of `harness cohort regrade` and `similar`: whose grade changes and why, and who is alike."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from harness.cli.terminal import output, say, screen
from harness.cohort.differences import Difference
from harness.cohort.regrading import NotRegraded, Regraded
from harness.similarity.page import SHOWN_PAIRS, Alike

_Item = TypeVar("_Item")


def followed(items: Iterable[_Item], what: str, total: int) -> Iterable[_Item]:
    """Show on a terminal how far a loop is."""
    return track(items, what, total, console=screen, transient=True, disable=not screen.is_terminal)


def show_regraded(
    found: Sequence[Regraded | NotRegraded], changes: Sequence[Difference], counted: frozenset[str]
) -> None:
    """Print the difference student by student, then the sums; `counted` has the keys of what may count."""
    left = [one for one in found if isinstance(one, NotRegraded)]
    to_train = [one for one in found if isinstance(one, Regraded) and one.to_train and one.key in counted]
    unknown = {one.row.student for one in left}
    changed = [one for one in changes if one.is_one and one.student not in unknown]
    show_differences(changed, output)
    _show("to be trained; harness cohort grade does that, once the new grades are entered", to_train)
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


def _show(what: str, some: Sequence[Regraded]) -> None:
    if some:
        say(f"{what}:", output)
    for one in some:
        say(f"  {one.row.student}: {'; '.join(one.to_train)}", output)
