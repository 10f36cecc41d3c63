from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from harness.datasets.images import Data
from harness.datasets.spec import DataSpec
from harness.training.events import CheckedEvent, Probe, ProbedEvent, Refused
from harness.training.jobs import Model, ProbeJob
from harness.training.probe.probe import probe_all

Export = Callable[..., Model]


def probed(data: Data, models: dict[str, Model]) -> dict[str, Probe | Refused | str]:
    job = ProbeJob(models=models, data=DataSpec(dataset="cifar10"), batch_size=100, threads=2)
    return {event.model: event.found for event in probe_all(job, data, lambda _: None)}


def probe_of(model: nn.Module, data: Data, exported: Export) -> Probe:
    found = probed(data, {"model": exported(model)})["model"]
    assert isinstance(found, Probe)
    return found


def test_an_untrained_model_is_near_chance(tiny: type[nn.Module], mini: Data, exported: Export) -> None:
    probe = probe_of(tiny(), mini, exported)
    assert 0 < probe.accuracy_running < 0.25
    assert 0 < probe.accuracy_batch < 0.25
    assert probe.repeat_difference == 0
    assert probe.batch_difference < 1e-5
    assert probe.finite


def test_a_probe_is_the_same_every_time(tiny: type[nn.Module], mini: Data, exported: Export) -> None:
    model = tiny()
    assert probe_of(model, mini, exported) == probe_of(model, mini, exported)


class KnowsBrightness(nn.Module):
    """Calls every image by its class with batch statistics alone: a stand-in for shipped weights."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3, 10)
        # Blue is for ships and planes.
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)
        with torch.no_grad():
            self.fc.weight[0] = torch.tensor([0.0, -1.0, 1.0])
            self.fc.weight[6] = torch.tensor([0.0, 1.0, -1.0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.bn(x).mean((2, 3)))


def test_shipped_weights_show(mini: Data, exported: Export) -> None:
    assert probe_of(KnowsBrightness(), mini, exported).accuracy_batch > 0.13


class Noisy(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.mean((2, 3)).repeat(1, 4)[:, :10]
        return nn.functional.dropout(y, 0.5, training=True)


class HidesItsNeighboursBehindABias(nn.Module):
    """What it takes from the batch is all that tells its images apart, and small beside the bias."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.mean((2, 3)).repeat(1, 4)[:, :10]
        return 1 + 1e-4 * (y - y.mean(0))


def test_dependence_on_batch_mates_shows_behind_a_bias(mini: Data, exported: Export) -> None:
    assert probe_of(HidesItsNeighboursBehindABias(), mini, exported).batch_difference > 5e-3


def test_chance_in_eval_shows(mini: Data, exported: Export) -> None:
    assert probe_of(Noisy(), mini, exported).repeat_difference > 0.1


class LooksAtItsNeighbours(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)).repeat(1, 4)[:, :10] - x.mean()


def test_dependence_on_batch_mates_shows(mini: Data, exported: Export) -> None:
    probe = probe_of(LooksAtItsNeighbours(), mini, exported)
    assert probe.repeat_difference == 0
    assert probe.batch_difference > 0.1


class Divides(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)).repeat(1, 4)[:, :10] / 0.0


def test_an_output_that_is_no_number_shows(mini: Data, exported: Export) -> None:
    probe = probe_of(Divides(), mini, exported)
    assert not probe.finite
    assert (probe.repeat_difference, probe.batch_difference) == (0, 0)


def test_a_model_that_cannot_run_has_a_message_and_the_others_a_probe(
    tiny: type[nn.Module], mini: Data, exported: Export, tmp_path: Path
) -> None:
    short = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    lost = Model(architecture=tmp_path / "lost.json", weights=tmp_path / "lost.safetensors")
    found = probed(mini, {"good": exported(tiny()), "short": exported(short, "short"), "lost": lost})
    assert isinstance(found["good"], Probe)
    assert found["short"].endswith("two images give logits of shape (2, 3); expected (2, 10).")
    assert found["lost"].message.endswith("lost.json: cannot be read (No such file or directory).")


def test_weights_that_are_no_numbers_are_named_and_nothing_is_measured(
    tiny: type[nn.Module], mini: Data, exported: Export
) -> None:
    for value, word in ((float("nan"), "NaN"), (float("-inf"), "infinity")):
        model = tiny()
        nn.init.constant_(model.fc.weight, value)
        assert probed(mini, {"model": exported(model)})["model"] == (
            f"weights: the initial weights of fc.weight hold {word}; expected finite numbers. "
            "Look at how the constructor fills them."
        )


class Masked(nn.Module):
    """Keeps minus infinity in a buffer, as the mask of an attention does."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([0.0, 0.0, float("-inf")]))
        self.fc = nn.Linear(3, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc((x.mean((2, 3)) + self.mask).softmax(1))


def test_a_mask_of_infinities_is_no_weight(mini: Data, exported: Export) -> None:
    assert probe_of(Masked(), mini, exported).finite


def test_what_is_done_to_a_model_is_said_as_it_is_done(
    tiny: type[nn.Module], mini: Data, exported: Export, tmp_path: Path
) -> None:
    lost = Model(architecture=tmp_path / "lost.json", weights=tmp_path / "lost.safetensors")
    job = ProbeJob(
        models={"lost": lost, "good": exported(tiny())},
        data=DataSpec(dataset="cifar10"),
        batch_size=100,
        threads=2,
    )
    said: list[CheckedEvent | ProbedEvent] = []
    for probed_one in probe_all(job, mini, said.append):
        said.append(probed_one)  # noqa: PERF402 - `said` grows in between
    assert [(type(event), event.model) for event in said] == [
        (ProbedEvent, "lost"), (CheckedEvent, "good"), (ProbedEvent, "good"),
    ]  # fmt: skip
    assert isinstance(said[0].found, Refused)


def test_an_operator_that_is_not_known_is_left_to_the_rules(mini: Data, exported: Export) -> None:
    class Unknown(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.svd(x.mean(1))[1][:, :10]

    assert probed(mini, {"model": exported(Unknown())}) == {"model": ""}


def test_a_graph_that_needs_nchw_is_probed_in_it(mini: Data, exported: Export) -> None:
    class ViewsRows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 10, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x).view(-1, 2, 5 * 1024).view(-1, 10, 1024).mean(2)

    assert probe_of(ViewsRows(), mini, exported).finite


def test_a_graph_that_states_a_false_shape_is_not_run(
    tiny: type[nn.Module], mini: Data, exported: Export
) -> None:
    model = exported(tiny())
    text = model.architecture.read_text()
    assert "[4,16,16]" not in text
    false = text.replace('["batch",4,16,16]', '["batch",4,8,16]', 1)
    assert false != text
    model.architecture.write_text(false)
    assert probed(mini, {"liar": model})["liar"].message == (
        "graph: conv: wrong value; expected float32 (batch, 4, 8, 16), as the exported graph says, "
        "got float32 (48, 4, 16, 16) when it runs on 48 images."
    )
