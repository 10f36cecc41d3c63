"""cohort: the commands that grade a whole class and show what came of it."""

from collections.abc import Callable
from typing import Any

import typer

from harness.cli import cohort_grading, cohort_regrading, cohort_reports
from harness.cli.options import add_commands

COMMANDS: tuple[tuple[str, Callable[..., Any], str], ...] = (
    ("grade", cohort_grading.grade, "harness cohort grade submissions --store cohort.db --data ./data"),
    ("show", cohort_reports.show, 'harness cohort show "ada lovelace" --store cohort.db'),
    ("failures", cohort_reports.failures, "harness cohort failures --store cohort.db"),
    ("retry", cohort_grading.retry, "harness cohort retry --cause infrastructure --data ./data"),
    ("table", cohort_reports.table, "harness cohort table --store cohort.db --format html,csv"),
    ("extend", cohort_regrading.extend, "harness cohort extend later.csv --store cohort.db"),
    ("feedback", cohort_reports.feedback, "harness cohort feedback --out feedback --layout moodle"),
    ("similar", cohort_reports.similar, "harness cohort similar --store cohort.db --out results"),
    ("regrade", cohort_regrading.regrade, "harness cohort regrade --assignment new.toml --store cohort.db"),
)
"""Name, function, and an example for --help."""

app = typer.Typer(no_args_is_help=True, help="Grade a whole class: resumable, by several graders at once.")


@app.callback()
def cohort() -> None:
    """Grade a whole class: resumable, by several graders at once."""


add_commands(app, COMMANDS)
# The name before 2026-12; scripts of courses may have it.
app.command("rejudge", hidden=True)(cohort_regrading.regrade)
