"""Fingerprints ignore what they say they ignore, see everything else, and depend on nothing by chance."""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.graph.ir import SCHEMA, Architecture, Graph, Node, Ref, Tensor
from harness.similarity.graphs import LEVELS, equal_at, features, fingerprint, fingerprints, similarity

BLOCKS = ("plain", "strided", "dilated", "depthwise", "residual", "sum", "cat")


@dataclass
class Drawing:
    """A network drawn block by block; what may differ between two copies of it is set at the start."""

    prefix: str = "block"
    widths: tuple[int, ...] = (8,)
    swapped: bool = False
    late: bool = False
    """Compute the second branch of a sum before the first."""
    in_place: bool = False
    nodes: list[Node] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    bindings: dict[str, str] = field(default_factory=dict)
    channels: int = 3
    pixels: int = 32

    def call(self, op, *args, channels=None, pixels=None):
        name = f"{self.prefix}_{len(self.nodes)}"
        shape = ("batch", channels or self.channels, pixels or self.pixels, pixels or self.pixels)
        node = Node(
            name=name, op=op, args=args, shape=shape, dtype="float32",
            module=f"{self.prefix}.{len(self.nodes)}", source=f"{self.prefix}.py:{len(self.nodes)}",
        )  # fmt: skip
        self.nodes.append(node)
        return Ref(ref=name)

    def weight(self, *shape):
        name = f"{self.prefix}.{len(self.tensors)}.weight"
        value = f"p_{self.prefix}_{len(self.tensors)}"
        self.tensors.append(Tensor(name=name, kind="parameter", shape=shape, dtype="float32", trainable=True))
        self.bindings[value] = name
        return Ref(ref=value)

    def conv(self, x, out, kernel=3, stride=1, dilation=1, groups=1):
        weight = self.weight(out, self.channels // groups, kernel, kernel)
        padding = dilation * (kernel // 2)
        return self.call(
            "aten.conv2d.default", x, weight, None, [stride] * 2, [padding] * 2, [dilation] * 2, groups,
            channels=out, pixels=max(1, self.pixels // stride),
        )  # fmt: skip

    def relu(self, x):
        return self.call("aten.relu_.default" if self.in_place else "aten.relu.default", x)

    def block(self, kind, x, width):
        if kind in ("plain", "strided", "dilated"):
            stride, dilation = (2 if kind == "strided" else 1), (2 if kind == "dilated" else 1)
            x = self.conv(x, width, stride=stride, dilation=dilation)
            self.channels, self.pixels = width, max(1, self.pixels // stride)
            return self.relu(x)
        if kind == "depthwise":
            x = self.conv(x, self.channels, groups=self.channels)
            x = self.conv(x, width, kernel=1)
            self.channels = width
            return self.relu(x)
        other = None
        if self.late and kind != "residual":
            other = self.conv(x, width, kernel=1)
        first = x if kind == "residual" else self.conv(x, width, kernel=3)
        if other is None:
            other = self.conv(x, self.channels if kind == "residual" else width, kernel=1)
        pair = [other, first] if self.swapped else [first, other]
        if kind == "cat":
            self.channels = 2 * width
            return self.call("aten.cat.default", pair, 1)
        self.channels = self.channels if kind == "residual" else width
        return self.call("aten.add.Tensor", *pair)

    def network(self, kinds) -> Architecture:
        x = Ref(ref="image")
        for place, kind in enumerate(kinds):
            x = self.block(kind, x, self.widths[place % len(self.widths)])
        x = self.call("aten.adaptive_avg_pool2d.default", x, [1, 1], pixels=1)
        graph = Graph(
            inputs=("image",), input_shape=("batch", 3, 32, 32), bindings=self.bindings,
            nodes=tuple(self.nodes), outputs=(x.ref,),
        )  # fmt: skip
        return Architecture(schema=SCHEMA, tensors=tuple(self.tensors), train=graph, eval=graph)


def drawn(kinds, **settings) -> Architecture:
    return Drawing(**settings).network(kinds)


kinds = st.lists(st.sampled_from(BLOCKS), min_size=2, max_size=12)
widths = st.lists(st.integers(4, 64), min_size=1, max_size=12).map(tuple)


@settings(max_examples=25, deadline=None)
@given(kinds)
def test_equal_networks_are_equal_at_every_level(kinds):
    assert fingerprints(drawn(kinds)) == fingerprints(drawn(kinds))
    assert equal_at(fingerprints(drawn(kinds)), fingerprints(drawn(kinds))) == "exact"


@settings(max_examples=25, deadline=None)
@given(
    kinds, st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda name: name not in ("block", "image"))
)
def test_other_names_change_the_exact_fingerprint_alone(kinds, prefix):
    one, other = fingerprints(drawn(kinds)), fingerprints(drawn(kinds, prefix=prefix))
    assert one["exact"] != other["exact"]
    assert equal_at(one, other) == "renamed"


@settings(max_examples=25, deadline=None)
@given(kinds.filter(lambda kinds: {"residual", "sum", "cat"} & set(kinds)), st.booleans())
def test_the_order_of_the_parts_of_a_sum_or_a_concatenation_is_ignored_from_reordered_on(kinds, late):
    one = fingerprints(drawn(kinds))
    other = fingerprints(drawn(kinds, prefix="other", swapped=True, late=late))
    assert one["renamed"] != other["renamed"]
    assert equal_at(one, other) == "reordered"


@settings(max_examples=25, deadline=None)
@given(kinds)
def test_the_order_of_execution_of_branches_is_never_looked_at(kinds):
    one, other = fingerprints(drawn(kinds)), fingerprints(drawn(kinds, late=True))
    assert one["renamed"] == other["renamed"]


@settings(max_examples=25, deadline=None)
@given(kinds)
def test_an_operator_in_place_is_the_same_operator(kinds):
    assert fingerprints(drawn(kinds)) == fingerprints(drawn(kinds, in_place=True))


@settings(max_examples=25, deadline=None)
@given(kinds, widths, widths)
def test_channel_counts_are_ignored_when_widened_and_at_no_other_level(kinds, one, other):
    first, second = drawn(kinds, widths=one), drawn(kinds, widths=other)
    assert fingerprint(first, LEVELS["widened"]) == fingerprint(second, LEVELS["widened"])
    same_sizes = [t.shape for t in first.tensors] == [t.shape for t in second.tensors]
    assert (fingerprint(first, LEVELS["reordered"]) == fingerprint(second, LEVELS["reordered"])) == same_sizes


@settings(max_examples=25, deadline=None)
@given(kinds, kinds)
@example(["plain", *["strided"] * 6], ["strided"] * 6)
def test_networks_of_other_blocks_differ_at_every_level(one, other):
    if one != other:
        assert equal_at(fingerprints(drawn(one)), fingerprints(drawn(other))) is None


@settings(max_examples=25, deadline=None)
@given(kinds, kinds)
def test_similarity_is_a_symmetric_share_and_one_of_itself(one, other):
    first, second = features(drawn(one)), features(drawn(other))
    assert 0 <= similarity(first, second) == similarity(second, first) <= 1
    assert similarity(first, features(drawn(one, prefix="x", widths=(5, 7), swapped=True))) == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(("plain", "depthwise", "residual")), min_size=10, max_size=14))
def test_one_block_more_leaves_most_of_a_network_alike(kinds):
    longer = [*kinds, "dilated"]
    assert similarity(features(drawn(kinds)), features(drawn(longer))) > 0.5


def test_graphs_without_operators_share_nothing():
    assert similarity(frozenset(), frozenset()) == 0


def test_what_the_output_does_not_depend_on_is_not_looked_at():
    kinds = ["plain", "strided"]
    dead = Drawing()
    dead.conv(Ref(ref="image"), 99)
    assert fingerprint(drawn(kinds), LEVELS["renamed"]) == fingerprint(dead.network(kinds), LEVELS["renamed"])


def test_a_shared_weight_is_not_two_weights_of_one_size():
    def network(*, shared):
        drawing = Drawing()
        drawing.channels = 3
        first = drawing.conv(Ref(ref="image"), 3)
        weight = drawing.nodes[-1].args[1] if shared else drawing.weight(3, 3, 3, 3)
        drawing.call("aten.conv2d.default", first, weight, None, [1, 1], [1, 1], [1, 1], 1)
        graph = Graph(
            inputs=("image",), input_shape=("batch", 3, 32, 32), bindings=drawing.bindings,
            nodes=tuple(drawing.nodes), outputs=(drawing.nodes[-1].name,),
        )  # fmt: skip
        return Architecture(schema=SCHEMA, tensors=tuple(drawing.tensors), train=graph, eval=graph)

    assert fingerprint(network(shared=True), LEVELS["widened"]) != fingerprint(
        network(shared=False), LEVELS["widened"]
    )


def test_a_sum_that_scales_one_part_is_not_commutative():
    def network(*order):
        drawing = Drawing()
        parts = [drawing.conv(Ref(ref="image"), 4, kernel=kernel) for kernel in (1, 3)]
        drawing.channels = 4
        drawing.call("aten.add.Tensor", *(parts[i] for i in order))
        node = drawing.nodes[-1]
        drawing.nodes[-1] = node.with_arguments(node.args, {"alpha": 2})
        graph = Graph(
            inputs=("image",), input_shape=("batch", 3, 32, 32), bindings=drawing.bindings,
            nodes=tuple(drawing.nodes), outputs=(node.name,),
        )  # fmt: skip
        return Architecture(schema=SCHEMA, tensors=tuple(drawing.tensors), train=graph, eval=graph)

    assert fingerprint(network(0, 1), LEVELS["reordered"]) != fingerprint(network(1, 0), LEVELS["reordered"])


@pytest.mark.parametrize("level", LEVELS)
def test_the_reference_networks_differ(level, reference_graphs):
    basic, dilated = reference_graphs
    assert fingerprint(basic, LEVELS[level]) != fingerprint(dilated, LEVELS[level])
    assert similarity(features(basic), features(dilated)) < 0.1
