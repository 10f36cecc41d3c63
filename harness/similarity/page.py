"""The report on similar submissions, with the evidence side by side: an HTML page, and Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.report.html import page_environment
from harness.report.markdown import TEMPLATES, environment
from harness.similarity.graphs import Level
from harness.similarity.passages import Passage, passages
from harness.similarity.similarity import Cluster, Document, GraphMatch, Pair

SHOWN_PAIRS = 10
"""Pairs of a cluster whose lines are shown, the strongest first."""
SHOWN_PASSAGES = 20
"""Passages of a pair that are shown, the longest ones."""
SHOWN_LINES = 120
"""Lines of a passage that are shown."""
LEVELS_IN_WORDS: Mapping[Level, str] = {
    "exact": "the same network, names of layers included",
    "renamed": "the same network under other names of layers",
    "reordered": "the same network, parts of sums or concatenations in another order",
    "widened": "the same network but for the numbers of channels",
}


@dataclass(frozen=True)
class Evidence:
    """The evidence that two submissions are alike; `passages` is empty where no lines are shown."""

    pair: Pair
    graphs: tuple[str, ...]
    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class Alike:
    """One cluster with its evidence."""

    students: tuple[str, ...]
    evidence: tuple[Evidence, ...]


def with_evidence(clusters: Sequence[Cluster], documents: Sequence[Document]) -> tuple[Alike, ...]:
    """Find the lines that match, for the strongest pairs of every cluster."""
    by_name = {document.student: document for document in documents}
    return tuple(
        Alike(
            cluster.students,
            tuple(_evidence(pair, by_name, shown=i < SHOWN_PAIRS) for i, pair in enumerate(cluster.pairs)),
        )
        for cluster in clusters
    )


def graph_in_words(match: GraphMatch) -> str:
    """Return in words how two graphs are alike."""
    if match.level is not None:
        return f"{match.variant}: {LEVELS_IN_WORDS[match.level]}"
    return f"{match.variant}: {100 * match.share:.0f} % of what is special in both graphs"


def render_similar_page(
    found: Sequence[Alike], compared: int, title: str, templates: Path = TEMPLATES
) -> str:
    """Render ``similar.html``; `compared` is the number of submissions that were looked at."""
    style = "".join(
        (templates / name).read_text(encoding="utf-8") for name in ("scorecard.css", "similar.css")
    )
    return (
        page_environment(templates)
        .get_template("similar.html.j2")
        .render(
            found=found,
            compared=compared,
            title=title,
            SHOWN_LINES=SHOWN_LINES,
            style=Markup(style),  # noqa: S704 - our own files
        )
    )


def render_similar_markdown(
    found: Sequence[Alike], compared: int, title: str, templates: Path = TEMPLATES
) -> str:
    """Render ``similar.md``: the clusters and which lines match, without the lines themselves."""
    return (
        environment(templates)
        .get_template("similar.md.j2")
        .render(found=found, compared=compared, title=title)
    )


# Private functions


def _evidence(pair: Pair, documents: Mapping[str, Document], *, shown: bool) -> Evidence:
    found = passages(documents[pair.one], documents[pair.other], pair.fingerprints) if shown else ()
    longest = sorted(found, key=lambda passage: -passage.tokens)[:SHOWN_PASSAGES]
    kept = tuple(passage for passage in found if passage in longest)
    return Evidence(pair, tuple(map(graph_in_words, pair.graphs)), kept)
