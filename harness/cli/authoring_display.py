"""The terminal output of the commands for authors of assignments."""

from collections.abc import Sequence

from rich.table import Table

from harness.assignment.gallery import Listed
from harness.base.machine import Check
from harness.cli.terminal import output, plain, show_checks


def show_listed(assignments: Sequence[Listed]) -> None:
    """Print the assignments there are."""
    table = Table()
    table.add_column("id", no_wrap=True)
    table.add_column("title", overflow="fold")
    table.add_column("data set", no_wrap=True)
    table.add_column("points", justify="right")
    table.add_column("data", no_wrap=True)
    for one in assignments:
        here = "here" if one.data_is_here else "[yellow]not here[/]"
        table.add_row(one.id, plain(one.title), one.dataset, str(one.points), here)
    output.print(table)
    output.print("One of them in an own file: harness assignment new DIR --from ID", soft_wrap=True)


def show_trial(title: str, checks: Sequence[Check]) -> None:
    """Print what came of trying an assignment, and the sum of it."""
    show_checks(checks)
    failed, cautions = (sum(check.level == level for check in checks) for level in ("FAIL", "CAUTION"))
    if failed:
        said = f"[red]not ready[/]: {failed} to correct"
    else:
        said = "[green]ready[/]" + (f", {cautions} to look at" if cautions else "")
    output.print(f"{plain(title)}: {said}", soft_wrap=True)
