"""The kind of each executed operator, in the words of a course: a convolution, a pool, a normalisation, ...

By what it does, whatever it is called: an average may be a mean over rows and columns, a linear layer a
product with stored numbers. Where that cannot be told, the node may be of a kind, and nobody says it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from harness.graph.activations import activation
from harness.graph.flow import data_reads
from harness.graph.ir import Node
from harness.graph.lost_windows import holds_windows, may_hold_windows
from harness.graph.maxima import Maxima, find_maxima
from harness.graph.norms_by_hand import norm_by_hand
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.field import Field
from harness.graph.receptive_field.layout import MALFORMED, Unmeasurable, extent, places
from harness.graph.receptive_field.mixing import reduced_dimensions
from harness.graph.receptive_field.window import Window
from harness.graph.residual_joins import Join, find_joins, is_product_with_weights
from harness.graph.view import View

Kind = Literal[
    "convolution", "depthwise", "pointwise", "grouped", "separable", "transposed", "linear", "recurrent",
    "weighted", "batch_norm", "layer_norm", "group_norm", "instance_norm", "normalisation", "dropout",
    "activation", "softmax", "max_pool", "global_max_pool", "average_pool", "global_average_pool",
    "interpolation", "attention", "residual_add", "concatenation", "arithmetic",
]  # fmt: skip

KINDS: frozenset[Kind] = frozenset(get_args(Kind))
NORMS: frozenset[Kind] = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm"})
NOTHING: frozenset[Kind] = frozenset()
_IN_PLACE: frozenset[Kind] = NORMS | {"normalisation", "dropout", "activation", "residual_add", "max_pool"}
"""What a change in place of a tensor that is read under another name may be."""

_POINT = Window((1, 1), (1, 1), (0, 0), (1, 1))
"""The window of a linear layer over the channels of a map."""
_LEADS_TO_PRODUCT = frozenset({"elementwise", "dropout", "identity", "view", "permute", "expand"})
_LINEAR_ARITHMETIC = frozenset(
    {"add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide", "neg", "negative"}
)
_PRODUCTS = frozenset({"bilinear", "inner", "cdist", "pairwise_distance", "trapezoid", "kron"})
_MOVES = frozenset({"view", "permute", "identity", "expand"})


@dataclass(frozen=True)
class Classified:
    """The kinds that a node is of, and those it may be of besides."""

    surely: frozenset[Kind] = NOTHING
    perhaps: frozenset[Kind] = NOTHING


_LINEAR: frozenset[Kind] = frozenset({"linear", "weighted"})
_POINTWISE: frozenset[Kind] = frozenset({"pointwise"})
_NORM: frozenset[Kind] = frozenset({"normalisation"})
_PLAIN: Mapping[str, Classified] = {
    "conv_transpose": Classified(frozenset({"transposed", "weighted"})),
    "recurrent": Classified(frozenset({"recurrent", "weighted"})),
    "attention": Classified(frozenset({"attention"})),
    "batch_norm": Classified(frozenset({"normalisation", "batch_norm"})),
    "softmax": Classified(frozenset({"softmax"})),
    "resample": Classified(frozenset({"interpolation"})),
    "random": Classified(perhaps=frozenset({"dropout"})),
    "frequency": Classified(perhaps=frozenset({"convolution"})),
}
"""What operators are that need no look at their arguments."""


@dataclass(frozen=True)
class Kinds:
    """The kinds of the live nodes of one graph; `behaving` are found to be maxima by what they do."""

    view: View
    behaving: Mapping[str, str]
    _known: dict[str, Classified] = field(default_factory=dict, repr=False)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Live nodes that the image reaches, and numbers drawn by chance, in order of execution."""
        measured = self.view.measured
        live = measured.flow.nodes
        return tuple(n for n in live if n.name in measured.fields or OPS.get(n.op) == "random")

    def of(self, node: Node) -> Classified:
        """Return the kinds of a live node."""
        if node.name not in self._known:
            self._known[node.name] = self._classified(node)
        return self._known[node.name]

    def window(self, node: Node) -> Window | None:
        """Read the window that a node slides over a map; None where it has none of fixed size."""
        if OPS.get(node.op) not in ("conv", "conv_transpose", "avg_pool", "max_pool"):
            return _POINT if "pointwise" in self.of(node).surely else None
        try:
            return self.view.measured.window(node)
        except Unmeasurable:
            return None

    def outputs(self, node: Node) -> int | None:
        """Return how many channels or features a layer with weights makes."""
        weight = self.view.measured.weight_shape(node)
        if OPS.get(node.op) in ("conv", "linear") and weight:
            return weight[0] if isinstance(weight[0], int) else None
        dimension = 1 if OPS.get(node.op) == "conv_transpose" else -1
        size = node.shape[dimension] if node.shape and len(node.shape) > 1 else None
        return size if isinstance(size, int) else None

    @cached_property
    def joins(self) -> Mapping[str, Join]:
        """Sums of a path and its shortcut, by the name of the node."""
        return {join.node.name: join for join in find_joins(self.view.measured)}

    @cached_property
    def maxima(self) -> Maxima:
        """Maxima over space."""
        return find_maxima(self.view.measured, self.behaving)

    # Private

    def _classified(self, node: Node) -> Classified:
        if node.op not in OPS:
            return Classified(perhaps=KINDS)
        if node.name in self._not_followed:
            return Classified(perhaps=_IN_PLACE)
        if node.name in self._maxima:
            if OPS[node.op] == "max_pool" and (window := self.window(node)) and set(window.kernel) == {1}:
                return Classified()  # the largest of one number
            is_global = not self.view.measured.fields[node.name].axes
            return Classified(frozenset({"max_pool", "global_max_pool"} if is_global else {"max_pool"}))
        classified = self._by_operator(node)
        if node.name in self._undecided:
            return Classified(classified.surely, classified.perhaps | {"max_pool", "global_max_pool"})
        return classified

    def _by_operator(self, node: Node) -> Classified:
        match OPS[node.op]:
            case "conv":
                return Classified(self._convolution(node))
            case "linear" | "matmul" | "einsum":
                return self._product(node)
            case "not_followed":
                return Classified(perhaps=_LINEAR if short_name(node.op) in _PRODUCTS else NOTHING)
            case "norm":
                return Classified(_norm(node))
            case "dropout":
                return Classified(frozenset({"dropout"}) if self._drops(node) else NOTHING)
            case "avg_pool" | "adaptive_avg_pool" | "reduce":
                return self._average(node)
            case "cat" | "stack":
                several = len({name for name in data_reads(node) if name in self.view.measured.fields}) > 1
                return Classified(frozenset({"concatenation"}) if several else NOTHING)
            case "scan":
                return Classified(perhaps=_LINEAR if self._multiplies_stored(node.refs[0]) else NOTHING)
            case "elementwise" | "maximum" | "glu":
                return self._arithmetic(node)
            case family:
                return _PLAIN.get(family, Classified())

    def _convolution(self, node: Node) -> frozenset[Kind]:
        found: set[Kind] = {"convolution", "weighted"}
        window, weight = self.window(node), self.view.measured.weight_shape(node)
        if window is None or len(weight) < 2:
            return frozenset(found)
        is_point = set(window.kernel) == {1}
        if window.groups == 1 and is_point:
            found.add("pointwise")
        if window.groups > 1:
            found.add("grouped")
            if weight[1] == 1 and not is_point:
                found.add("depthwise")
        if node.name in self._separable:
            found.add("separable")
        return frozenset(found)

    def _product(self, node: Node) -> Classified:
        """Classify a product: with stored numbers it is a linear layer, with a softmax attention."""
        measured = self.view.measured
        if OPS[node.op] != "linear" and not is_product_with_weights(measured, node):
            return Classified(frozenset({"attention"}) if self._reads_softmax(node) else NOTHING)
        field, after = measured.sources(node)[0], measured.fields[node.name]
        if field.layout is None or after.layout is None:
            slid = field.layout is None and may_hold_windows(measured, data_reads(node)[0], self._is_product)
            return Classified(_LINEAR, _POINTWISE | ({"convolution"} if slid else NOTHING))
        slid = holds_windows(field)
        is_point = after.is_map and (OPS[node.op] != "linear" or not places(field.layout[-1]))
        surely = _LINEAR | _POINTWISE if is_point else _LINEAR
        return Classified(surely, frozenset({"convolution"}) if slid else NOTHING)

    def _is_product(self, node: Node) -> bool:
        return bool(self.of(node).surely & {"weighted", "attention"})

    def _average(self, node: Node) -> Classified:
        """Classify an average or a sum: over the whole map, over windows, or of something else."""
        if OPS[node.op] == "reduce" and short_name(node.op) not in ("mean", "sum"):
            is_likeness = short_name(node.op) == "cosine_similarity" and self._reads_stored(node)
            return Classified(perhaps=_LINEAR if is_likeness else NOTHING)
        before, after = self.view.measured.sources(node)[0], self.view.measured.fields[node.name]
        if before.layout is None or after.layout is None:
            return Classified(perhaps=frozenset({"average_pool", "global_average_pool"}))
        if before.axes and not after.axes and _channels(before) == _channels(after):
            several = extent(before.layout, "h") * extent(before.layout, "w") > 1
            return Classified(frozenset({"global_average_pool"}) if several else NOTHING)
        if OPS[node.op] != "reduce":
            mixes = self._multiplies_stored(node.refs[0], dimensions=2)
            return Classified(frozenset({"average_pool"}), _LINEAR if mixes else NOTHING)
        over = self._reduced(node, before)
        if "k" in over:
            return Classified(frozenset({"average_pool"}))
        weighs = "c" in over and self._multiplies_stored(node.refs[0])
        return Classified(perhaps=_LINEAR if weighs else NOTHING)

    def _arithmetic(self, node: Node) -> Classified:
        if node.name in self.joins:
            return Classified(frozenset({"residual_add"}))
        if activation(self.view.measured, node):
            return Classified(frozenset({"activation"}))
        kinds = norm_by_hand(self.view.measured, node)
        if kinds is not None:
            return Classified(_NORM | kinds.surely, frozenset(kinds.perhaps))
        maps = [
            self.view.measured.fields[name] for name in data_reads(node) if name in self.view.measured.fields
        ]
        is_open = len(maps) > 1 and any(one.layout is None for one in maps)
        name = short_name(node.op).rstrip("_")
        is_scaled = len(maps) == 1 and name in _LINEAR_ARITHMETIC
        surely: frozenset[Kind] = NOTHING if is_scaled else frozenset({"arithmetic"})
        return Classified(surely, frozenset({"residual_add"}) if is_open and name == "add" else NOTHING)

    def _drops(self, node: Node) -> bool:
        """Return whether a dropout drops anything in training; in eval, whether it would."""
        applied = self.view.is_eval or bool(node.arg(2, "train", default=True))
        return applied and node.arg(1, "p") not in (0, 0.0)

    def _reduced(self, node: Node, before: Field) -> set[str]:
        layout = before.known_layout()
        try:
            over = [layout[d] for d in reduced_dimensions(node, len(layout))]
        except MALFORMED:
            return set()
        return {letter for dimension in over for letter, _ in dimension}

    def _multiplies_stored(self, name: str, dimensions: int = 1) -> bool:
        """Return whether a value is a product, perhaps moved, with stored numbers of so many dimensions."""
        node = self.view.measured.by_name.get(name)
        while node is not None and OPS.get(node.op) in _MOVES and node.refs:
            node = self.view.measured.by_name.get(node.refs[0])
        is_product = node is not None and short_name(node.op).rstrip("_") in ("mul", "multiply")
        return node is not None and is_product and self._reads_stored(node, dimensions)

    def _reads_stored(self, node: Node, dimensions: int = 1) -> bool:
        measured = self.view.measured
        bindings = set(measured.graph.bindings)
        return any(
            measured.leading_to(name) & bindings
            and sum(size != 1 for size in measured.shapes.get(name, ())) >= dimensions
            for name in node.refs
            if name not in measured.fields
        )

    def _reads_softmax(self, node: Node) -> bool:
        pending, seen = list(data_reads(node)), set[str]()
        while pending:
            name = pending.pop()
            before = self.view.measured.by_name.get(name)
            if before is None or name in seen:
                continue
            seen.add(name)
            if OPS.get(before.op) == "softmax":
                return True
            if OPS.get(before.op) in _LEADS_TO_PRODUCT:
                pending += data_reads(before)
        return False

    @cached_property
    def _maxima(self) -> frozenset[str]:
        return frozenset(node.name for node, _ in self.maxima.found)

    @cached_property
    def _undecided(self) -> frozenset[str]:
        return frozenset(reason.node.name for reason in self.maxima.undecided)

    @cached_property
    def _separable(self) -> frozenset[str]:
        return frozenset(c.node.name for c in self.view.separable)

    @cached_property
    def _not_followed(self) -> frozenset[str]:
        """Changes in place of what is read under another name: what they compute is not known."""
        return frozenset(node.name for node in self.view.measured.flow.tangled)


# Private functions


def _norm(node: Node) -> frozenset[Kind]:
    match short_name(node.op):
        case "layer_norm":
            return _NORM | {"layer_norm"}
        case "instance_norm":
            return _NORM | {"instance_norm"}
        case "group_norm":
            groups, channels = node.arg(1, "num_groups"), node.shape[1] if node.shape else None
            one_each: frozenset[Kind] = frozenset({"instance_norm" if groups == channels else "group_norm"})
            return _NORM | ({"layer_norm"} if groups == 1 else one_each)
        case _:
            return _NORM


def _channels(field: Field) -> list[tuple[str, int | None]]:
    return [factor for dimension in field.layout or () for factor in dimension if factor[0] in "ck"]
