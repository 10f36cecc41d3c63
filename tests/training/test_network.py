import copy
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rebuilt import CPU, SHAPE, Tied, images, one_node, rebuilt
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.base.errors import GraphError
from harness.graph import ir as plain
from harness.loader.export import architecture_of
from harness.settings.recipe import Precision, RecipeSpec
from harness.training.measure import arithmetic
from harness.training.network import (
    Network,
    read,
    usable_layout,
)
from harness.training.optimiser import optimised
from harness.training.program import compiled


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


def trained(model: nn.Module, recipe: RecipeSpec, x: torch.Tensor) -> list[torch.Tensor]:
    torch.manual_seed(5)
    parts = optimised(model.train(), recipe, 6)
    for _ in range(6):
        parts.optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), torch.arange(len(x)) % 10).backward()
        parts.optimizer.step()
        parts.schedule.step()
    return list(model.state_dict().values())


def test_a_rebuilt_network_trains_byte_for_byte_like_the_student_s_own(recipe: RecipeSpec) -> None:
    depthwise = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16, bias=False)
    student = nn.Sequential(
        nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), depthwise, nn.Conv2d(16, 24, 1),
        nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip
    network = rebuilt(student)
    student.to(memory_format=torch.channels_last)
    pairs = zip(trained(network, recipe, images(8)), trained(student, recipe, images(8)), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_the_rebuilt_reference_trains_like_the_student_s_own_but_for_folded_layers(
    reference: Path, recipe: RecipeSpec
) -> None:
    """Its dilated depthwise layer is folded, which adds up the same numbers in another order."""
    student = reference_class(reference, "Net")()
    network = rebuilt(student)
    student.to(memory_format=torch.channels_last)
    gentle = recipe.model_copy(update={"lr": 1e-3})
    pairs = zip(trained(network, gentle, images(8)), trained(student, gentle, images(8)), strict=True)
    assert all(torch.allclose(ours, theirs, atol=1e-4) for ours, theirs in pairs)


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


def test_tied_tensors_are_one_tensor() -> None:
    network = rebuilt(Tied())
    assert network.a.weight is network.b.weight
    assert len(list(network.parameters())) == 1
    assert set(network.state_dict()) == {"a.weight", "b.weight"}


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


def test_files_make_the_same_network(exported: Callable[..., object], tiny: type[nn.Module]) -> None:
    model = tiny()
    files = exported(model)
    assert torch.equal(
        Network(*read(files.architecture, files.weights), CPU).eval()(images()), model.eval()(images())
    )
    save_file({"w": torch.zeros(1)}, files.weights)
    with pytest.raises(GraphError, match="is missing"):
        Network(*read(files.architecture, files.weights), CPU)


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
