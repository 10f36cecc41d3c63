"""A child may state any shape of any value: what it states is only compared with what is computed."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.base.errors import GraphError
from harness.graph.ir import Architecture, Graph, Node, Ref
from harness.loader.export import architecture_of
from harness.training.probe.stated_shapes import BATCHES, check_stated

SHAPE = (3, 32, 32)


class Several(nn.Module):
    """Has a value of several results, a size computed from the batch, one that is not, and other dtypes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.conv(x))
        first, second = x.split([3, 5], 1)
        x = torch.cat([second, first], 1).flatten(0, 1).unflatten(0, (-1, 8))
        x = x * (x > 0)
        return self.fc(x.mean((2, 3)))


EXPORTED = architecture_of(Several(), SHAPE)


def changed(mode: str, name: str, **changes: object) -> Architecture:
    """The exported graph with another thing stated of one value, in one of the two graphs."""
    plan = EXPORTED[0]
    graph: Graph = getattr(plan, mode)
    nodes = tuple(
        Node.model_construct(**{**dict(node), **(changes if node.name == name else {})})
        for node in graph.nodes
    )
    return plan.model_copy(update={mode: graph.with_nodes(nodes)})


def refusal(plan: Architecture) -> str:
    with pytest.raises(GraphError) as refused:
        check_stated(plan, EXPORTED[1], SHAPE)
    return str(refused.value)


def test_what_an_export_states_is_so() -> None:
    check_stated(*EXPORTED, SHAPE)
    assert any("computed" in (node.shape or ()) for node in EXPORTED[0].eval.nodes)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_first_false_value_is_named_with_what_it_is(mode: str) -> None:
    assert refusal(changed(mode, "conv2d", shape=("batch", 8, 8, 8))) == (
        "graph: conv: wrong value; expected float32 (batch, 8, 8, 8), as the exported graph says, "
        f"got float32 ({BATCHES[0]}, 8, 16, 16) when it runs on {BATCHES[0]} images."
    )


@pytest.mark.parametrize(
    "shape",
    [
        ("batch", 8, 16, 15),
        ("batch", 8, 16),
        ("batch", 8, 16, 16, 1),
        ("batch", 8, "batch", 16),
        ("computed", "computed", 16, 16),
        ("batch", 8, "computed", 16),
        (BATCHES[0], 8, 16, 16),
        (BATCHES[1], 8, 16, 16),
        (2, 8, 16, 16),
        (),
        None,
    ],
)
def test_no_other_shape_of_a_map_is_believed(shape: tuple[int | str, ...] | None) -> None:
    assert "graph: conv: wrong" in refusal(changed("eval", "conv2d", shape=shape))


def test_another_word_for_the_batch_is_believed_where_the_size_follows_it() -> None:
    check_stated(changed("eval", "conv2d", shape=("computed", 8, 16, 16)), EXPORTED[1], SHAPE)


def test_a_word_that_stands_for_a_constant_is_refused() -> None:
    assert refusal(changed("eval", "conv2d", shape=("batch", 8, "anything", 16))) == (
        "graph: conv: wrong shape; expected a size that follows the batch, as the exported graph says with "
        f"'anything', got 16 for {BATCHES[0]} and for {BATCHES[1]} images."
    )


@pytest.mark.parametrize("dtype", ["float64", "int64", "bool", "complex64", None])
def test_no_other_dtype_is_believed(dtype: str | None) -> None:
    assert "graph: conv: wrong value" in refusal(changed("train", "conv2d", dtype=dtype))


def test_a_value_of_several_results_has_no_shape_and_each_of_its_items_has_its_own() -> None:
    split = next(node for node in EXPORTED[0].eval.nodes if "split" in node.op)
    items = [node for node in EXPORTED[0].eval.nodes if split.name in node.refs]
    assert (split.shape, items[0].shape) == (None, ("batch", 3, 16, 16))
    assert "wrong value; expected float32 (batch, 8, 16, 16), as the exported graph says, got no single" in (
        refusal(changed("eval", split.name, shape=("batch", 8, 16, 16), dtype="float32"))
    )
    assert "(batch, 5, 16, 16)" in refusal(changed("eval", items[0].name, shape=("batch", 5, 16, 16)))


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("shape", [("batch", 3, 64, 64), ("batch", 1, 32, 32), (2, 3, 32, 32), ("batch",)])
def test_the_images_are_those_of_the_assignment(mode: str, shape: tuple[int | str, ...]) -> None:
    graph = getattr(EXPORTED[0], mode).model_copy(update={"input_shape": shape})
    said = refusal(EXPORTED[0].model_copy(update={mode: graph}))
    assert said.startswith("graph: wrong input; expected one batch of images (batch, 3, 32, 32), got 1 of (")


def test_weights_that_are_not_those_of_the_table_are_refused() -> None:
    plan, tensors = EXPORTED
    with pytest.raises(GraphError, match=r"weights: fc\.bias: wrong tensor"):
        check_stated(plan, {**tensors, "fc.bias": torch.zeros(11)}, SHAPE)


def test_a_graph_that_contradicts_itself_is_refused() -> None:
    nodes = EXPORTED[0].eval.nodes
    wrong = nodes[-1].with_arguments((nodes[-1].args[0], Ref(ref="p_conv_weight")), {})
    forged = EXPORTED[0].model_copy(update={"eval": EXPORTED[0].eval.with_nodes((*nodes[:-1], wrong))})
    assert refusal(forged).startswith("graph: its shapes cannot be computed: RuntimeError: ")


class Chooses(nn.Module):
    """Has a value as long as there are bright pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)).repeat(1, 4)[:, :10] + x[x > 0.5].sum()


def test_a_size_that_only_an_image_decides_is_said() -> None:
    with pytest.raises(GraphError) as refused:
        check_stated(*architecture_of(Chooses(), SHAPE), SHAPE)
    assert str(refused.value) == (
        "graph: a size in it depends on what an image shows (in layer index). Choose with torch.where or a "
        "product, in place of an index of booleans."
    )


def unknown(graph: Graph) -> Graph:
    """Put an operator that nobody knows in front of the last value."""
    *before, last = graph.nodes
    strange = Node(name="strange", op="aten.strange.default", args=last.args, shape=(1, 2, 3), dtype="bool")
    rest = (Ref(ref="strange"), *last.args[1:])
    return graph.with_nodes((*before, strange, last.with_arguments(rest, {})))


def test_what_an_unknown_operator_makes_is_not_computed_and_all_else_is() -> None:
    plan = EXPORTED[0].model_copy(update={"eval": unknown(EXPORTED[0].eval)})
    check_stated(plan, EXPORTED[1], SHAPE)
    forged = changed("eval", "conv2d", shape=("batch", 8, 8, 8))
    forged = forged.model_copy(update={"eval": unknown(forged.eval)})
    assert "graph: conv: wrong value" in refusal(forged)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), mode=st.sampled_from(["train", "eval"]))
def test_no_size_of_any_value_can_be_stated_otherwise(data: st.DataObject, mode: str) -> None:
    graph: Graph = getattr(EXPORTED[0], mode)
    node = data.draw(st.sampled_from([node for node in graph.nodes if node.shape]))
    assert node.shape is not None
    place = data.draw(st.integers(0, len(node.shape) - 1))
    other = data.draw(st.one_of(st.integers(0, 2**31 - 1), st.just("batch"), st.text("abc", min_size=1)))
    false = (*node.shape[:place], other, *node.shape[place + 1 :])
    if false == node.shape or (isinstance(other, str) and isinstance(node.shape[place], str)):
        return
    assert "wrong" in refusal(changed(mode, node.name, shape=false))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_forged_arguments_break_the_check(seed: int) -> None:
    chance = random.Random(seed)
    odd = [None, -1, 2**40, [], [0, 0], "x", 0.5, Ref(ref="x"), Ref(ref="p_conv_weight")]
    nodes = [
        node.with_arguments(tuple(chance.choice(odd) for _ in node.args), {})
        if chance.random() < 0.2
        else node
        for node in EXPORTED[0].eval.nodes
    ]
    forged = EXPORTED[0].model_copy(update={"eval": EXPORTED[0].eval.with_nodes(tuple(nodes))})
    try:
        check_stated(forged, EXPORTED[1], SHAPE)
    except GraphError as error:
        assert str(error).startswith("graph: ")
