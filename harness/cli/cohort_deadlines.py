"""cohort extend: who may hand in later than the others."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.cohort_current import every_submission
from harness.cli.cohort_grading import DEFAULT_STORE, FilesOption, StoreOption


def extend(
    extensions: Annotated[
        Path,
        typer.Argument(metavar="LIST.csv", help="The columns student and until, an instant with its zone."),
    ],
    store: StoreOption = DEFAULT_STORE,
    files: FilesOption = None,
) -> None:
    """Extend the deadline of students beyond that of the assignment, and print whose grade changes.

    An empty instant takes an extension back. Nothing is graded anew: lateness is no part of a record.
    """
    from harness.base.tables import meant
    from harness.cli.reports_display import show_differences
    from harness.cli.terminal import output, say
    from harness.cohort.differences import differences
    from harness.cohort.store.extensions import enter_extensions, read_extensions
    from harness.cohort.store.leases import shown, this_process
    from harness.cohort.store.repository import current_config
    from harness.cohort.store.store import opened_store
    from harness.settings.policy import at

    listed = read_extensions(extensions)
    with opened_store(store, files, must_exist=True) as opened:
        spec = current_config(opened).assignment
        before = every_submission(opened)
        enter_extensions(opened, listed, shown(this_process()))
        after = every_submission(opened)
    names = {row.student for row in after}
    for one in listed:
        until = f"until {at(one.until)}" if one.until else "as everyone else"
        say(f"{one.student}: {until}", output)
        if one.student not in names:
            say(f"  handed in nothing yet. {meant(one.student, names, 'students')}", output)
    if spec.policy.due is None:
        say("note: the assignment says nothing about when it is due; add due under [policy] of it.")
    changed = [one for one in differences(before, spec, after, spec) if one.is_one]
    show_differences(changed, output)
    say(f"{len(listed)} extensions; {len(changed)} grades change", output)
