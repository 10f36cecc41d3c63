"""The assignment that a command of a class uses, and the grades it has changed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.assignment.spec import AssignmentSpec
    from harness.cohort.store.models import Row
    from harness.cohort.store.store import Store


def assignment_for(given: Path | None, store: str, files: Path | None) -> "AssignmentSpec":
    """Read the assignment that is named, else the one that the store is graded by, else the shipped one.

    Raises:
        UsageError: the store is graded by another one than the one that is named.
    """
    from harness.assignment.spec import load_assignment
    from harness.cli.options import default_assignment
    from harness.cohort.store.current import require_current
    from harness.cohort.store.repository import current_spec
    from harness.cohort.store.store import opened_store

    spec = None if given is None else load_assignment(given)
    if "://" not in store and not Path(store).is_file():
        return spec or load_assignment(default_assignment())
    with opened_store(store, files) as opened:
        if spec is None:
            return current_spec(opened) or load_assignment(default_assignment())
        require_current(opened, spec, f"--assignment {given} --store {store}")
    return spec


def every_submission(store: "Store") -> "list[Row]":
    """Read every submission under the current assignment; none in a store where nothing was entered."""
    from harness.cohort.store.queries import submissions
    from harness.cohort.store.repository import current_spec

    return [row for some in submissions(store) for row in some] if current_spec(store) else []


def show_changes(before: "Sequence[Row]", after: "Sequence[Row]", spec: "AssignmentSpec") -> None:
    """Print everyone whose final grade has changed."""
    from harness.cli.reports_display import show_differences
    from harness.cli.terminal import say, screen
    from harness.cohort.differences import differences

    changed = [one for one in differences(before, spec, after, spec) if one.was_final and one.is_one]
    if changed:
        say(f"{len(changed)} final grades have changed:")
        show_differences(changed, screen)
