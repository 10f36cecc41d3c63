"""The documents that are compared: submissions as the store has them, and the starter, which is ignored."""

from pathlib import Path

from harness.assignment.starter import STARTER
from harness.base.errors import GraphError, HarnessError, UsageError
from harness.base.installation import package_data
from harness.cohort.graders.cached import load_intake
from harness.cohort.store.models import Row
from harness.graph.ir import MAX_JSON_BYTES, Architecture, parse_architecture
from harness.loader.protocol import ARCHITECTURE
from harness.similarity.graphs import features, fingerprints
from harness.similarity.similarity import Document, Outlined
from harness.similarity.sources import texts_below

STARTER_GRAPH = package_data("templates", "starter_graph.json")
"""The graph of the starter that `harness new` writes."""


def document_of(row: Row) -> Document:
    """Read a student's sources and graphs; what is not there, or is no graph, is not compared."""
    texts = texts_below(row.sources) if row.sources is not None else ()
    return Document(row.student, texts, {} if row.folder is None else _graphs(row.folder))


def starter_document(folder: Path | None = None) -> Document:
    """Read what everyone was given: a folder with sources and, if there are any, ``architecture.json`` files.

    None: the starter of `harness new`.

    Raises:
        UsageError: no such folder.
    """
    if folder is None:
        return Document(
            "", texts_below(STARTER), {"starter": _outlined(parse_architecture(STARTER_GRAPH.read_bytes()))}
        )
    if not folder.is_dir():
        raise UsageError(f"--starter {folder}: no such folder. Name the folder that everyone was given.")
    found = {str(path): _read(path) for path in sorted(folder.rglob(ARCHITECTURE))}
    return Document("", texts_below(folder), {name: graph for name, graph in found.items() if graph})


# Private functions


def _graphs(folder: Path) -> dict[str, Outlined]:
    try:
        variants = load_intake(folder).variants
    except HarnessError:
        return {}
    found = {name: _read(folder / taken.folder / ARCHITECTURE) for name, taken in variants.items()}
    return {name: graph for name, graph in found.items() if graph}


def _read(path: Path) -> Outlined | None:
    if not path.is_file() or path.stat().st_size > MAX_JSON_BYTES:
        return None
    try:
        return _outlined(parse_architecture(path.read_bytes()))
    except GraphError:
        return None


def _outlined(architecture: Architecture) -> Outlined:
    return Outlined(fingerprints(architecture), features(architecture))
