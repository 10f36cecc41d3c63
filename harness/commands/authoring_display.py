"""What the terminal shows to who writes an assignment."""

from collections.abc import Sequence

from rich.table import Table

from harness.authoring.listing import Listed
from harness.screen import output, plain


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
