"""Compare what came of a made-up class with the truth about it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.cohort.store.models import Row
from harness.record.findings import Finding


def surprises(folder: Path, rows: Iterable[Row]) -> dict[str, str]:
    """Say of each work of the class in `folder` what the graders made of it, if it is not the truth."""
    truth = {Path(entry["path"]).name: entry for entry in json.loads((folder / "truth.json").read_text())}
    found = {Path(row.source).name: row for row in rows}
    assert found.keys() == truth.keys()
    said = {name: _surprise(truth[name], found[name]) for name in sorted(truth)}
    return {f"{name} ({truth[name]['idea']})": what for name, what in said.items() if what}


# Private functions


def _surprise(truth: dict[str, Any], row: Row) -> str:
    """Give the first thing that is not as it is, "" if all is."""
    assert row.record is not None
    (variant,) = row.record.variants.values()
    message = variant.problem.message if variant.problem else ""
    known = {
        "verdict": row.record.verdict,
        "failed": [finding.rule for finding in variant.findings if _is_broken(finding)],
        "cause": row.cause if variant.problem or any(map(_is_open, variant.findings)) else None,
        "parameters": variant.facts.parameters,
        "receptive_field_px": variant.facts.receptive_field_px,
    }
    for name, got in known.items():
        if got != truth[name] and not (truth[name] is None and name in ("parameters", "receptive_field_px")):
            return f"{name}: expected {truth[name]}, got {got} {message}"
    text = message + " ".join(finding.actual for finding in variant.findings)
    return "" if truth["says"] in text else f"expected {truth['says']!r} to be said, got {text!r}"


def _is_broken(finding: Finding) -> bool:
    """Tell whether a rule failed, or would have if another one that it leans on had not."""
    return finding.status == "failed" or finding.help.startswith("Nothing else to do: it passes when")


def _is_open(finding: Finding) -> bool:
    """Tell whether nobody can say if a rule holds, for a reason of its own."""
    return finding.status == "not_judged" and not _is_broken(finding)
