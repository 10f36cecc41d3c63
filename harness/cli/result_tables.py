"""The results of commands as tables and lines: what `harness check` and `grade` found, and all the others.

Verdicts go to standard error, so that ``--json -`` has standard output to itself.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.cli.terminal import output, plain, say, screen, verdicts
from harness.record.findings import Finding
from harness.record.record import Record, VariantRecord
from harness.report.csv_files import class_scores
from harness.report.visible import visible
from harness.report.words import to_change, worst_first
from harness.training.events import MeasuredEvent

if TYPE_CHECKING:  # a command loads what it shows
    from harness.assignment.gallery import Listed
    from harness.assignment.points import Total
    from harness.base.machine import Check
    from harness.pipeline.receptive_field import FieldReport
    from harness.pipeline.reproduce import Reproduction


MARK = {"passed": "[green]✓ passed[/]", "failed": "[red]✗ failed[/]", "not_judged": "[yellow]? not judged[/]"}


def show_record(record: Record) -> None:
    """Print every variant's findings, then what counts, the verdict and the total."""
    from harness.assignment.points import stated, total_of

    for name, variant in record.variants.items():
        _show_variant(name, variant)
        if tried := record.provenance.get("influence", {}).get(name):
            say(f"note: {tried}")
    judged = [variant for variant in record.variants.values() if not variant.is_missing]
    failed = [f.rule for variant in judged for f in variant.findings if f.status == "failed"]
    if failed:
        say(f"What a rule allows and why: harness explain {failed[0]}")
    for sentence in stated(record):
        say(f"note: {sentence}")
    scored = total_of(record)
    verdicts.print(f"{MARK[record.verdict]}, {scored.in_words}{_counting(record, scored)}")


def show_field(report: "FieldReport") -> None:
    """Print the receptive field of one network: its layers, the final numbers, the second measurement."""
    names = ("k", "s", "d", "rf_in", "jump_in", "rf_out", "jump_out")
    table = Table(title=plain(report.title), title_justify="left")
    table.add_column("layer")
    for name in names:
        table.add_column(name, justify="right")
    for row in report.rows:
        table.add_row(plain(row.layer), *(str(getattr(row, name)) for name in names))
    output.print(table)
    if report.before_pool_px is None:
        output.print(f"receptive field: not known: {plain(report.unknown)}", soft_wrap=True)
    else:
        pool = "" if report.with_pool_px is None else f", {report.with_pool_px} px counting the global pool"
        output.print(f"receptive field: {report.before_pool_px} px{pool}; jump {report.jump}", soft_wrap=True)
    if report.check is not None:
        from harness.report.markdown import in_words

        output.print(f"measured by gradients: {plain(in_words(report.check))}", soft_wrap=True)


def show_measured(title: str, measured: MeasuredEvent) -> None:
    """Print what a checkpoint does on the test set: class by class, then accuracy, interval and loss."""
    header, rows = class_scores(measured.confusion, measured.data.classes)
    table = Table(title=plain(title), title_justify="left")
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*(plain(str(cell)) for cell in row))
    output.print(table)
    low, high = measured.accuracy_interval
    preview = ", the embedded mini set: not a grade" if measured.data.name == "mini" else ""
    output.print(
        f"accuracy: {measured.accuracy:.2%} of {measured.data.test_images:,} test images{preview}; "
        f"95 % interval {low:.2%} to {high:.2%}; loss {measured.loss:.4f}",
        soft_wrap=True,
    )


def show_reproduction(found: "Reproduction") -> None:
    """Print whether a record was reproduced, else what differs first, and what changed in the fingerprint."""
    if found.first is None:
        output.print(f"[green]identical[/]: the result is {found.result_sha256}", soft_wrap=True)
    else:
        output.print("[red]differs[/], and nothing after this was looked at:")
        say(f"{found.first.where}: recorded {found.first.recorded}, now {found.first.now}", output)
    if found.changed:
        output.print("What changed in the fingerprint:")
        table = Table()
        for name in ("part", "recorded", "now"):
            table.add_column(name, overflow="fold")
        for part in found.changed:
            table.add_row(*map(plain, (part.where, part.recorded, part.now)))
        output.print(table)
    elif found.first is not None:
        known = "The fingerprint is the same." if found.known else "The record has no fingerprint to compare."
        output.print(known)


def show_checks(checks: "Sequence[Check]") -> None:
    """Print what was found of this machine."""
    colours = {"PASS": "green", "CAUTION": "yellow", "FAIL": "red"}
    table = Table("check", "", "found", "what to do")
    table.columns[2].overflow = "fold"
    for check in checks:
        level = f"[{colours[check.level]}]{check.level}[/]"
        table.add_row(check.name, level, plain(check.found), plain(check.fix))
    output.print(table)


def show_page(markdown: str) -> None:
    """Print Markdown to standard output: drawn on a terminal, as it is elsewhere."""
    if output.is_terminal:
        from rich.markdown import Markdown

        output.print(Markdown(markdown))
    else:
        output.file.write(markdown)


def show_listed(assignments: "Sequence[Listed]") -> None:
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


def show_trial(title: str, checks: "Sequence[Check]") -> None:
    """Print what came of trying an assignment, and the sum of it."""
    show_checks(checks)
    failed, cautions = (sum(check.level == level for check in checks) for level in ("FAIL", "CAUTION"))
    if failed:
        said = f"[red]not ready[/]: {failed} to correct"
    else:
        said = "[green]ready[/]" + (f", {cautions} to look at" if cautions else "")
    output.print(f"{plain(title)}: {said}", soft_wrap=True)


def show_findings(findings: Sequence[Finding]) -> None:
    """Print what did not pass first, in full, then one line for each rule that passed."""
    for finding in worst_first(findings):
        if finding.status != "passed":
            screen.print(f"{MARK[finding.status]}  [bold]{plain(finding.rule)}[/]  {_points(finding)}")
            for word, text in (("expected", finding.expected), ("got", finding.actual)):
                screen.print(Padding(f"{word} {plain(text)}", (0, 0, 0, 4), expand=False))
    passed = [finding for finding in findings if finding.status == "passed"]
    rules = max((len(finding.rule) for finding in passed), default=0)
    for finding in passed:
        line = Text.from_markup(f"{MARK['passed']}  {plain(finding.rule):<{rules}}  {_points(finding):>5}  ")
        line.append(" ".join(visible(finding.actual).split()))
        line.truncate(screen.width, overflow="ellipsis")
        screen.print(line)


# Private functions


def _counting(record: Record, scored: "Total") -> str:
    """Return the variant that counts, where there are others."""
    return "" if len(scored.counted) == len(record.variants) else f", those of {', '.join(scored.counted)}"


def _show_variant(name: str, variant: VariantRecord) -> None:
    if variant.problem:
        screen.print(f"[bold]{plain(name)}: not loaded[/] (cause: {variant.problem.cause})")
        say(variant.problem.message)
        say(variant.problem.traceback)
        return
    say(f"{name}: {variant.title}{f' ({variant.class_name})' if variant.class_name else ''}")
    show_findings(variant.findings)
    for number, finding in enumerate(to_change(variant), start=1):
        source = finding.where[0].source if finding.where else ""
        at = f" at {plain(source)}" if source else ""
        screen.print(f"{number}. [bold]{finding.rule}[/]{at}: {plain(finding.help)}", soft_wrap=True)
    for note in (*variant.taken_in, *variant.facts.warnings):
        say(f"note: {note}")


def _points(finding: Finding) -> str:
    return f"{'–' if finding.points is None else finding.points}/{finding.max_points}"
