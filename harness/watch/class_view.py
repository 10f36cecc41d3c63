"""A class, watched as it is graded: who is at what, how it spreads, and everyone's scorecard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.cohort.page import drawings, lines, rule_counts, state_of
from harness.cohort.platforms.attendance import with_missing
from harness.cohort.platforms.class_list import ClassList
from harness.cohort.platforms.names import in_order
from harness.cohort.store.models import Row, by_cause
from harness.cohort.store.progress import Version, typical_seconds, versions
from harness.cohort.store.queries import counts, rows
from harness.cohort.store.repository import current_config
from harness.cohort.store.store import Store
from harness.cohort.store.stored_class_list import class_list_of
from harness.cohort.table import ClassTable
from harness.report.words import CAUSES
from harness.training.progress import Progress, read_progress
from harness.watch.page import Kind, Parts, part
from harness.watch.run_view import CARD, Training, training

SHOWN = 10
"""Places of the leaderboard that are shown."""


@dataclass(frozen=True)
class Grading:
    """One submission being graded: by the rules, or in a training that has got somewhere."""

    row: Row
    trainings: tuple[Training, ...]


class ClassView:
    """Shows a store; it keeps what it has read, and reads again only who has changed."""

    kind: Kind = "class"

    def __init__(self, store: Store, *, names: bool = False) -> None:
        """Watch a store; `names` shows the students' names on the leaderboard.

        Raises:
            UsageError: nothing has been handed in.
        """
        self.store, self._names = store, names
        self._config = current_config(store)
        self._listed: ClassList | None = None
        self._versions: Mapping[str, tuple[Version, ...]] = {}
        self._rows: dict[str, Row] = {}
        self._numbers: dict[str, int] = {}
        self._lines: dict[str, str] = {}
        self._points: dict[str, str] = {}
        self._shown: tuple[Row, ...] = ()
        self._graded: Parts = {}

    @property
    def title(self) -> str:
        """The assignment's title."""
        return self._config.assignment.title

    def card(self, name: str) -> Path | None:
        """Return the scorecard of the task with a key; None where there is none."""
        folder = next((row.folder for row in self._shown if row.key == name), None)
        return folder / CARD if folder is not None and (folder / CARD).is_file() else None

    def parts(self) -> Parts:
        """Read the store, and return the parts of the page."""
        if self._look():
            found = with_missing(self._listed, tuple(self._rows.values()))
            self._shown = tuple(sorted(found, key=lambda row: in_order(row.student)))
            for row in self._shown:
                if row.state == "missing":
                    self._render(row)
            self._graded = self._parts_of_grades()
        gradings = self._gradings(self._shown)
        moving = {
            "left": part("left", **self._time_left(gradings)),
            "now": part("gradings", gradings=gradings),
        }
        return {**moving, **self._graded}

    def _parts_of_grades(self) -> Parts:
        """Render what changes only with the grades."""
        shown = self._shown
        table = ClassTable(shown, self._config.assignment, Path())
        return {
            "counts": part("counts", rows=shown, states=[_state(row) for row in shown]),
            "spread": part("spread", drawings={name: both[0] for name, both in drawings(table).items()}),
            "rules": part("rules", rules=[one for one in rule_counts(table) if one.counts["failed"]]),
            "causes": part("causes", found=_not_judged(shown), words=CAUSES),
            "board": part("board", places=_places(shown), points=self._points, names=self._names, most=SHOWN),
            "students": part("students", numbers=[self._numbers[row.student] for row in shown]),
            **{f"s{self._numbers[row.student]}": self._lines[row.student] for row in shown},
        }

    def _look(self) -> bool:
        """Read again who has changed since the last look; return whether anybody has."""
        now, config, listed = versions(self.store), current_config(self.store), class_list_of(self.store)
        if config != self._config:
            self._versions, self._rows, self._lines, self._config = {}, {}, {}, config
        changed = [student for student, some in now.items() if self._versions.get(student) != some]
        if changed:
            found = rows(self.store, config.assignment_sha256, changed if self._versions else None)
            for row in found:
                self._take(row, now[row.student])
        is_new = bool(changed) or listed != self._listed
        self._versions, self._config, self._listed = now, config, listed
        return is_new

    def _take(self, row: Row, its: Sequence[Version]) -> None:
        if row.state == "running" and not _owner(row, its):
            row = replace(row, state="waiting")  # its grader has died
        self._rows[row.student] = row
        self._render(row)

    def _render(self, row: Row) -> None:
        number = self._numbers.setdefault(row.student, len(self._numbers))
        (line,) = lines(ClassTable((row,), self._config.assignment, Path()))
        self._points[row.student] = line.cells[0].text
        self._lines[row.student] = part("line", row=row, line=line, state=_state(row), number=number)

    def _gradings(self, shown: Sequence[Row]) -> list[Grading]:
        """List who is being graded, those first that are being trained."""
        found = [Grading(row, self._trainings(row)) for row in shown if row.state == "running"]
        return sorted(found, key=lambda one: one.row.record is None)

    def _trainings(self, row: Row) -> tuple[Training, ...]:
        if row.record is None:  # nothing of it has been judged yet
            return ()
        asked = self._config.assignment.accuracy_asked
        known = self._config.assignment.variants
        return tuple(
            training(one, asked(one.variant) if one.variant in known else None)
            for one in read_progress(self.store.objects.progress(row.key))
        )

    def _time_left(self, gradings: Sequence[Grading]) -> dict[str, object]:
        """Return how many tasks are left in each stage, and in how many seconds they should be done."""
        now, typical = (
            counts(self.store, self._config.run_key),
            typical_seconds(self.store, self._config.run_key),
        )
        owners = {one.owner for some in self._versions.values() for one in some}
        graders = max(1, len(owners - {""}))
        left = {
            stage: now.waiting.get(stage, 0) + now.running.get(stage, 0) for stage in ("rules", "training")
        }
        going_on = [one.left_s or 0.0 for one in _going_on(gradings)]
        others = {"rules": left["rules"], "training": max(0, left["training"] - len(going_on))}
        each = {"rules": typical.get("rules"), "training": typical.get("full") or _expected_s(gradings)}
        more_s = {"rules": 0.0, "training": sum(going_on)}
        seconds = {
            stage: None if (s := each[stage]) is None else (s * others[stage] + more_s[stage]) / graders
            for stage in left
        }
        return {"left": left, "seconds": seconds}


# Private functions


def _state(row: Row) -> str:
    """Return in one word what is done about a submission, or how it stands where nothing is; see `STATES`."""
    return row.state if row.state in ("waiting", "running") else state_of(row)


def _owner(row: Row, its: Sequence[Version]) -> str:
    return next((one.owner for one in its if one.key == row.key), "")


def _going_on(gradings: Sequence[Grading]) -> list[Progress]:
    """List the trainings of which epochs are known, of each task the last one."""
    last = (one.trainings[-1].progress for one in gradings if one.trainings)
    return [progress for progress in last if progress.seconds]


def _expected_s(gradings: Sequence[Grading]) -> float | None:
    """Return how many seconds a training takes, by those that run; None before any has finished an epoch."""
    found = [sum(one.seconds) + (one.left_s or 0.0) for one in _going_on(gradings)]
    return sum(found) / len(found) if found else None


def _not_judged(shown: Sequence[Row]) -> dict[str, Sequence[Row]]:
    """Sort those without a verdict by whose fault it is."""
    prefix = "not judged: "
    return {
        what.removeprefix(prefix): some
        for what, some in sorted(by_cause(shown).items())
        if what.startswith(prefix)
    }


def _places(shown: Sequence[Row]) -> list[tuple[float, Row]]:
    """List the networks that were measured, the most accurate first."""
    found = [
        (max(one.facts.accuracy or 0.0 for one in row.record.variants.values()), row)
        for row in shown
        if row.record and any(one.facts.accuracy is not None for one in row.record.variants.values())
    ]
    return sorted(found, key=lambda place: -place[0])
