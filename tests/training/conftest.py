"""Tiny models as files, and jobs that train them on the embedded images in a second or two."""

import json
import runpy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.assignment.spec import AssignmentSpec
from harness.datasets.cifar10 import CIFAR10
from harness.datasets.images import Data, Split
from harness.datasets.miniature import load_mini
from harness.datasets.spec import DataSpec
from harness.graph.ir import to_json
from harness.loader.export import architecture_of
from harness.settings.recipe import RecipeSpec
from harness.training.events import Event
from harness.training.jobs import Model, TrainJob


class Tiny(nn.Module):
    """Every kind of tensor and op that training has to keep exact, in 4 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.bn(self.conv(x)))
        return self.fc(self.drop(x.mean((2, 3))))


@pytest.fixture(scope="session")
def algorithms() -> Callable[[str], AbstractContextManager[None]]:
    """Run in one of torch's modes, "default" or "error": a training leaves the latter on, which is strict."""

    @contextmanager
    def mode(name: str) -> Iterator[None]:
        before = torch.get_deterministic_debug_mode()
        torch.set_deterministic_debug_mode(name)
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before)

    return mode


@pytest.fixture
def tiny() -> type[nn.Module]:
    return Tiny


@pytest.fixture
def reference_network(reference: Path) -> Callable[[str], nn.Module]:
    """Build a network of the reference submission."""

    def build(name: str) -> nn.Module:
        network: nn.Module = runpy.run_path(str(reference / "model.py"))[name]()
        return network

    return build


@pytest.fixture
def exported(tmp_path: Path) -> Callable[[nn.Module], Model]:
    """Write a model's graph and weights as the intake child does."""

    def export_model(model: nn.Module, name: str = "model") -> Model:
        architecture, tensors = architecture_of(model, (3, 32, 32))
        files = Model(architecture=tmp_path / f"{name}.json", weights=tmp_path / f"{name}.safetensors")
        files.architecture.write_text(to_json(architecture))
        save_file(tensors, files.weights)
        return files

    return export_model


@pytest.fixture
def recipe(assignment: AssignmentSpec) -> RecipeSpec:
    """Three epochs of four steps, with the assignment's augmentation and one small stage."""
    changes = {"epochs": 3, "batch_size": 16, "threads": 2, "stages": [{"epochs": 1, "size_px": 16}]}
    return RecipeSpec.model_validate(assignment.recipe.model_dump() | changes)


@pytest.fixture(scope="session")
def mini() -> Data:
    return load_mini(DataSpec(dataset="cifar10"))


@pytest.fixture
def few(mini: Data) -> Data:
    """64 training and 50 test images, of all classes."""
    return Data(
        name="mini",
        root="a slice",
        train=Split(mini.train.images[::78][:64], mini.train.labels[::78][:64]),
        test=Split(mini.test.images[::20], mini.test.labels[::20]),
        classes=CIFAR10.classes,
    )


@pytest.fixture
def job(tmp_path: Path, exported: Callable[[nn.Module], Model], recipe: RecipeSpec) -> TrainJob:
    torch.manual_seed(3)
    return TrainJob(
        model=exported(Tiny()),
        data=DataSpec(dataset="cifar10"),
        recipe=recipe,
        seed=1,
        device="cpu",
        folder="mini",
        stats_cache=tmp_path / "stats.json",
        checkpoints=tmp_path / "checkpoints",
    )


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def forged() -> Callable[..., Model]:
    """Write calls, ``(op, *args)`` each, in front of both graphs of a model; the first is called f0.

    `stated` are the shapes of those that make a tensor of float32, by name.
    """

    def forge(model: Model, *calls: tuple[object, ...], **stated: list[object]) -> Model:
        document = json.loads(model.architecture.read_text())
        for graph in (document["train"], document["eval"]):
            graph["nodes"] = [
                {"name": f"f{number}", "op": op, "args": args}
                | ({"shape": stated[f"f{number}"], "dtype": "float32"} if f"f{number}" in stated else {})
                for number, (op, *args) in enumerate(calls)
            ] + graph["nodes"]
        model.architecture.write_text(json.dumps(document))
        return model

    return forge
