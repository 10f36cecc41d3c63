"""Find the folders of a record's variants again: by the graphs that lie in them, not by their names."""

import hashlib
from pathlib import Path

from harness.record.record import Record


def variant_folders(record: Record, results: Path) -> dict[str, Path]:
    """Return the folder of each variant: the one under `results` whose ``architecture.json`` is its graph.

    Where none has it, the folder is the one that the record names, else that of the variant's name.
    """
    graphs = {
        path.parent: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.glob("*/architecture.json"))
    }
    found: dict[str, Path] = {}
    for name, variant in record.variants.items():
        usual = results / _said(record, name)
        same = [folder for folder, sha256 in graphs.items() if sha256 == variant.graph_sha256]
        free = [folder for folder in same if folder not in found.values()]
        found[name] = usual if usual in free or not free else free[0]
    return found


def _said(record: Record, variant: str) -> str:
    """Return the last part of the folder's name that a record gives, which may be anybody's."""
    intake = record.provenance.get("intake")
    taken = intake.get(variant) if isinstance(intake, dict) else None
    folder = taken.get("folder") if isinstance(taken, dict) else None
    return Path(str(folder or variant)).name or variant
