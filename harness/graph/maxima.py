"""Maxima over space, whatever they are called.

A maximum over channels, or with a number (ReLU), is none. Two tensors of which the larger is taken
element by element are a max-pool when both are the same map, once moved: sliced, rolled, padded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.graph.flow import data_reads
from harness.graph.ir import Node, Ref, Special
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.field import Field, Unknown
from harness.graph.receptive_field.layout import MALFORMED, Unmeasurable, extent, is_mixed
from harness.graph.receptive_field.mixing import reduced_dimensions

# What leaves a map recognisable: it can be moved by these, but not mixed.
_MOVERS = frozenset(
    {
        "view", "permute", "slice", "split", "select", "expand", "repeat", "flip", "roll", "pad", "cat",
        "stack", "scatter", "gather", "unfold", "im2col", "resample", "pixel_shuffle", "pixel_unshuffle",
        "channel_shuffle", "glu", "identity", "number", "elementwise", "batch_norm", "norm", "dropout",
        "overwrite",
    }
)  # fmt: skip

# Reductions that are neither a sum nor an order; over rows and columns they are statistics of the map.
_NO_AVERAGES = frozenset(
    {
        "prod", "var", "std", "var_mean", "std_mean", "linalg_vector_norm", "norm", "logsumexp",
        "count_nonzero",
    }
)  # fmt: skip

Moves = frozenset[str]

MOST_MOVES = 64
"""Operators that move a map on one path to a maximum."""
MOST_STEPS = 50_000
"""Steps back from all the maxima of a graph to what they compare; the paths of a forged one have no end."""


@dataclass(frozen=True)
class Maxima:
    """Nodes that take a maximum over space, with the reason in words, and nodes that cannot be told."""

    found: tuple[tuple[Node, str], ...]
    undecided: tuple[Unknown, ...]


def find_maxima(measured: Measured, behaving: Mapping[str, str] = MappingProxyType({})) -> Maxima:
    """Find every maximum over space among the live nodes, those of `behaving` included."""
    found: list[tuple[Node, str]] = []
    undecided: dict[str, Unknown] = {}
    for node in (*measured.flow.unknown, *measured.flow.tangled):
        reason = measured.fields[node.name].unknown if node.name in measured.fields else None
        if reason is not None and reason.node.name == node.name:
            undecided[node.name] = reason
    walk = _Walk(measured)
    for node in measured.nodes:
        verdict = _verdict(walk, node)
        if isinstance(verdict, Unknown):
            undecided[node.name] = verdict
        elif verdict is not None:
            found.append((node, verdict))
    if not found:
        found = [(node, behaving[node.name]) for node in measured.nodes if node.name in behaving]
    return Maxima(tuple(found), tuple(undecided.values()))


@dataclass
class _Walk:
    """The measured graph, and how many steps back have been taken in it."""

    measured: Measured
    steps: int = 0

    def step(self, width: int, moved: Moves) -> None:
        """Count a step from a value that was made from `width` others.

        Raises:
            Unmeasurable: there is no end to it.
        """
        self.steps += 1 + width
        if self.steps > MOST_STEPS or len(moved) > MOST_MOVES:
            raise Unmeasurable("too many paths lead to it")


def _verdict(walk: _Walk, node: Node) -> str | Unknown | None:
    try:
        return _maximum(walk, node)
    except Unmeasurable as reason:
        return Unknown(node, str(reason))
    except MALFORMED:
        return Unknown(node, "it is called in an unusual way")


def _maximum(walk: _Walk, node: Node) -> str | Unknown | None:
    family = OPS.get(node.op)
    if family in ("max_pool", "adaptive_max_pool"):
        return f"{short_name(node.op)}"
    if family in ("reduce_max", "order") or _is_extreme(node):
        return _over_dimensions(walk, node)
    if family == "maximum":
        return _between(walk, node)
    if family == "reduce" and short_name(node.op) in _NO_AVERAGES:
        return _no_average(walk, node)
    return None


def _between(walk: _Walk, node: Node) -> str | Unknown | None:
    """Return the maximum that an element-wise choice between two values of the image is, if it is one."""
    fields = walk.measured.fields
    chosen = [name for name in _operands(node) if name in fields]
    if len(chosen) < 2:
        return None
    if any(fields[name].layout is None or any(map(is_mixed, fields[name].layout or ())) for name in chosen):
        return Unknown(node, "where its values lie in the image is not known")
    if fields[node.name].layout is None and all(fields[name].is_map for name in chosen):
        return Unknown(node, "it chooses between maps whose rows and columns lie in different dimensions")
    if _compares_moved_copies(walk, _operands(node)):
        return f"{short_name(node.op)} of one map and the same map moved"
    return None


def _no_average(walk: _Walk, node: Node) -> str | Unknown | None:
    """Return the maximum that a reduction other than a sum is: over a window's positions it is a pool."""
    (source, *_) = walk.measured.sources(node)
    layout = source.layout
    if layout is None:
        return source.unknown or Unknown(node, "over what it is taken is not known")
    over = [layout[d] for d in reduced_dimensions(node, len(layout)) if d < len(layout)]
    if any(letter == "k" for dimension in over for letter, _ in dimension):
        return f"{short_name(node.op)} over the positions of a window"
    is_of_channels = any(letter == "c" for dimension in over for letter, _ in dimension)
    if is_of_channels and _compares_moved_copies(walk, node.refs[:1]):
        return f"{short_name(node.op)} over copies of one map, moved"
    if any(map(is_mixed, over)):
        return Unknown(node, "what it is taken over was computed from several rows or columns")
    return None


def _is_extreme(node: Node) -> bool:
    """Return whether a reduction is a maximum by another name: a norm of infinite order, any, all."""
    order = node.arg(1, "ord")
    name = short_name(node.op)
    is_infinite = isinstance(order, Special) and order.value.lstrip("-") == "inf"
    return name in ("any", "all") or (name in ("linalg_vector_norm", "norm") and is_infinite)


def _over_dimensions(walk: _Walk, node: Node) -> str | Unknown | None:
    (source, *_) = walk.measured.sources(node)
    if source.layout is None:
        return source.unknown or Unknown(node, "over what it is taken is not known")
    try:
        over = [source.layout[d] for d in reduced_dimensions(node, len(source.layout))]
    except MALFORMED:
        return Unknown(node, "it is called in an unusual way")
    held = {letter for dimension in over for letter, _ in dimension}
    if held & {"h", "w"}:
        return f"{short_name(node.op)} over rows or columns"
    if "k" in held:
        return f"{short_name(node.op)} over the positions of a window"
    if "m" in held:
        return Unknown(node, "what it is taken over was computed from several rows or columns")
    if "c" in held and _compares_moved_copies(walk, node.refs[:1]):
        return f"{short_name(node.op)} over copies of one map, moved"
    return None


def _operands(node: Node) -> tuple[str, ...]:
    """Return the tensors between which an element-wise operator chooses."""
    chosen = node.args[1:] if short_name(node.op) == "where" else (*node.args, *node.kwargs.values())
    return tuple(arg.ref for arg in chosen if isinstance(arg, Ref))


def _compares_moved_copies(walk: _Walk, names: tuple[str, ...]) -> bool:
    """Return whether one map reaches these values along paths that move it differently."""
    moves: dict[str, Moves] = {}
    for name in names:
        for origin, moved in _origins(walk, name):
            if moves.setdefault(origin, moved) != moved:
                return True
    return False


def _origins(walk: _Walk, name: str) -> set[tuple[str, Moves]]:
    """Walk back to where values were made; with each, the operators that moved them since."""
    measured = walk.measured
    origins: set[tuple[str, Moves]] = set()
    seen: set[tuple[str, Moves]] = set()
    pending: list[tuple[str, Moves]] = [(name, frozenset())]
    while pending:
        state = pending.pop()
        if state in seen or state[0] not in measured.fields:
            continue
        seen.add(state)
        here, moved = state
        node = measured.by_name.get(here)
        sources = [n for n in data_reads(node) if n in measured.fields] if node else []
        walk.step(len(sources), moved)
        if node is None or not _is_recognisable(node, sources):
            origins.add(state)
            continue
        pending.extend(_steps(measured, node, sources, moved))
    return origins


def _steps(measured: Measured, node: Node, sources: list[str], moved: Moves) -> Iterator[tuple[str, Moves]]:
    after = _place(measured.fields[node.name])
    for source in sources:
        is_move = after != _place(measured.fields[source])
        yield source, moved | {node.name} if is_move else moved


def _is_recognisable(node: Node, sources: list[str]) -> bool:
    family = OPS.get(node.op)
    return family in _MOVERS and (len(sources) == 1 or family in ("cat", "stack", "scatter"))


def _place(field: Field) -> object:
    """Return a key for where the elements of a value lie; what moves them changes it."""
    if field.layout is None:
        return None
    windows = tuple(factor for dimension in field.layout for factor in dimension if factor[0] == "k")
    sizes = extent(field.layout, "h"), extent(field.layout, "w")
    return field.h, field.w, field.axes, sizes, windows
