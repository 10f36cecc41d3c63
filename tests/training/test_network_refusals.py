"""What a graph or its weights cannot be is refused, and what a network cannot do is said."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rebuilt import CPU, SHAPE, FixedSize, Tied, ViewsRows, images, one_node, rebuilt
from torch import nn

from harness.base.errors import DataError, GraphError
from harness.graph import ir as plain
from harness.graph.ir import Architecture
from harness.loader.export import architecture_of
from harness.training.network import (
    Network,
    check_one_image,
    obstacle,
    one_line,
    read,
    running,
    usable_layout,
)
from harness.training.program import compiled


def test_tied_tensors_with_different_values_are_refused() -> None:
    architecture, tensors = architecture_of(Tied(), SHAPE)
    both = {"a.weight": tensors["a.weight"], "b.weight": tensors["a.weight"] + 1}
    with pytest.raises(GraphError, match=r"tied to \w\.weight, but their values differ"):
        Network(architecture, both, CPU)


@pytest.fixture
def tiny_parts(tiny: type[nn.Module]) -> tuple[Architecture, dict[str, torch.Tensor]]:
    return architecture_of(tiny(), SHAPE)


def test_a_missing_weight_is_named(tiny_parts: tuple[Architecture, dict[str, torch.Tensor]]) -> None:
    architecture, tensors = tiny_parts
    del tensors["fc.bias"]
    with pytest.raises(GraphError, match=r"weights: fc\.bias is missing"):
        Network(architecture, tensors, CPU)


def test_a_weight_of_another_shape_is_named(
    tiny_parts: tuple[Architecture, dict[str, torch.Tensor]],
) -> None:
    architecture, tensors = tiny_parts
    tensors["fc.bias"] = torch.zeros(9)
    with pytest.raises(
        GraphError, match=r"fc\.bias: wrong tensor; expected float32 \[10\], got float32 \[9\]"
    ):
        Network(architecture, tensors, CPU)


def test_an_unknown_weight_is_named(tiny_parts: tuple[Architecture, dict[str, torch.Tensor]]) -> None:
    architecture, tensors = tiny_parts
    with pytest.raises(GraphError, match="extra is not in the architecture's table"):
        Network(architecture, tensors | {"extra": torch.zeros(1)}, CPU)


@pytest.mark.parametrize(
    "op", ["aten.nothing.default", "aten.set_.source_Storage", "operator.attrgetter", "math.prod", "aten.ops"]
)
def test_an_op_outside_the_allow_list_is_refused_with_its_line(op: str) -> None:
    with pytest.raises(
        GraphError, match=rf"layer \(model\.py:3\): the operator {op} is not on the allow-list"
    ):
        Network(one_node(op), {}, CPU)


def test_an_argument_that_is_not_what_it_says_is_refused() -> None:
    wrong = plain.Special(special="dtype", value="load")
    with pytest.raises(GraphError, match=r"layer: 'load' is not a dtype; in aten\.to\.dtype"):
        Network(one_node("aten.to.dtype", wrong), {}, CPU)


def test_several_outputs_are_refused() -> None:
    good = one_node("aten.relu.default")
    graph = good.train.model_copy(update={"outputs": ("y", "y")})
    with pytest.raises(
        GraphError, match="expected one batch of images in and one tensor of logits out, got 1 in and 2"
    ):
        Network(good.model_copy(update={"train": graph}), {}, CPU)


@pytest.mark.parametrize("name", ["", "a..b", "a.training", "training.weight"])
def test_a_name_that_cannot_name_a_tensor_is_refused(name: str) -> None:
    spec = plain.Tensor(name=name, kind="buffer", shape=(1,), dtype="float32")
    with pytest.raises(GraphError, match="cannot name a tensor"):
        Network(one_node("aten.relu.default", tensors=(spec,)), {name: torch.zeros(1)}, CPU)


def test_integers_cannot_be_trained() -> None:
    spec = plain.Tensor(name="w", kind="parameter", shape=(1,), dtype="int64", trainable=True)
    with pytest.raises(GraphError, match="w: a int64 tensor cannot be trained"):
        Network(one_node("aten.relu.default", tensors=(spec,)), {"w": torch.zeros(1, dtype=torch.int64)}, CPU)


def test_a_graph_written_for_one_size_cannot_run_at_another(tiny: type[nn.Module]) -> None:
    assert obstacle(rebuilt(tiny()), (3, 16, 16), 10) is None
    assert obstacle(rebuilt(FixedSize()), (3, 32, 32), 10) is None
    assert "RuntimeError" in str(obstacle(rebuilt(FixedSize()), (3, 16, 16), 10))


def test_a_wrong_number_of_classes_is_an_obstacle(tiny: type[nn.Module]) -> None:
    assert (
        obstacle(rebuilt(tiny()), (3, 32, 32), 7)
        == "two images give logits of shape (2, 10); expected (2, 7)"
    )


def test_trying_a_size_changes_nothing(tiny: type[nn.Module]) -> None:
    network = rebuilt(tiny())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    obstacle(network, (3, 16, 16), 10)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_view_that_needs_nchw_chooses_nchw(tiny: type[nn.Module]) -> None:
    assert usable_layout(rebuilt(tiny()), (3, 32, 32), 10) == (torch.channels_last, None)
    layout, reason = usable_layout(rebuilt(ViewsRows()), (3, 32, 32), 10)
    assert layout is torch.contiguous_format
    assert reason is not None
    assert "view" in reason


def test_a_graph_that_runs_in_no_layout_is_refused(tiny: type[nn.Module]) -> None:
    with pytest.raises(GraphError, match="network: cannot run on 32x32 px images: two images give logits"):
        usable_layout(rebuilt(tiny()), (3, 32, 32), 7)


def test_a_failing_layer_is_named() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = FixedSize()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x)

    assert str(obstacle(rebuilt(Block()), (3, 16, 16), 10)).endswith("(in layer head.fc)")


def test_dividing_by_nothing_is_an_obstacle_like_any_other() -> None:
    network = one_node("operator.truediv")
    nodes = (plain.Node(name="y", op="operator.truediv", args=(1, 0)),)
    plan = network.model_copy(update={"train": network.train.with_nodes(nodes)})
    reason = obstacle(Network(plan, {}, CPU), (3, 32, 32), 10)
    assert reason == "ZeroDivisionError: division by zero (in layer y)"


def test_what_is_raised_while_a_graph_runs_is_its_own() -> None:
    with pytest.raises(GraphError, match=r"stopped while it ran: OverflowError: too large\."), running():
        raise OverflowError("too large")
    with (
        pytest.raises(
            GraphError, match=r"no gradient, so nothing in it can be trained\. Remove torch\.no_grad"
        ),
        running(),
    ):
        torch.zeros(1).sum().backward()
    with pytest.raises(torch.OutOfMemoryError), running():
        raise torch.OutOfMemoryError
    with pytest.raises(DataError, match="mine"), running():
        raise DataError("mine")


def test_an_exception_without_text_still_makes_a_line() -> None:
    assert one_line(RuntimeError()) == "RuntimeError: "


def test_a_lack_of_memory_names_the_limit() -> None:
    says = "it takes more memory than limits.training_memory_mib of the assignment allows"
    assert one_line(MemoryError()) == f"MemoryError: {says}"
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**60)
    assert one_line(found.value) == f"RuntimeError: {says}"


def test_unreadable_files_are_named(
    tmp_path: Path, exported: Callable[..., object], tiny: type[nn.Module]
) -> None:
    files = exported(tiny())
    with pytest.raises(GraphError, match=r"none\.json: cannot be read \(No such file"):
        Network(*read(tmp_path / "none.json", files.weights), CPU)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nonsense")
    with pytest.raises(GraphError, match=r"broken\.safetensors: not a readable safetensors file"):
        Network(*read(files.architecture, broken), CPU)
    with pytest.raises(GraphError, match="not a readable safetensors file"):
        Network(*read(files.architecture, tmp_path / "none.safetensors"), CPU)


@pytest.mark.parametrize(
    ("op", "numbers"),
    [
        ("operator.pow", (9, 9**9)),
        ("operator.mul", ([0], 10**9)),
        ("operator.mul", (2**62, 4)),
        ("operator.add", ("a", "b")),
    ],
)
def test_arithmetic_of_a_graph_cannot_run_away(op: str, numbers: tuple[object, object]) -> None:
    node = plain.Node(name="n", op=op, args=numbers)
    graph = plain.Graph(
        inputs=("x",), input_shape=("batch", *SHAPE), bindings={}, nodes=(node,), outputs=("n",)
    )
    with pytest.raises(ValueError, match=f"{op}: expected"):
        compiled(graph, CPU).run(images(), {})


class Squeezes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(nn.functional.adaptive_avg_pool2d(self.conv(x), 1).squeeze())  # type: ignore[no-any-return]


class SqueezesAndNeedsTwoAxes(Squeezes):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.log_softmax(super().forward(x), dim=1)


class SqueezesTheMapAlone(Squeezes):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(nn.functional.adaptive_avg_pool2d(self.conv(x), 1).squeeze(-1).squeeze(-1))  # type: ignore[no-any-return]


class SqueezesWhatHasNoBatch(Squeezes):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).mean((2, 3)) * self.conv.weight.mean((1, 2, 3), keepdim=True).squeeze())  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("student", "found"),
    [
        (Squeezes, r"gives logits of shape \(10,\) and not \(1, 10\)"),
        (SqueezesAndNeedsTwoAxes, "ends in IndexError: Dimension out of range"),
    ],
)
def test_a_batch_of_one_that_is_squeezed_away_is_said(student: type[nn.Module], found: str) -> None:
    architecture, tensors = architecture_of(student(), SHAPE)
    with pytest.raises(
        GraphError, match=f"one image alone {found}.*drops the batch too where it is 1. Write x.flatten"
    ):
        check_one_image(architecture, Network(architecture, tensors, CPU), images(1))


@pytest.mark.parametrize("student", [SqueezesTheMapAlone, SqueezesWhatHasNoBatch])
def test_a_squeeze_that_leaves_the_batch_alone_is_none_of_it(student: type[nn.Module]) -> None:
    architecture, tensors = architecture_of(student(), SHAPE)
    check_one_image(architecture, Network(architecture, tensors, CPU), images(1))
