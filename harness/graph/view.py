"""One measured graph as the rules look at it: its convolutions, what changes its jump, its head."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from harness.graph.convolution import Convolution, channelwise, find_convolutions
from harness.graph.flow import data_reads
from harness.graph.head import Head, find_head
from harness.graph.ir import Architecture, Graph, Mode, Node
from harness.graph.operators import OPS
from harness.graph.receptive_field.engine import Measured, measure, smaller_axis
from harness.graph.receptive_field.field import Field, Unknown
from harness.graph.receptive_field.layout import is_mixed, places
from harness.graph.receptive_field.span import pixels

# What may stand between a depthwise convolution and its pointwise one.
_BETWEEN = frozenset(
    {
        "batch_norm", "norm", "dropout", "identity", "elementwise", "maximum", "glu", "permute", "view",
        "channel_shuffle", "pad", "cat", "scatter", "split", "number", "slice", "gather",
    }
)  # fmt: skip
# What names part of a tensor that is then changed in place.
_VIEWS = frozenset({"view", "permute", "slice", "select", "expand"})


class View:
    """One graph, measured, with what several rules ask of it computed once; see `views_of`."""

    def __init__(
        self, architecture: Architecture, graph: Graph, without: frozenset[str] = frozenset()
    ) -> None:
        self.measured: Measured = measure(architecture, graph, without)
        self.is_eval = graph is architecture.eval
        self._behind: dict[str, frozenset[str]] = {}

    @cached_property
    def head(self) -> Head:
        """The head: the path from the last feature map to the output."""
        return find_head(self.measured)

    @cached_property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Executed convolutions over feature maps, in order of execution."""
        return tuple(find_convolutions(self.measured))

    @cached_property
    def strided(self) -> tuple[Convolution, ...]:
        """Convolutions that raise the jump."""
        return tuple(c for c in self.convolutions if any(s > 1 for s in c.window.stride))

    @cached_property
    def dead_convolutions(self) -> tuple[Node, ...]:
        """Convolutions that are executed though the output does not depend on them."""
        live = self.measured.by_name
        nodes = self.measured.graph.nodes
        return tuple(n for n in nodes if n.name not in live and OPS.get(n.op) == "conv")

    @cached_property
    def dilated(self) -> tuple[Convolution, ...]:
        """Convolutions larger than 1x1 with a dilation > 1."""
        return tuple(c for c in self.convolutions if c.dilation > 1)

    @cached_property
    def separable(self) -> tuple[Convolution, ...]:
        """Depthwise convolutions that a pointwise mixing of all channels follows."""
        found: set[str] = set()
        for node in self.pointwise:
            found |= self._depthwise_before(node.refs[0]) or set()
        return tuple(c for c in self.convolutions if c.node.name in found)

    @cached_property
    def loosely_separable(self) -> tuple[Convolution, ...]:
        """Depthwise convolutions that a pointwise mixing follows, with no other layer in between."""
        mixing = {node.name for node in self.pointwise}
        apart = channelwise(self.measured, self.convolutions)
        return tuple(c for c in apart if mixing & self._next_layers(c.node))

    @cached_property
    def pointwise(self) -> tuple[Node, ...]:
        """1x1 convolutions over all channels of a map, and linear layers over them."""
        convolutions = {c.node.name for c in self.convolutions if c.is_pointwise}
        return tuple(n for n in self.measured.nodes if n.name in convolutions or self._is_linear_on_map(n))

    @cached_property
    def in_question(self) -> tuple[Node, ...]:
        """Layers that rules count on: convolutions larger than 1x1, and what mixes depthwise ones."""
        mixing = {node.name for node in self.pointwise if self._depthwise_before(node.refs[0])}
        spatial = {c.node.name for c in self.convolutions if c.is_spatial}
        nodes = (n for n in self.measured.nodes if n.name in mixing | spatial)
        return tuple(n for n in nodes if n.args[1].ref not in self.measured.fields)

    @cached_property
    def resampling(self) -> tuple[Node, ...]:
        """Operators other than convolutions, in front of the head, that change the jump of a feature map."""
        judged = {c.node.name for c in self.strided} | {node.name for node in self.head.nodes}
        return tuple(
            n
            for n in self.measured.nodes
            if n.name not in judged and self._changes_jump(n) and not self._is_only_written_to(n)
        )

    @cached_property
    def mixing(self) -> tuple[Node, ...]:
        """Nodes that compute rows or columns, channel by channel, from several others: a matrix product."""
        return tuple(n for n in self.measured.nodes if self._mixes_places(n))

    @cached_property
    def final_maps(self) -> tuple[Field, ...]:
        """Fields of the last feature maps, in front of the head."""
        return tuple(self.measured.fields[name] for name in self.head.maps)

    @cached_property
    def unknown(self) -> Unknown | None:
        """The reason that the receptive field at the head is not known, if it is not."""
        known = (field.unknown for field in self.final_maps)
        return next((reason for reason in known if reason is not None), None)

    @cached_property
    def jumps(self) -> tuple[int, ...]:
        """Return the different jumps at the head, of both axes and all last maps; empty when not known."""
        if self.unknown or not self.final_maps:
            return ()
        return tuple(sorted({pixels(f.span(axis).jump) for f in self.final_maps for axis in "hw"}))

    @property
    def receptive_field_px(self) -> int | None:
        """Return the receptive field of the last feature map, its smaller side; None when not known."""
        if self.unknown or not self.final_maps:
            return None
        return min(max(pixels(f.span(axis).rf_px) for f in self.final_maps) for axis in "hw")

    @property
    def is_exact(self) -> bool:
        """Whether the receptive field is a number and not only an upper bound."""
        return all(f.is_exact for f in self.final_maps)

    @cached_property
    def inexact(self) -> tuple[Node, ...]:
        """Operators behind which there is only an upper bound: interpolation, transposed convolution."""
        fields = self.measured.fields
        return tuple(
            n
            for n in self.measured.nodes
            if not fields[n.name].is_exact and all(f.is_exact for f in self.measured.sources(n))
        )

    @property
    def receptive_field_with_pool_px(self) -> int | None:
        """Return the receptive field after the global pool, of several the union; None when there is none."""
        if self.unknown or self.head.pooled is None:
            return None
        field = self.measured.fields[self.measured.flow.output]
        return None if field.unknown else pixels(field.span(smaller_axis(field)).rf_px)

    @cached_property
    def unknown_operators(self) -> tuple[Unknown, ...]:
        """Every live operator whose effect is not known, in order of execution."""
        reasons = (self.measured.fields[node.name].unknown for node in self.measured.nodes)
        return tuple({reason.node.name: reason for reason in reasons if reason}.values())

    def behind(self, node: Node) -> frozenset[str]:
        """Return the live nodes whose values are computed from a node's, by any path."""
        if node.name not in self._behind:
            found = {node.name}
            for later in self.measured.flow.nodes:
                if not found.isdisjoint(later.refs):
                    found.add(later.name)
            self._behind[node.name] = frozenset(found - {node.name})
        return self._behind[node.name]

    def is_at_first_resolution(self, convolution: Convolution) -> bool:
        """Return whether a convolution reads a map whose jump nothing has raised yet."""
        (source, *_) = self.measured.sources(convolution.node)
        if source.layout is None or source.unknown:
            return not any(convolution.node.name in self.behind(c.node) for c in self.strided)
        return source.h.jump == source.w.jump == 1

    def is_after_last_strided(self, convolution: Convolution) -> bool:
        """Return whether a convolution reads what a strided one made, and none follows it, nor is it one."""
        name = convolution.node.name
        if convolution in self.strided:
            return False
        behind = self.behind(convolution.node)
        follows = any(name in self.behind(c.node) for c in self.strided)
        return follows and not any(c.node.name in behind for c in self.strided)

    def dilation_before(self, convolution: Convolution) -> int:
        """Return the largest dilation among the convolutions that one is computed from; 1 without any."""
        name = convolution.node.name
        return max((c.dilation for c in self.dilated if name in self.behind(c.node)), default=1)

    def depth(self, convolution: Convolution) -> int:
        """Count the convolutions larger than 1x1 on the longest path that ends in this one, itself too."""
        return self.depths[convolution.node.name]

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """The convolutions larger than 1x1 on the longest path to each value, the one that makes it too."""
        spatial = {c.node.name for c in self.convolutions if c.is_spatial}
        depths: dict[str, int] = {}
        for node in self.measured.nodes:
            before = max((depths.get(name, 0) for name in node.refs), default=0)
            depths[node.name] = before + (node.name in spatial)
        return depths

    # Private

    @cached_property
    def _readers(self) -> Mapping[str, Sequence[Node]]:
        """The live nodes that read each value, and that the image reaches."""
        readers: defaultdict[str, list[Node]] = defaultdict(list)
        for node in self.measured.nodes:
            for name in dict.fromkeys(node.refs):
                readers[name].append(node)
        return readers

    @cached_property
    def _tangled(self) -> frozenset[str]:
        return frozenset(node.name for node in self.measured.flow.tangled)

    @cached_property
    def _depthwise(self) -> frozenset[str]:
        return frozenset(c.node.name for c in self.convolutions if c.is_depthwise)

    def _next_layers(self, node: Node) -> set[str]:
        """Return the convolutions and linear layers that read a node's result before any other does."""
        reached, found = {node.name}, set[str]()
        for later in self.measured.nodes:
            if reached.isdisjoint(later.refs):
                continue
            if OPS.get(later.op) in ("conv", "conv_transpose", "linear"):
                found.add(later.name)
            else:
                reached.add(later.name)
        return found

    def _is_linear_on_map(self, node: Node) -> bool:
        if OPS.get(node.op) != "linear" or not self.measured.fields[node.name].is_map:
            return False
        (source, *_) = self.measured.sources(node)
        return source.is_map and not places(source.known_layout()[-1])

    def _changes_jump(self, node: Node) -> bool:
        after = self.measured.fields[node.name]
        if not after.is_map or after.unknown:
            return False
        before = [f for f in self.measured.sources(node) if f.is_map and not f.unknown]
        return any(f.span(axis).jump != after.span(axis).jump for f in before for axis in "hw")

    def _mixes_places(self, node: Node) -> bool:
        layout = self.measured.fields[node.name].layout or ()
        before = [d for field in self.measured.sources(node) for d in field.layout or ()]
        if not any(map(is_mixed, layout)) or any(map(is_mixed, before)):
            return False
        pure = [d for d in before if places(d) and not any(letter in "ck" for letter, _ in d)]
        return any(not any(places(kept) >= places(d) for kept in layout) for d in pure)

    def _is_only_written_to(self, node: Node) -> bool:
        """Return whether a view serves to change part of a tensor in place, and is read by nothing else."""
        tangled = self._tangled
        seen, pending = {node.name}, [node] if tangled else []
        while pending:
            here = pending.pop()
            for reader in self._readers.get(here.name, ()):
                is_target = reader.refs[0] == here.name
                if not is_target or (reader.name not in tangled and OPS.get(reader.op) not in _VIEWS):
                    return False
                if reader.name not in tangled and reader.name not in seen:
                    seen.add(reader.name)
                    pending.append(reader)
        return bool(tangled)

    def _depthwise_before(self, name: str) -> set[str] | None:
        """Return the depthwise convolutions whose result a map is; None where it is made of anything else."""
        found: set[str] = set()
        pending, seen = [name], set[str]()
        while pending:
            here = pending.pop()
            node = self.measured.by_name.get(here)
            if here in seen:
                continue
            seen.add(here)
            if here in self._depthwise:
                found.add(here)
            elif node is None or OPS.get(node.op) not in _BETWEEN or self._moves(node):
                return None
            else:
                pending.extend(self._maps_read(node))
        return found

    def _maps_read(self, node: Node) -> list[str]:
        """List the maps a node reads; what is seen as a whole is no map."""
        fields = self.measured.fields
        reads = [name for name in data_reads(node) if name in fields]
        return [name for name in reads if fields[name].layout is None or fields[name].is_map]

    def _moves(self, node: Node) -> bool:
        """Return whether a node changes which positions there are, padding with zeros apart."""
        if OPS.get(node.op) == "pad":
            return node.arg(2, "mode", "constant") not in ("constant", 0)
        after = self.measured.fields[node.name]
        before = [self.measured.fields[name] for name in self._maps_read(node)]
        # Of several, which are combined each at its own place, the result sees what any of them does.
        return len(before) == 1 and (before[0].h, before[0].w) != (after.h, after.w)


def views_of(architecture: Architecture) -> dict[Mode, View]:
    """Measure both graphs of an architecture: once for all that look at them."""
    return {
        "eval": View(architecture, architecture.eval),
        "train": View(architecture, architecture.train),
    }
