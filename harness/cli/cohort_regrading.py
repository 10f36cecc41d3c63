"""cohort extend, regrade: commands that change what a class is judged by, and show whose grade changes."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.cohort_store import DEFAULT_STORE, FilesOption, StoreOption, every_submission
from harness.cli.options import assignment_file


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
    from harness.cli.cohort_answers import show_differences
    from harness.cli.terminal import output, say
    from harness.cohort.differences import differences
    from harness.cohort.store.deadline_extensions import enter_extensions, read_extensions
    from harness.cohort.store.leases import shown, this_process
    from harness.cohort.store.repository import current_config
    from harness.cohort.store.store import opened_store
    from harness.settings.policy_and_deadlines import at

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


def regrade(
    assignment: Annotated[
        Path,
        typer.Option(
            metavar="FILE|ID", help="The new assignment: its TOML file or id.", parser=assignment_file
        ),
    ],
    store: StoreOption = DEFAULT_STORE,
    files: FilesOption = None,
    apply: Annotated[  # noqa: FBT002
        bool, typer.Option("--apply", help="Enter the new grades; the old ones stay in the history.")
    ] = False,
) -> None:
    """Judge the class again under another assignment, from what is stored: nothing is run or trained.

    Prints the difference student by student, and who has to be trained because the recipe has changed or
    the rules hold now. Changes nothing without --apply.
    """
    from harness.assignment.points import named
    from harness.assignment.spec import load_assignment
    from harness.cli.cohort_answers import followed, show_regraded
    from harness.cli.terminal import output, say
    from harness.cohort.differences import differences, may_count
    from harness.cohort.regrading import Regraded, new_config, regrade_class
    from harness.cohort.regrading import apply as enter_all
    from harness.cohort.store.leases import shown, this_process
    from harness.cohort.store.queries import submissions
    from harness.cohort.store.repository import current_config
    from harness.cohort.store.store import opened_store

    spec = load_assignment(assignment)
    with opened_store(store, files, must_exist=True) as opened:
        now = current_config(opened)
        config = new_config(now, spec)
        graded = [row for some in submissions(opened) for row in some]
        there = {row.key: row for some in submissions(opened, config.assignment_sha256) for row in some}
        judged = regrade_class(graded, now.assignment, config, there)
        found = list(followed(judged, "judging again", len(graded)))
        say(f"{named(now.assignment)} → {named(spec)}", output)
        after = [one.after for one in found]
        show_regraded(found, differences(graded, now.assignment, after, spec), may_count(after, spec))
        if not apply:
            say("Nothing was changed. Enter the new grades with --apply.")
            return
        enter_all(opened, followed(found, "entering", len(found)), config, shown(this_process()))
    entered = sum(isinstance(one, Regraded) for one in found)
    say(
        f"Entered: {entered} grades. The class is graded by {named(spec)} now. The old grades stay in the "
        "history: harness cohort show STUDENT."
    )
