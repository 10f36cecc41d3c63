"""Similar submissions of a class: by their sources, and by the graphs they execute.

What the starter has, and what most of the class has, counts for nothing; what k others have counts 1/k, for
a common way to write things is no copy. The result points at pairs for a person to look at, and at nothing
else: it is no verdict, and no grade depends on it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from harness.similarity.graphs import Level, equal_at, similarity
from harness.similarity.sources import Text

MOST = 0.5
"""Share of the class; what more than that many have in common is not a sign of copying."""
FEW = 3
"""What at most this many share is looked at even where they are most of a small class."""
LEAST = 6.0
"""What two must share to be pointed at: six passages of a source, or operators with what stands around them,
that nobody else has, or more that others have too; less is chance."""
SHARE = 0.5
"""Share of one's own source, or of both graphs' own features, from which on two are pointed at."""


@dataclass(frozen=True)
class Outlined:
    """The fingerprints of one graph; see `harness.similarity.graphs`."""

    levels: Mapping[Level, str]
    features: frozenset[str]


@dataclass(frozen=True)
class Document:
    """One student's submission as it is compared: its sources, and the graph of each variant."""

    student: str
    texts: tuple[Text, ...]
    graphs: Mapping[str, Outlined]

    @cached_property
    def fingerprints(self) -> frozenset[str]:
        """Fingerprints of all its sources."""
        return frozenset(fingerprint for text in self.texts for fingerprint in text.fingerprints)


@dataclass(frozen=True)
class GraphMatch:
    """The likeness of two graphs of one variant.

    `level` is the strictest at which they are equal, None if none is; `share`, in [0, 1], is that of what is
    special in both.
    """

    variant: str
    level: Level | None
    share: float


@dataclass(frozen=True)
class Pair:
    """The likeness of two submissions. `source` is the share, in [0, 1], of the smaller one's passages."""

    one: str
    other: str
    source: float
    fingerprints: frozenset[str]
    """Fingerprints of passages in both."""
    graphs: tuple[GraphMatch, ...]

    @property
    def strength(self) -> float:
        """The stronger of the two signs, and the other one where they tie: an order, not a probability."""
        graph = max((1.0 if match.level else match.share for match in self.graphs), default=0.0)
        return max(self.source, graph) + min(self.source, graph) / 1000


@dataclass(frozen=True)
class Cluster:
    """Submissions that hang together by pairs that are alike, the strongest pair first."""

    students: tuple[str, ...]
    pairs: tuple[Pair, ...]


def clusters(
    documents: Sequence[Document],
    starter: Document | None = None,
    *,
    share: float = SHARE,
    level: Level = "reordered",
) -> tuple[Cluster, ...]:
    """Group the submissions that are alike, the strongest first.

    Two are alike if `share` of the smaller one's own source is in the other, if `share` of what is special
    in both graphs is in both, or if their graphs are equal at `level` and few others have that graph.
    """
    own = _Own(documents, starter, level)
    pairs = [pair for one, other in combinations(documents, 2) if (pair := _alike(own, one, other, share))]
    groups = _connected((pair.one, pair.other) for pair in pairs)
    found = (
        Cluster(
            tuple(sorted(group)),
            tuple(sorted((p for p in pairs if p.one in group), key=lambda p: (-p.strength, p.one, p.other))),
        )
        for group in groups
    )
    return tuple(sorted(found, key=lambda cluster: (-cluster.pairs[0].strength, cluster.students)))


def common(sets: Iterable[Iterable[str]], size: int) -> frozenset[str]:
    """List what more than `MOST` of a class of `size` have, and more than `FEW`."""
    counted = Counter(one for each in sets for one in each)
    most = max(FEW, MOST * size)
    return frozenset(one for one, count in counted.items() if count > most)


# Private functions


class _Special:
    """The elements that are special in each student's set, and how much each of them counts."""

    def __init__(self, sets: Mapping[str, frozenset[str]], given: frozenset[str]) -> None:
        shared = common(sets.values(), len(sets)) | given
        self.sets = {name: one - shared for name, one in sets.items()}
        having = Counter(one for each in self.sets.values() for one in each)
        self.counts = {one: 1 / max(1, number - 1) for one, number in having.items()}
        self.seen_twice = {
            name: frozenset(one for one in each if having[one] > 1) for name, each in self.sets.items()
        }
        """What two can have in common: little, so that all pairs can be looked at."""

    def common(self, one: str, other: str) -> frozenset[str]:
        return self.seen_twice[one] & self.seen_twice[other]

    def mass(self, elements: Iterable[str]) -> float:
        return sum(self.counts[one] for one in elements)


class _Own:
    """The parts of each submission that are neither the starter's nor the class's."""

    def __init__(self, documents: Sequence[Document], starter: Document | None, level: Level) -> None:
        self.level = level
        given = starter or Document("", (), {})
        self.fingerprints = _Special(
            {document.student: document.fingerprints for document in documents}, given.fingerprints
        )
        given_features = frozenset(one for graph in given.graphs.values() for one in graph.features)
        self.features: dict[str, _Special] = {}
        self.known = {graph.levels[level] for graph in given.graphs.values()}
        """Fingerprints of graphs that say nothing when two have them."""
        for variant in dict.fromkeys(name for document in documents for name in document.graphs):
            having = {
                document.student: document.graphs[variant]
                for document in documents
                if variant in document.graphs
            }
            self.features[variant] = _Special(
                {n: graph.features for n, graph in having.items()}, given_features
            )
            self.known |= common(([graph.levels[level]] for graph in having.values()), len(having))


def _alike(own: _Own, one: Document, other: Document, share: float) -> Pair | None:
    fingerprints = own.fingerprints.common(one.student, other.student)
    smaller = min(len(own.fingerprints.sets[document.student]) for document in (one, other))
    source = len(fingerprints) / smaller if smaller else 0.0
    graphs = tuple(_graph_matches(own, one, other, share))
    if not graphs and (source < share or own.fingerprints.mass(fingerprints) < LEAST):
        return None
    return Pair(one.student, other.student, source, fingerprints, graphs)


def _graph_matches(own: _Own, one: Document, other: Document, share: float) -> Iterator[GraphMatch]:
    """List the variants whose graphs are alike."""
    for variant in one.graphs.keys() & other.graphs.keys():
        special = own.features[variant]
        shared = special.common(one.student, other.student)
        alike = similarity(special.sets[one.student], special.sets[other.student])
        levels = one.graphs[variant].levels, other.graphs[variant].levels
        same = levels[0][own.level] == levels[1][own.level] and levels[0][own.level] not in own.known
        if same or (alike >= share and special.mass(shared) >= LEAST):
            yield GraphMatch(variant, equal_at(*levels), alike)


def _connected(links: Iterable[tuple[str, str]]) -> list[frozenset[str]]:
    """Group what hangs together."""
    near: defaultdict[str, set[str]] = defaultdict(set)
    for one, other in links:
        near[one].add(other)
        near[other].add(one)
    groups, seen = [], set[str]()
    for start in near:
        if start in seen:
            continue
        group, waiting = set[str](), [start]
        while waiting:
            name = waiting.pop()
            if name not in group:
                group.add(name)
                waiting += near[name]
        seen |= group
        groups.append(frozenset(group))
    return groups
