"""The effective receptive field; extents: tests/graph/receptive_field/test_agreement.py."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.base.errors import GraphError
from harness.graph.receptive_field.agreement import Extent
from harness.record.trainings import EpochLog
from harness.training.checkpoint import Identity, Progress, Trained, save
from harness.training.jobs import FieldJob, Model
from harness.training.network import read
from harness.training.probe.gradients import LARGEST_PX, measure_field, positive

Export = Callable[..., Model]


class Two(nn.Module):
    """3x3, then 3x3 with stride 2: RF 5, jump 2, position p sees 2p - 2 to 2p + 2."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.fc = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.b(self.a(x)).mean((2, 3)))


def job(model: Model, images: int = 2, seed: int = 0) -> FieldJob:
    return FieldJob(model=model, threads=1, images=images, seed=seed)


def saved(folder: Path, network: nn.Module) -> Path:
    """Save a checkpoint as training does after its last epoch."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=2)
    log = EpochLog(epoch=1, train_loss=1.5, train_acc=0.5, test_loss=1.25, test_acc=0.5, lr=0.1)
    identity = Identity(graph="g", weights="w", data="d", mean_and_std="s", recipe="r", seed=1, device="cpu")
    save(folder, Trained(network, optimizer, schedule), Progress((log,), ((1,),)), identity, save_every=0)
    return folder / "last.pth"


def test_the_extent_of_a_network_worked_out_by_hand(exported: Export) -> None:
    (extent,) = measure_field(job(exported(Two()), images=0)).extents.measured
    assert extent.input_px == (32, 32)
    p = extent.position[0]
    assert extent == Extent(
        value=extent.value,
        input_px=(32, 32),
        position=(p, p),
        rows=(2 * p - 2, 2 * p + 2),
        columns=(2 * p - 2, 2 * p + 2),
    )


def test_the_effective_field_lies_inside_the_extent(exported: Export) -> None:
    event = measure_field(job(exported(Two())))
    assert event.heat is not None
    heat = torch.tensor(event.heat)
    (extent,) = event.extents.measured
    assert event.position == extent.position
    inside = heat[extent.rows[0] : extent.rows[1] + 1, extent.columns[0] : extent.columns[1] + 1]
    assert heat.max() == 1
    assert inside.gt(0).all()
    assert heat.gt(0).sum() == inside.numel()


def test_the_effective_field_is_that_of_its_seed(exported: Export) -> None:
    class Bends(Two):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.b(self.a(x).relu()).mean((2, 3)))

    model = exported(Bends())
    first, again, other = (measure_field(job(model, seed=seed)).heat for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_without_images_there_is_no_effective_field(exported: Export) -> None:
    event = measure_field(job(exported(Two()), images=0))
    assert event.heat is None
    assert event.position is None


def test_a_network_without_a_known_head_has_no_effective_field(exported: Export) -> None:
    class Flips(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft2(x).real.mean((2, 3)).repeat(1, 4)[:, :10]

    with pytest.raises(GraphError, match="where the head begins, or what it sees, is not known"):
        measure_field(job(exported(Flips())))


def test_a_network_that_cannot_be_run_says_why(exported: Export) -> None:
    model = exported(Two())
    broken = model.architecture.read_text().replace('"aten.conv2d.default"', '"aten.relu.default"')
    model.architecture.write_text(broken)
    with pytest.raises(GraphError, match="the network cannot be differentiated"):
        measure_field(job(model))


def test_a_division_by_nothing_ends_in_words(exported: Export, forged: Export) -> None:
    one = (("aten.sym_size.int", {"ref": "x"}, 0), ("operator.sub", {"ref": "f0"}, 1))
    model = forged(exported(Two()), *one, ("operator.truediv", 1, {"ref": "f1"}))
    with pytest.raises(GraphError, match=r"cannot be differentiated \(ZeroDivisionError: division by zero"):
        measure_field(job(model))


def test_weights_of_another_network_are_refused(exported: Export, tiny: type[nn.Module]) -> None:
    mixed = Model(architecture=exported(Two(), "two").architecture, weights=exported(tiny(), "tiny").weights)
    with pytest.raises(GraphError, match=r"weights: a\.weight is missing"):
        measure_field(job(mixed))


def test_trainable_weights_become_positive_and_others_keep_their_zeros(exported: Export) -> None:
    network = Two()
    nn.init.zeros_(network.a.weight)
    network.b.weight.requires_grad_(False)
    with torch.no_grad():
        network.b.weight.copy_(torch.tensor([-1.0, 0.0, 2.0]).expand_as(network.b.weight))
    files = exported(network)
    weights = positive(*read(files.architecture, files.weights))
    assert weights["a.weight"].gt(0).all()
    assert weights["b.weight"].unique().tolist() == [0.0, 1.0, 2.0]
    assert weights["a.weight"].dtype == torch.float64


def test_a_field_too_large_to_measure_on_is_compared_at_the_graphs_own_size(exported: Export) -> None:
    class Wide(Two):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 4, 3, padding=LARGEST_PX, dilation=LARGEST_PX)

    measured = measure_field(job(exported(Wide()), images=0)).extents.measured
    assert {extent.input_px for extent in measured} == {(32, 32)}
    assert len(measured) == 3


def test_the_effective_field_of_a_checkpoint_is_that_of_its_weights(exported: Export, tmp_path: Path) -> None:
    files, network = exported(Two()), Two()
    last = saved(tmp_path, network)
    asked = job(files).model_copy(update={"checkpoint": last})
    assert measure_field(asked).heat == measure_field(job(exported(network, "trained"))).heat
    assert measure_field(asked).heat != measure_field(job(files)).heat


def test_a_checkpoint_of_another_network_is_refused(
    exported: Export, tmp_path: Path, tiny: type[nn.Module]
) -> None:
    asked = job(exported(Two())).model_copy(update={"checkpoint": saved(tmp_path, tiny())})
    with pytest.raises(GraphError, match="is not in the architecture's table of tensors"):
        measure_field(asked)
