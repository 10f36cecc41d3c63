"""The head of a network: what leads from the last feature map to the logits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from harness.graph.flow import data_reads, literal
from harness.graph.ir import Node, Ref
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.layout import Unmeasurable, extent

Classifier = Literal["linear_after_pool", "convolution_after_pool", "convolution_before_pool"]

_CLASSIFIER = "classifier"
_LOG_SOFTMAX = "log-softmax"
# What the assignment calls each classifier behind the pool.
_PLACE: Mapping[str, Classifier] = {
    "Linear": "linear_after_pool",
    "1x1 convolution": "convolution_after_pool",
}
_POOLS = frozenset({"avg_pool", "adaptive_avg_pool", "max_pool", "adaptive_max_pool"})
_MOVES = frozenset({"view", "identity", "permute", "select", "slice", "expand", "number"})


@dataclass(frozen=True)
class Head:
    """Names of the last feature maps, and the nodes behind them in order of execution.

    `maps` is empty and `unknown` set when the walk back from the output meets a value whose layout is
    not known; `pooled` is the first value that has looked at the whole of both axes.
    """

    maps: tuple[str, ...]
    nodes: tuple[Node, ...]
    pooled: Node | None
    unknown: Node | None = None


def find_head(measured: Measured) -> Head:
    """Walk back from the output to the values that still are feature maps."""
    maps: dict[str, None] = {}
    behind: set[str] = set()
    pooled_to_one: dict[str, bool] = {}
    pending = [measured.flow.output]
    while pending:
        name = pending.pop()
        field = measured.fields.get(name)
        if field is None or name in behind or name in maps:
            continue
        if field.layout is None:
            return Head((), (), None, unknown=field.unknown.node if field.unknown else None)
        if field.is_map and not _is_pooled_to_one(measured, name, pooled_to_one):
            maps[name] = None
        else:
            behind.add(name)
            pending.extend(data_reads(measured.by_name[name]))
    nodes = tuple(node for node in measured.nodes if node.name in behind)
    pooled = next((node for node in nodes if not measured.fields[node.name].axes), None)
    return Head(tuple(maps), nodes, pooled)


def describe(measured: Measured, head: Head) -> str:
    """Return a head in one line: "global average pool -> Linear(128, 10)"."""
    return " -> ".join(_steps(measured, head)) or "none: the output is still a feature map"


def objection(
    measured: Measured, head: Head, allowed: Sequence[Classifier] = ("linear_after_pool",)
) -> tuple[Node, str] | None:
    """Find the first node that does not belong in: global average, one classifier, log-softmax; say why."""
    seen: dict[str, Node] = {}
    for node in head.nodes:
        kind = _kind(measured, node)
        if _belongs(kind, seen, allowed):
            why = _out_of_place(kind or "", seen, allowed)
        else:
            why = _not_part(measured, node)
        if why is not None:
            return node, why
        seen.setdefault(_CLASSIFIER if kind in _PLACE else kind or "", node)
    return None


def classifiers(measured: Measured, head: Head) -> tuple[Node, ...]:
    """List what turns averages into classes: linear layers and 1x1 convolutions."""
    return tuple(node for node in head.nodes if _kind(measured, node) in _PLACE)


def averages(measured: Measured, head: Head) -> bool:
    """Return whether a head averages the whole of both axes."""
    return any(_kind(measured, node) == "average" for node in head.nodes)


def name_of(measured: Measured, node: Node) -> str:
    """Return the field's name for a step of the head."""
    name, weight = short_name(node.op).rstrip("_"), measured.weight_shape(node)
    kind = _kind(measured, node)
    if kind == "average":
        return "global average pool" if name not in ("sum", "einsum") else "global sum"
    if OPS.get(node.op) == "linear" and len(weight) > 1:
        return f"Linear({weight[1]}, {weight[0]})"
    if OPS.get(node.op) == "conv" and len(weight) > 2:
        kernel = "x".join(str(k) for k in weight[2:])
        return f"{kernel} convolution to {weight[0]} channels"
    words = {"log_softmax": "log-softmax", "batch_norm": "batch-norm", "amax": "global maximum"}
    return words.get(name, name)


def positions(measured: Measured, name: str) -> int:
    """Count the positions of a map; 1 for what has none."""
    layout = measured.fields[name].layout or ()
    return extent(layout, "h") * extent(layout, "w")


# Private functions


def _is_pooled_to_one(measured: Measured, name: str, known: dict[str, bool]) -> bool:
    """Return whether a map has one position only because a pool that left out rows or columns made it so.

    `known` holds what was found out on the way, of every map that was passed.
    """
    passed: list[str] = []
    answer = False
    node = measured.by_name.get(name)
    while node is not None and positions(measured, node.name) == 1:
        if node.name in known:
            answer = known[node.name]
            break
        passed.append(node.name)
        before = next((ref for ref in data_reads(node) if ref in measured.fields), None)
        if before is None or not measured.fields[before].is_map:
            break
        if positions(measured, before) > 1:
            answer = OPS.get(node.op) in _POOLS
            break
        node = measured.by_name.get(before)
    known.update(dict.fromkeys(passed, answer))
    return answer


def _belongs(kind: str | None, seen: Mapping[str, Node], allowed: Sequence[Classifier]) -> bool:
    """Return whether a step may be in the head at all, with what has come before it."""
    if kind is None:
        return False
    if kind in _PLACE:
        return _PLACE[kind] in allowed
    if kind in ("scale", "bias"):
        return (kind == "scale" or _CLASSIFIER in seen) and _LOG_SOFTMAX not in seen
    return True


def _not_part(measured: Measured, node: Node) -> str:
    """Return why a step has no place in a head."""
    name = name_of(measured, node)
    if OPS.get(node.op) in _POOLS and measured.fields[node.name].is_map:
        layout = measured.sources(node)[0].known_layout()
        return f"{name} leaves out a part of the {extent(layout, 'h')}x{extent(layout, 'w')} map"
    return f"{name} is not part of it"


def _out_of_place(kind: str, seen: Mapping[str, Node], allowed: Sequence[Classifier]) -> str | None:
    """Return why a step may not come after those seen, if it may not."""
    if kind in _PLACE and "average" not in seen:
        return f"the {kind} reads the map itself, not its global average"
    if kind in _PLACE and _CLASSIFIER in seen:
        return f"a second {kind} follows {seen[_CLASSIFIER].layer}"
    if kind in (*_PLACE, "average") and _LOG_SOFTMAX in seen:
        return f"log-softmax comes before the {kind}"
    if kind == _LOG_SOFTMAX and _LOG_SOFTMAX in seen:
        return "log-softmax is applied twice"
    if kind == _LOG_SOFTMAX and "average" not in seen:
        return "log-softmax is applied before the global average"
    if kind == _LOG_SOFTMAX and _CLASSIFIER not in seen and "convolution_before_pool" not in allowed:
        return "log-softmax is applied to the average, and no Linear comes before it"
    return None


def _kind(measured: Measured, node: Node) -> str | None:
    """Sort a node of the head; None for what does not belong there."""
    family, name = OPS.get(node.op), short_name(node.op).rstrip("_")
    fields = measured.sources(node)
    if len(fields) != 1:
        return None
    if family in _MOVES:
        return "move"
    if family == "dropout":
        return "dropout"
    if name == "log_softmax":
        return _LOG_SOFTMAX
    if family == "linear" or (family in ("matmul", "einsum") and _is_by_stored(measured, node)):
        return "Linear"
    if family == "conv" and not fields[0].axes and _is_pointwise(measured, node):
        return "1x1 convolution"
    is_sum = name in ("mean", "sum") or (name == "einsum" and len(node.refs) == 1)
    is_average = is_sum or family in ("adaptive_avg_pool", "avg_pool")
    if is_average and not measured.fields[node.name].is_map and fields[0].axes and _only_axes(measured, node):
        return "average"
    if name in ("mul", "div", "multiply", "divide", "true_divide") and _by_number(measured, node):
        return "scale"
    if name == "add" and _is_by_stored(measured, node):
        return "bias"
    return None


def _is_pointwise(measured: Measured, node: Node) -> bool:
    """Return whether a convolution of a pooled map is a matrix product over all its channels."""
    try:
        window = measured.window(node)
    except Unmeasurable:
        return False
    return set(window.kernel) == {1} and set(window.padding) == {0} and window.groups == 1


def _only_axes(measured: Measured, node: Node) -> bool:
    """Return whether a reduction leaves the channels alone."""
    before, after = measured.sources(node)[0], measured.fields[node.name]
    return _channels(before.layout) == _channels(after.layout)


def _channels(layout: object) -> list[tuple[str, int | None]]:
    assert isinstance(layout, tuple)
    return [factor for dimension in layout for factor in dimension if factor[0] in "ck"]


def _by_number(measured: Measured, node: Node) -> bool:
    """Return whether a value is multiplied by one number: written, computed from sizes, or learned."""
    for other in node.args[:2]:
        if literal(other) is not None:
            return True
        if isinstance(other, Ref) and other.ref not in measured.fields:
            source = measured.graph.by_name.get(other.ref)
            is_size = source is not None and OPS.get(source.op) == "number"
            return is_size or prod(n for n in measured.shapes.get(other.ref, (2,)) if isinstance(n, int)) == 1
    return False


def _is_by_stored(measured: Measured, node: Node) -> bool:
    """Return whether a node combines what depends on the image with stored numbers or their results."""
    others = [name for name in node.refs if name not in measured.fields]
    return not measured.leading_to(*others).isdisjoint(measured.graph.bindings)


def _steps(measured: Measured, head: Head) -> Iterator[str]:
    last = ""
    for node in head.nodes:
        if OPS.get(node.op) in _MOVES or OPS.get(node.op) == "dropout":
            continue
        step = name_of(measured, node)
        if step != last:
            yield step
        last = step
