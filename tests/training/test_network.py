import copy
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.base.errors import DataError, GraphError
from harness.graph import ir as plain
from harness.graph.ir import Architecture
from harness.loader.export import architecture_of
from harness.settings.recipe import Precision, RecipeSpec
from harness.training.measure import arithmetic
from harness.training.network import (
    Network,
    check_one_image,
    obstacle,
    one_line,
    read,
    running,
    usable_layout,
)
from harness.training.optimiser import optimised
from harness.training.program import compiled

CPU = torch.device("cpu")
SHAPE = (3, 32, 32)


def rebuilt(model: nn.Module) -> Network:
    return Network(*architecture_of(model, SHAPE), CPU)


def images(n: int = 4) -> torch.Tensor:
    x = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(0))
    return x.contiguous(memory_format=torch.channels_last)


def reference_class(reference: Path, name: str) -> type[nn.Module]:
    found: type[nn.Module] = runpy.run_path(str(reference / "model.py"))[name]
    return found


@pytest.mark.parametrize("name", ["Net", "NetDilated"])
def test_a_state_dict_goes_back_and_forth_between_student_and_rebuilt(reference: Path, name: str) -> None:
    student = reference_class(reference, name)()
    network = rebuilt(student)
    assert list(network.state_dict()) == list(student.state_dict())
    reference_class(reference, name)().load_state_dict(network.state_dict(), strict=True)
    network.load_state_dict(student.state_dict(), strict=True)


def trained_bytes(model: nn.Module, recipe: RecipeSpec, x: torch.Tensor) -> list[bytes]:
    torch.manual_seed(5)
    trained = optimised(model.train(), recipe, 6)
    for _ in range(6):
        trained.optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), torch.arange(len(x)) % 10).backward()
        trained.optimizer.step()
        trained.schedule.step()
    return [t.contiguous().numpy().tobytes() for t in model.state_dict().values()]


def test_the_rebuilt_reference_trains_byte_for_byte_like_the_student_s_own(
    reference: Path, recipe: RecipeSpec
) -> None:
    student = reference_class(reference, "Net")()
    network = rebuilt(student)
    student.to(memory_format=torch.channels_last)
    assert trained_bytes(network, recipe, images(8)) == trained_bytes(student, recipe, images(8))


def test_bfloat16_changes_no_gradient_by_more_than_its_rounding() -> None:
    """The shapes at which oneDNN's own bfloat16 gradient of a dilated depthwise weight is wrong."""
    torch.manual_seed(0)
    dilated = nn.Conv2d(32, 32, 3, padding=2, dilation=2, groups=32, bias=False)
    student = nn.Sequential(
        nn.Conv2d(3, 32, 1), dilated, nn.Conv2d(32, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    network, x = rebuilt(student), images(128)
    gradients: dict[Precision, torch.Tensor] = {}
    for precision in ("float32", "bfloat16"):
        network.zero_grad()
        with arithmetic(precision, torch.device("cpu")):
            logits = network(x).float()
        nn.functional.cross_entropy(logits, torch.arange(len(x)) % 10).backward()
        gradients[precision] = dict(network.named_parameters())["1.weight"].grad.clone()
    error = (gradients["bfloat16"] - gradients["float32"]).norm() / gradients["float32"].norm()
    assert 0 < error < 0.05


class DropsTwice(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        once = F.dropout(torch.ones_like(x), 0.5, self.training)
        return torch.cat([once.flatten(1), F.dropout(torch.ones_like(x), 0.5, self.training).flatten(1)], 1)


def test_a_mask_is_that_of_its_step_and_its_place_in_the_graph() -> None:
    network = rebuilt(DropsTwice())

    def masks(*moment: int, n: int = 4) -> torch.Tensor:
        network.draw(*moment)
        return network(images(n))

    first = masks(1, 1, 1)
    torch.manual_seed(5)
    assert torch.equal(first, masks(1, 1, 1))
    assert torch.equal(first[:3], masks(1, 1, 1, n=3))
    assert torch.equal(first, copy.deepcopy(network)(images()))
    one, other = first.chunk(2, 1)
    assert not torch.equal(one, other)
    assert not any(torch.equal(first, masks(*moment)) for moment in ((2, 1, 1), (1, 2, 1), (1, 1, 2)))


def test_train_and_eval_run_their_own_graph(tiny: type[nn.Module]) -> None:
    network = rebuilt(tiny())
    before = network.bn.num_batches_tracked.item()
    assert torch.equal(network.eval()(images()), network(images()))
    network.train()(images())
    assert network.bn.num_batches_tracked.item() == before + 1
    assert not torch.equal(network.bn.running_mean, torch.zeros(4))


def test_four_dimensional_weights_are_channels_last_from_the_start() -> None:
    network = rebuilt(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    weight = network.state_dict()["0.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last)


class WritesToItsInput(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul_(2).mean((2, 3))


def test_an_in_place_op_leaves_the_caller_s_images_alone() -> None:
    x = images()
    before = x.clone()
    rebuilt(WritesToItsInput())(x)
    assert torch.equal(x, before)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 3, 1, bias=False)
        self.b = nn.Conv2d(3, 3, 1, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x)).mean((2, 3))


def test_tied_tensors_are_one_tensor() -> None:
    network = rebuilt(Tied())
    assert network.a.weight is network.b.weight
    assert len(list(network.parameters())) == 1
    assert set(network.state_dict()) == {"a.weight", "b.weight"}


def test_tied_tensors_with_different_values_are_refused() -> None:
    architecture, tensors = architecture_of(Tied(), SHAPE)
    both = {"a.weight": tensors["a.weight"], "b.weight": tensors["a.weight"] + 1}
    with pytest.raises(GraphError, match=r"tied to \w\.weight, but their values differ"):
        Network(architecture, both, CPU)


class WithConstant(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)).amax((2, 3))


def test_a_constant_is_used_but_has_no_place_in_the_state_dict() -> None:
    network = rebuilt(WithConstant())
    assert torch.equal(network.eval()(images()), WithConstant()(images()))
    assert not network.state_dict()


class MakesTensors(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        noise = torch.full((x.shape[0], 3), float("-inf"), dtype=torch.float32, device=x.device)
        return torch.maximum(x.to(torch.float64).float().mean((2, 3)), noise)


def test_dtypes_devices_and_infinities_are_understood() -> None:
    assert torch.equal(rebuilt(MakesTensors())(images()), MakesTensors()(images()))


def test_every_value_but_the_output_is_dropped_once(tiny: type[nn.Module]) -> None:
    architecture, _ = architecture_of(tiny(), SHAPE)
    program = compiled(architecture.train, CPU)
    spent = [name for step in program.steps for name in step.spent]
    assert len(spent) == len(set(spent))
    assert {"x", *(step.name for step in program.steps)} - set(spent) == {program.output}


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


def one_node(op: str, *args: plain.Arg, tensors: tuple[plain.Tensor, ...] = ()) -> Architecture:
    node = plain.Node(name="y", op=op, args=(plain.Ref(ref="x"), *args), module="layer", source="model.py:3")
    graph = plain.Graph(
        inputs=("x",), input_shape=("n", 3, 32, 32), bindings={}, nodes=(node,), outputs=("y",)
    )
    return Architecture(schema=plain.SCHEMA, tensors=tensors, train=graph, eval=graph)


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


@pytest.mark.parametrize("name", ["run", "train_", "nodes", "_programs"])
def test_a_layer_may_have_any_name(name: str) -> None:
    class Student(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = nn.Module()
            for owner in (self, self.branch):
                setattr(owner, name, nn.Conv2d(3, 3, 1))
            self.fc = nn.Linear(3, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = getattr(self.branch, name)(getattr(self, name)(x))
            return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]

    student = Student()
    network = rebuilt(student)
    assert list(network.state_dict()) == list(student.state_dict())
    network.load_state_dict(student.state_dict(), strict=True)
    for mode in (True, False):
        assert torch.equal(network.train(mode)(images()), student(images()))


@pytest.mark.parametrize("name", ["run", "forward", "eval", "_programs", "_modules", "parameters", "to"])
def test_a_tensor_may_have_any_name(name: str) -> None:
    spec = plain.Tensor(name=name, kind="buffer", shape=(1,), dtype="float32")
    network = Network(one_node("aten.relu.default", tensors=(spec,)), {name: torch.ones(1)}, CPU)
    assert network.eval().state_dict() == {name: torch.ones(1)}
    assert torch.equal(network(torch.ones(2, 3, 4, 4) * -1), torch.zeros(2, 3, 4, 4))


def test_integers_cannot_be_trained() -> None:
    spec = plain.Tensor(name="w", kind="parameter", shape=(1,), dtype="int64", trainable=True)
    with pytest.raises(GraphError, match="w: a int64 tensor cannot be trained"):
        Network(one_node("aten.relu.default", tensors=(spec,)), {"w": torch.zeros(1, dtype=torch.int64)}, CPU)


class FixedSize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 32 * 32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1))


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


class ViewsRows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 10, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).view(x.shape[0], 10, -1).view(-1, 2, 5 * 1024).view(-1, 10, 1024).mean(2)


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


def test_files_make_the_same_network(exported: Callable[..., object], tiny: type[nn.Module]) -> None:
    model = tiny()
    files = exported(model)
    assert torch.equal(
        Network(*read(files.architecture, files.weights), CPU).eval()(images()), model.eval()(images())
    )
    save_file({"w": torch.zeros(1)}, files.weights)
    with pytest.raises(GraphError, match="is missing"):
        Network(*read(files.architecture, files.weights), CPU)


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


class FiveDimensions(nn.Module):
    """A bank of kernels, which has no channels-last layout."""

    def __init__(self) -> None:
        super().__init__()
        self.bank, self.fc = nn.Parameter(torch.randn(2, 6, 3, 1, 1)), nn.Linear(6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc((F.conv2d(x, self.bank[0]) + F.conv2d(x, self.bank[1])).mean((2, 3)))


def test_a_parameter_of_five_dimensions_has_one_layout() -> None:
    network = rebuilt(FiveDimensions())
    assert usable_layout(network, (3, 32, 32), 10) == (torch.channels_last, None)
