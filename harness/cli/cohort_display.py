"""The display of `harness cohort` while it grades: a live table on a terminal, else a line now and then."""

import time
from collections.abc import Sequence
from typing import Any

from rich.live import Live
from rich.table import Table

from harness.cli.terminal import output, say, screen
from harness.cohort.platforms.attendance import notes_on
from harness.cohort.platforms.class_list import ClassList
from harness.cohort.platforms.joining import join
from harness.cohort.platforms.roster import Roster
from harness.cohort.runner import Again, Forecast, Stage, Watcher
from harness.cohort.store.queries import Counts
from harness.report.words import duration

LINE_S = 10.0
"""Least seconds between two lines where there is no terminal."""
SAME_LINE_S = 300.0
"""Seconds until it is said again that nothing has changed."""
VERDICTS = ("passed", "failed", "not_judged", "dead")
SHOWN = 20
"""Submissions that are named where a run says what it would do."""
JUST = 8
"""Students who are named as just graded."""


class ClassDisplay(Watcher):
    """Shows how far a class is; the figures are this run's own, whatever was graded before."""

    def __init__(self) -> None:
        self._live = Live(console=screen, transient=True, refresh_per_second=4)
        self._stage: Stage | None = None
        self._since = self._shown = time.monotonic()
        self._graded_before = 0
        self._last: Counts | None = None
        self._graded: list[str] = []

    def __enter__(self) -> "ClassDisplay":
        if screen.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if screen.is_terminal:
            self._live.stop()

    def handed_in(self, done: int, total: int) -> None:
        """Show how many submissions are in the store."""
        if screen.is_terminal:
            self._live.update(f"ingesting: {done} of {total}")
        elif done == total:
            say(f"ingested: {total} submissions")

    def graded(self, student: str, verdict: str) -> None:
        """Record who was graded, to be named with the next line."""
        self._graded.append(f"{student} {verdict.replace('_', ' ')}")

    def stage(self, stage: Stage, counts: Counts) -> None:
        """Show how far a stage is."""
        first = stage != self._stage
        if first:
            self._stage, self._since, self._graded_before = stage, time.monotonic(), counts.graded
        if screen.is_terminal:
            self._live.update(self._table(counts))
        elif first or time.monotonic() - self._shown >= (LINE_S if counts != self._last else SAME_LINE_S):
            self._shown, self._last = time.monotonic(), counts
            just = f"; just graded: {_some(self._graded, JUST)}" if self._graded else ""
            self._graded.clear()
            say(f"{stage}: {_left(counts, stage)} left{self._speed(counts)}; {_verdicts(counts)}{just}")

    def _table(self, counts: Counts) -> Table:
        assert self._stage is not None
        table = Table(title=f"{self._stage}{self._speed(counts)}", title_justify="left")
        waiting, running = (sum(part.values()) for part in (counts.waiting, counts.running))
        shown = {"waiting": waiting, "running": running}
        shown |= {name.replace("_", " "): counts.verdicts.get(name, 0) for name in VERDICTS}
        for name in shown:
            table.add_column(name, justify="right")
        table.add_row(*map(str, shown.values()))
        del self._graded[:-JUST]
        table.caption = f"just graded: {', '.join(self._graded)}" if self._graded else None
        return table

    def _speed(self, counts: Counts) -> str:
        """Return how fast it goes, and how long it takes at that speed."""
        assert self._stage is not None
        done, seconds = counts.graded - self._graded_before, time.monotonic() - self._since
        if not done or not seconds:
            return ""
        left_s = _left(counts, self._stage) * seconds / done
        return f", {60 * done / seconds:.1f} a minute, about {duration(left_s)} left"


def show_forecast(forecast: Forecast) -> None:
    """Print what a run would do, and to whom."""
    say(f"{forecast.submissions} submissions", output)
    rules, training = forecast.rules, forecast.training_at_most
    say(f"rules: {len(rules)}, {_time(len(rules), forecast.rules_s)}{_who(rules)}", output)
    time_s = _time(len(training), forecast.training_at_most_s)
    say(f"training: at most {len(training)}, {time_s}{_who(training)}", output)
    if forecast.on_gpus:
        say(f"graders: {', '.join(f'{count} on {name}' for name, count in forecast.on_gpus)}", output)
    for student, problem in forecast.unreadable:
        say(f"cannot be opened: {student}: {problem}", output)


def show_roster(roster: Roster, listed: ClassList | None) -> Roster:
    """Print what was left out of a roster and why, and who of the class is not in it."""
    joined = join(listed, {one.student: one.identity for one in roster.listed}) if listed else None
    for note in (*roster.notes, *(notes_on(joined) if joined else ())):
        say(f"note: {note}")
    return roster


def show_again(again: Again) -> None:
    """Print who is graded once more, and why some are not."""
    say(f"{len(again.begun)} submissions are graded once more{_who(again.begun)}")
    for student, why in again.left_out:
        say(f"left out: {student}: {why}")


# Private functions


def _who(students: Sequence[str]) -> str:
    return f": {', '.join(students)}" if students else ""


def _some(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[-most:]) + more


def _left(counts: Counts, stage: Stage) -> int:
    return counts.waiting.get(stage, 0) + counts.running.get(stage, 0)


def _verdicts(counts: Counts) -> str:
    found = (f"{count} {verdict.replace('_', ' ')}" for verdict, count in sorted(counts.verdicts.items()))
    return ", ".join(found) or "none judged yet"


def _time(tasks: int, seconds: float | None) -> str:
    if seconds is None:
        return "for how long is not known: none has been graded in this store yet"
    return f"about {duration(seconds)}" if tasks else "nothing to do"
