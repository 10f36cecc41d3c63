"""Receptive field, jump and start of every value of a graph, and the table of its layers.

Every operator of the allow-list has a handler here or is said to be unmeasurable. What is not known
stays unknown, with the operator and the reason: there is no guess.

Source: Araujo, Norris, Sim 2019, doi 10.23915/distill.00021.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from harness.graph.flow import Flow, data_reads, functional
from harness.graph.ir import Architecture, Graph, Node, Ref
from harness.graph.operators import OPS, Family
from harness.graph.receptive_field import mixing, products, shapes, sliding
from harness.graph.receptive_field.field import Call, Field, Unknown
from harness.graph.receptive_field.layout import IMAGE, MALFORMED, Shape, Unmeasurable, of_shape
from harness.graph.receptive_field.span import pixels
from harness.graph.receptive_field.window import Window, window_of
from harness.record.facts import ReceptiveFieldRow

Handler = Callable[[Call], Field]

_HANDLERS: Mapping[Family, Handler] = {
    "elementwise": mixing.combined,
    "maximum": mixing.combined,
    "glu": mixing.halved,
    "overwrite": mixing.combined,
    "weight_norm": mixing.combined,
    "random": mixing.combined,
    "identity": mixing.kept,
    "dropout": mixing.kept,
    "batch_norm": mixing.kept,
    "norm": mixing.normalised,
    "softmax": mixing.softmaxed,
    "reduce": mixing.reduced,
    "reduce_max": mixing.reduced,
    "order": mixing.ordered,
    "scan": mixing.ordered,
    "linear": products.linear,
    "matmul": products.multiplied,
    "einsum": products.einsummed,
    "attention": products.attended,
    "conv": sliding.convolved,
    "conv_transpose": sliding.convolved,
    "avg_pool": sliding.pooled,
    "max_pool": sliding.pooled,
    "adaptive_avg_pool": sliding.adaptively_pooled,
    "adaptive_max_pool": sliding.adaptively_pooled,
    "pad": sliding.padded,
    "resample": sliding.interpolated,
    "unfold": sliding.unfolded,
    "im2col": sliding.unfolded_to_columns,
    "pixel_shuffle": sliding.shuffled,
    "pixel_unshuffle": sliding.shuffled,
    "view": shapes.viewed,
    "permute": shapes.permuted,
    "slice": shapes.sliced,
    "split": mixing.kept,
    "number": shapes.item,
    "select": shapes.selected,
    "expand": shapes.expanded,
    "repeat": shapes.repeated,
    "flip": shapes.flipped,
    "roll": shapes.rolled,
    "cat": shapes.concatenated,
    "stack": shapes.stacked,
    "scatter": shapes.scattered,
    "gather": shapes.gathered,
    "channel_shuffle": mixing.kept,
}

MOST_DIMENSIONS = 64
"""Of a value, or factors of all its dimensions; torch has no more."""
_SLIDING = frozenset({"conv", "conv_transpose", "avg_pool", "max_pool"})


@dataclass(frozen=True)
class Measured:
    """A graph with the field of view of every live value that the image reaches."""

    architecture: Architecture
    flow: Flow
    fields: Mapping[str, Field]
    shapes: Mapping[str, Shape]
    seen_whole: tuple[str, ...]
    """Nodes that look at the whole image beside what their own position sees."""

    @property
    def graph(self) -> Graph:
        """The graph as it was exported."""
        return self.flow.graph

    @cached_property
    def global_layers(self) -> tuple[str, ...]:
        """Layers that look at the whole image beside what their own position sees."""
        return tuple(dict.fromkeys(self.flow.by_name[name].layer for name in self.seen_whole))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Live nodes that the image reaches, in order of execution."""
        return tuple(node for node in self.flow.nodes if node.name in self.fields)

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """Live nodes by name."""
        return self.flow.by_name

    def leading_to(self, *names: str) -> frozenset[str]:
        """Return the values that some are computed from, themselves and stored tensors among them."""
        found, pending = set(names), list(names)
        while pending:
            node = self.by_name.get(pending.pop())
            new = [ref for ref in (data_reads(node) if node else ()) if ref not in found]
            found.update(new)
            pending += new
        return frozenset(found)

    def sources(self, node: Node) -> tuple[Field, ...]:
        """Return the fields of what a node reads."""
        return tuple(self.fields[name] for name in data_reads(node) if name in self.fields)

    def weight_shape(self, node: Node) -> Shape:
        """Return the shape of a convolution's or linear layer's weight; empty when there is none."""
        weight = node.arg(1, "weight")
        return self.shapes.get(weight.ref, ()) if isinstance(weight, Ref) else ()

    def window(self, node: Node) -> Window:
        """Read the window of a convolution or pool.

        Raises:
            Unmeasurable: the kernel's size is not a number.
        """
        return window_of(node, self.weight_shape(node))


def measure(architecture: Architecture, graph: Graph, without: frozenset[str] = frozenset()) -> Measured:
    """Compute the field of view of every live value; what `without` names is taken for independent of it."""
    flow = functional(graph)
    sizes = _shapes(architecture, graph)
    fields = {graph.inputs[0]: Field(of_shape(graph.input_shape, IMAGE))}
    by_name, seen_whole = flow.by_name, []
    unreliable = dict.fromkeys((n.name for n in flow.unknown), "the operator is not known")
    tangled = "it changes a tensor in place that is read under another name"
    unreliable |= dict.fromkeys((n.name for n in flow.tangled), tangled)
    for node in flow.nodes:
        if node.name in without or not any(name in fields for name in data_reads(node)):
            continue
        call = Call(node, fields, sizes, by_name)
        fields[node.name] = _measured(call, unreliable.get(node.name))
        if call.sees_all:
            seen_whole.append(node.name)
    return Measured(architecture, flow, fields, sizes, tuple(seen_whole))


def table(measured: Measured) -> tuple[ReceptiveFieldRow, ...]:
    """List the executed convolutions and pools from map to map, in order of execution.

    A global pool is not among them, nor what follows it. Of a layer that is not square the side with the
    smaller field of view is shown.
    """
    rows = (_row(measured, node) for node in measured.nodes if OPS.get(node.op) in _SLIDING)
    return tuple(row for row in rows if row)


def smaller_axis(field: Field) -> str:
    """Return the axis, h or w, along which a value sees less; h when they are equal."""
    return "w" if field.w.rf_px < field.h.rf_px else "h"


# Private functions


def _shapes(architecture: Architecture, graph: Graph) -> dict[str, Shape]:
    sizes: dict[str, Shape] = dict.fromkeys(graph.inputs, graph.input_shape)
    tensors = architecture.by_name
    sizes.update((value, tensors[name].shape) for value, name in graph.bindings.items())
    return sizes | {node.name: node.shape for node in graph.nodes if node.shape is not None}


def _measured(call: Call, unreliable: str | None) -> Field:
    node = call.node
    inputs = [call.fields[name] for name in data_reads(node) if name in call.fields]
    known_unknown = next((field.unknown for field in inputs if field.unknown is not None), None)
    try:
        field = _handle(call, unreliable)
        _check_layout(field)
    except Unmeasurable as reason:
        return Field(None, unknown=known_unknown or Unknown(node, str(reason)))
    except MALFORMED:
        return Field(None, unknown=known_unknown or Unknown(node, "it is called in an unusual way"))
    if call.sees_all or field.unknown is not None:
        # What only adds the whole image may be unknown: the handler has kept what counts.
        return field
    return replace(field, unknown=known_unknown) if known_unknown else field


def _handle(call: Call, unreliable: str | None) -> Field:
    if unreliable:
        raise Unmeasurable(unreliable)
    handler = _HANDLERS.get(OPS[call.node.op])
    if handler is None:
        raise Unmeasurable("it has no fixed field of view")
    return handler(call)


def _check_layout(field: Field) -> None:
    layout = field.layout or ()
    if len(layout) > MOST_DIMENSIONS or sum(map(len, layout)) > MOST_DIMENSIONS:
        raise Unmeasurable("it has too many dimensions")


def _row(measured: Measured, node: Node) -> ReceptiveFieldRow | None:
    (before, *_), after = measured.sources(node), measured.fields[node.name]
    if before.unknown or after.unknown or not (before.is_map and after.is_map):
        return None
    axis = smaller_axis(after)
    window = measured.window(node)
    side = _side(before, axis, window.rank)
    source, result = before.span(axis), after.span(axis)
    return ReceptiveFieldRow(
        layer=node.layer,
        k=window.kernel[side],
        s=window.stride[side],
        d=window.dilation[side],
        rf_in=pixels(source.rf_px),
        jump_in=pixels(source.jump),
        rf_out=pixels(result.rf_px),
        jump_out=pixels(result.jump),
    )


def _side(field: Field, axis: str, rank: int) -> int:
    """Find which of the window's dimensions slides along an axis."""
    slid = field.known_layout()[-rank:]
    return next((i for i, dimension in enumerate(slid) if any(a == axis for a, _ in dimension)), 0)
