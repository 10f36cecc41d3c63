"""Canonical fingerprints of graphs: equal for networks that compute the same, whatever they are called.

Looked at is what the output of the eval graph depends on, with in-place operators resolved. A value's colour
is a hash of its operator, its settings and the colours around it, refined neighbour by neighbour.
Source: B. Weisfeiler, A. Leman, Nauchno-Technicheskaya Informatsia 2 (1968) 12-16; as a kernel on graphs:
N. Shervashidze et al., JMLR 12 (2011) 2539-2561.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from harness.graph.flow import functional
from harness.graph.ir import Architecture, Graph, Node, Ref
from harness.graph.operators import OPS, is_in_place, short_name

Aspect = Literal["names", "order", "channels"]
"""What two graphs may differ in: the names of layers, the order of the parts of a sum, a product or a
concatenation, the numbers of channels."""
Level = Literal["exact", "renamed", "reordered", "widened"]
LEVELS: Mapping[Level, frozenset[Aspect]] = {
    "exact": frozenset(),
    "renamed": frozenset({"names"}),
    "reordered": frozenset({"names", "order"}),
    "widened": frozenset({"names", "order", "channels"}),
}
"""What each level of equality ignores, the strictest first."""
RADIUS = 3
"""Steps from an operator that its feature looks at: enough for depthwise, norm, activation, pointwise."""

_COMMUTATIVE = frozenset(
    {"add", "mul", "multiply", "maximum", "minimum", "fmax", "fmin", "logical_and", "logical_or",
     "logical_xor", "logaddexp", "hypot", "eq", "ne", "cat", "concat", "concatenate", "stack", "hstack",
     "vstack", "dstack"}
)  # fmt: skip
_SIZED = frozenset({"view", "expand", "repeat", "slice", "split", "select", "creation", "number", "norm"})
"""Families whose whole numbers are sizes, or follow from them."""
_GROUPS = 6
"""Position of `groups` among the arguments of every convolution."""


@dataclass(frozen=True)
class Outline:
    """The live part of a graph: what each value is, and which values it is made of, in order of execution.

    `labels` are hashes; `parts` of a commutative operator are in no order.
    """

    labels: dict[str, str]
    parts: Mapping[str, tuple[str, ...]]
    commutative: frozenset[str]
    operators: tuple[str, ...]
    """Which of the values are computed; the others are the image and tensors."""
    output: str


def fingerprint(architecture: Architecture, ignored: Iterable[Aspect]) -> str:
    """Hash (hex) the network; equal for two that differ in nothing but the ignored aspects."""
    outline = _outline(architecture, architecture.eval, frozenset(ignored))
    above = _above(outline)
    below = _below(outline, above)
    return _hash(sorted([above[name], below[name]] for name in outline.labels))


def fingerprints(architecture: Architecture) -> dict[Level, str]:
    """Hash the network at every level."""
    return {level: fingerprint(architecture, ignored) for level, ignored in LEVELS.items()}


def equal_at(one: Mapping[Level, str], other: Mapping[Level, str]) -> Level | None:
    """Return the strictest level at which two networks are equal; None if at none."""
    return next((level for level in LEVELS if one[level] == other[level]), None)


def features(architecture: Architecture, radius: int = RADIUS) -> frozenset[str]:
    """List what stands around each operator, names, order and channels ignored; equal ones are numbered.

    The numbers make a set of what is a multiset: two sets share as many features as the multisets do.
    """
    outline = _outline(architecture, architecture.eval, LEVELS["widened"])
    colours = dict(outline.labels)
    readers = _readers(outline)
    for _ in range(radius):
        colours = {
            name: _hash([own, _ordered(outline, name, colours), sorted(colours[r] for r in readers[name])])
            for name, own in colours.items()
        }
    seen: Counter[str] = Counter()
    numbered = []
    for name in outline.operators:
        seen[colours[name]] += 1
        numbered.append(f"{colours[name]}.{seen[colours[name]]}")
    return frozenset(numbered)


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of features in common, in [0, 1], of those that either has; 0 where both have none.

    Source: P. Jaccard, New Phytologist 11 (1912) 37-50.
    """
    return len(one & other) / len(one | other) if one or other else 0.0


# Private functions


def _outline(architecture: Architecture, graph: Graph, ignored: frozenset[Aspect]) -> Outline:
    flow = functional(graph)
    labels: dict[str, str] = {}
    parts: dict[str, tuple[str, ...]] = {}
    for node in flow.nodes:
        for ref in node.refs:
            if ref not in labels:
                labels[ref] = _leaf(architecture, graph, ref, ignored)
                parts[ref] = ()
        labels[node.name] = _hash(_label(architecture, graph, node, ignored))
        parts[node.name] = node.refs
    commutative = {node.name for node in flow.nodes if "order" in ignored and _is_commutative(node)}
    operators = tuple(node.name for node in flow.nodes)
    return Outline(labels, parts, frozenset(commutative), operators, flow.output)


def _leaf(architecture: Architecture, graph: Graph, value: str, ignored: frozenset[Aspect]) -> str:
    """Return the hash of an image, a tensor, or a value that is zero for any input."""
    tensor = architecture.tensor(graph, value)
    if tensor is None:
        return _hash(["image" if value in graph.inputs else "zero"])
    shape = list(tensor.shape[2:]) if "channels" in ignored else list(tensor.shape)
    name = "" if "names" in ignored else tensor.name
    return _hash([tensor.kind, len(tensor.shape), shape, tensor.dtype, tensor.trainable, name])


def _label(architecture: Architecture, graph: Graph, node: Node, ignored: frozenset[Aspect]) -> list[Any]:
    op = short_name(node.op)
    sized = "channels" in ignored and OPS.get(node.op) in _SIZED
    settings = [_setting(arg, sized=sized) for arg in node.args]
    if "channels" in ignored and OPS.get(node.op) in ("conv", "conv_transpose") and len(settings) > _GROUPS:
        settings[_GROUPS] = _grouping(architecture, graph, node)
    keywords = {key: _setting(arg, sized=sized) for key, arg in sorted(node.kwargs.items())}
    sides = ["*" if isinstance(side, str) else side for side in node.shape or ()]
    if "channels" in ignored:
        sides = [len(sides), *(sides[2:] if len(sides) > 3 else [])]
    name = "" if "names" in ignored else node.module
    return [op.rstrip("_") if is_in_place(node.op) else op, settings, keywords, sides, name]


def _setting(arg: Any, *, sized: bool) -> Any:
    """Return the numbers and strings of an argument; any other value only as a placeholder."""
    if isinstance(arg, Ref):
        return ["value"]
    if isinstance(arg, BaseModel):
        return arg.model_dump()
    if isinstance(arg, list):
        return [_setting(one, sized=sized) for one in arg]
    return "size" if sized and isinstance(arg, int) and not isinstance(arg, bool) else arg


def _grouping(architecture: Architecture, graph: Graph, node: Node) -> str:
    """Return how a convolution's channels are grouped, without their number."""
    groups, weight = node.args[_GROUPS], node.arg(1, "weight")
    if groups == 1:
        return "all"
    tensor = architecture.tensor(graph, weight.ref) if isinstance(weight, Ref) else None
    return "each" if tensor is not None and len(tensor.shape) > 1 and tensor.shape[1] == 1 else "some"


def _is_commutative(node: Node) -> bool:
    name = short_name(node.op).rstrip("_")
    scaled = node.arg(2, "alpha", 1) if name == "add" else 1
    return name in _COMMUTATIVE and scaled == 1


def _ordered(outline: Outline, name: str, colours: Mapping[str, str]) -> list[str]:
    found = [colours[part] for part in outline.parts[name]]
    return sorted(found) if name in outline.commutative else found


def _above(outline: Outline) -> dict[str, str]:
    """Colour each value by everything that it is computed from."""
    colours: dict[str, str] = {}
    for name, label in outline.labels.items():
        colours[name] = _hash([label, _ordered(outline, name, colours)])
    return colours


def _below(outline: Outline, above: Mapping[str, str]) -> dict[str, str]:
    """Colour each value by everything that it goes into, and the place it has there."""
    uses: defaultdict[str, list[list[Any]]] = defaultdict(list)
    uses[outline.output].append(["output"])
    colours: dict[str, str] = {}
    for name in reversed(outline.labels):
        colours[name] = _hash(sorted(uses[name], key=json.dumps))
        for place, part in enumerate(outline.parts[name]):
            at = "any" if name in outline.commutative else place
            uses[part].append([colours[name], above[name], at])
    return colours


def _readers(outline: Outline) -> Mapping[str, Sequence[str]]:
    readers: defaultdict[str, list[str]] = defaultdict(list)
    for name, parts in outline.parts.items():
        for part in parts:
            readers[part].append(name)
    return readers


def _hash(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
