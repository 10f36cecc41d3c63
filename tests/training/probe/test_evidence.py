"""What has influence is told by numbers: layers, pixels, and what the analysis leaves out."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.graph.evidence import Evidence
from harness.graph.view import View, views_of
from harness.loader.export import architecture_of
from harness.training.probe.evidence import IMAGES, STEPS, after_steps, evidence, wrongly_left_out
from harness.training.probe.trial import trial

SIZE = 16


class Small(nn.Module):
    """A map of 4 x 4 with a branch beside it, which `join` adds to the map."""

    def __init__(self):
        super().__init__()
        self.stem, self.side = nn.Conv2d(3, 6, 3, stride=4, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.gain = nn.Parameter(torch.zeros(1))
        self.fc = nn.Linear(6, 10)
        self.register_buffer("nothing", torch.zeros(6, 1, 1))

    def join(self, x, y):
        return x + y

    def forward(self, x):
        x = F.relu(self.stem(x))
        return self.fc(self.join(x, self.side(x)).mean((2, 3)))


def small(join=None):
    torch.manual_seed(0)
    return type("Joined", (Small,), {"join": join} if join else {})()


def exported(model):
    return architecture_of(model, (3, SIZE, SIZE))


def viewed(model):
    architecture, tensors = exported(model)
    return views_of(architecture), tensors


def shown(model) -> Evidence:
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(STEPS * IMAGES, 3, SIZE, SIZE, generator=draw)
    found = evidence(*viewed(model), images, torch.arange(len(images)) % 10)
    assert found.broken == ""
    return found


def weak_layers(model):
    architecture, _ = exported(model)
    return {architecture.eval.by_name[name].module for name in shown(model).weak["eval"]}


INFLUENTIAL = {
    "a sum": lambda self, x, y: x + y,
    "a gain that starts at zero": lambda self, x, y: x + self.gain * y,
    "a small factor": lambda self, x, y: x + 1e-9 * y,
    "a gate": lambda self, x, y: x * torch.sigmoid(y.mean((2, 3), keepdim=True)),
}


@pytest.mark.parametrize("join", INFLUENTIAL.values(), ids=INFLUENTIAL)
def test_a_branch_that_can_move_the_logits_has_influence(join):
    assert weak_layers(small(join)) == set()


WITHOUT = {
    "a copy is taken away": lambda self, x, y: x + (y - y.clone()),
    "a factor of next to nothing": lambda self, x, y: x + 1e-300 * y,
    "both halves are cut off": lambda self, x, y: x + F.relu(-F.relu(y)),
    "the other one is chosen": lambda self, x, y: torch.where(torch.ones(1, dtype=torch.bool), x, y),
    "a power of zero": lambda self, x, y: x * y.pow(0),
    "a question with one answer": lambda self, x, y: x + torch.isnan(y).float(),
    "a frozen factor of zero": lambda self, x, y: x + self.nothing * y,
    "the gradient alone is left": lambda self, x, y: x + y - y.detach(),
    "rounding alone is left": lambda self, x, y: (x + 1e6 * y) - 1e6 * y,
    "a share of one": lambda self, x, y: x * y[None].softmax(0)[0],
    "a step that is never taken": lambda self, x, y: x + (self.gain > 5).float() * y,
}


@pytest.mark.parametrize("join", WITHOUT.values(), ids=WITHOUT)
def test_a_branch_that_moves_nothing_has_none(join):
    assert weak_layers(small(join)) == {"side"}


def test_influence_is_looked_for_in_both_modes():
    class TrainOnly(Small):
        def join(self, x, y):
            return x + (1e-300 * y if self.training else y)

    found = shown(TrainOnly())
    assert found.weak["eval"] == ()
    assert len(found.weak["train"]) == 1


def test_a_weight_that_is_computed_is_changed_through_what_it_is_computed_from():
    class Masked(Small):
        def forward(self, x):
            x = F.relu(self.stem(x))
            y = F.conv2d(x, self.side.weight * self.nothing[:1, :, :, None], padding=1)
            return self.fc((x + y).mean((2, 3)))

    class Scaled(Small):
        def forward(self, x):
            x = F.relu(self.stem(x))
            y = F.conv2d(x, self.side.weight * 2, padding=1)
            return self.fc((x + y).mean((2, 3)))

    assert len(shown(Scaled()).weak["eval"]) == 0
    # The mask is a buffer, and what is fixed keeps its zeros.
    assert len(shown(Masked()).weak["eval"]) == 1


def test_effects_are_relative_to_what_tells_images_apart():
    loud = small(lambda self, x, y: 1000 * (x + y))
    effects, louder = shown(small()).effects, shown(loud).effects
    assert effects.keys() == louder.keys()
    assert all(effect > 0.01 for effect in (*effects.values(), *louder.values()))


@pytest.mark.parametrize("seed", range(6))
def test_a_gain_that_starts_at_zero_leaves_it_whatever_the_seed(seed):
    torch.manual_seed(seed)
    architecture, tensors = exported(small(lambda self, x, y: x + self.gain * F.relu(y)))
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(STEPS * IMAGES, 3, SIZE, SIZE, generator=draw)
    after = after_steps(architecture, tensors, images, torch.randint(10, (len(images),), generator=draw))
    assert abs(after["gain"].item()) > 1e-5


FIXED = {
    "a frozen kernel of zeros": lambda w: torch.zeros_like(w),
    "a frozen kernel of one middle": lambda w: nn.init.dirac_(torch.empty_like(w)),
}


@pytest.mark.parametrize("kernel", FIXED.values(), ids=FIXED)
def test_a_fixed_kernel_that_reads_no_neighbour_has_no_influence(kernel):
    model = small()
    model.side.weight = nn.Parameter(kernel(model.side.weight.detach()), requires_grad=False)
    assert weak_layers(model) == {"side"}


def test_a_kernel_whose_neighbours_are_masked_has_no_influence():
    class Middle(Small):
        def __init__(self):
            super().__init__()
            self.register_buffer("middle", torch.zeros(3, 3))
            self.middle[1, 1] = 1

        def forward(self, x):
            x = F.relu(self.stem(x))
            y = F.conv2d(x, self.side.weight * self.middle, self.side.bias, padding=1)
            return self.fc((x + y).mean((2, 3)))

    assert len(shown(Middle()).weak["eval"]) == 1


def test_a_dilation_beyond_the_map_is_tried_on_a_larger_image():
    class Wide(Small):
        def __init__(self):
            super().__init__()
            self.side = nn.Conv2d(6, 6, 3, padding=5, dilation=5)

    assert weak_layers(Wide()) == set()


LOST_IN_FLOAT32 = {
    "a difference of numbers": lambda s, x, y: x + ((torch.ones(1) + 1e-9) - 1) * 1e9 * y,
    "a choice between numbers": lambda s, x, y: x + ((torch.ones(1) + 1e-9) != 1).float() * y,
}


@pytest.mark.parametrize("join", LOST_IN_FLOAT32.values(), ids=LOST_IN_FLOAT32)
def test_what_float32_loses_has_no_influence(join):
    assert weak_layers(small(join)) == {"side"}


def test_a_network_that_is_another_in_float32_is_not_proven_by_float64():
    def join(self, x, y):
        return x + y * 1e-30 * 1e-30 * 1e30 * 1e30

    draw = torch.Generator().manual_seed(1)
    images = torch.randn(STEPS * IMAGES, 3, SIZE, SIZE, generator=draw)
    found = evidence(*viewed(small(join)), images, torch.arange(len(images)) % 10)
    assert found.broken == "in float64 the network gives other logits than in float32"


def test_images_that_meet_behind_a_gain_of_zero_are_found_out():
    assert shown(small(lambda self, x, y: x + self.gain * y.mean(0))).mixed
    assert not shown(small()).mixed


def test_a_dropout_that_decides_what_is_computed_is_found_out():
    def sign(self, x, y):
        return x + (F.dropout(torch.ones(64) * x.mean(), 0.5, self.training) == x.mean()).float().mean() * y

    def value(self, x, y):
        return x + F.dropout(y, 0.5, self.training)

    assert shown(small(sign)).switch
    assert not shown(small(value)).switch


def test_measuring_leaves_the_weights_as_they_were():
    architecture, tensors = exported(small())
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    images = torch.randn(STEPS * IMAGES, 3, SIZE, SIZE)
    evidence(views_of(architecture), tensors, images, torch.zeros(len(images), dtype=torch.int64))
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors.items())


def test_a_few_steps_move_what_is_trained_and_nothing_else():
    architecture, tensors = exported(small(lambda self, x, y: x + self.gain * y))
    images = torch.randn(STEPS * IMAGES, 3, SIZE, SIZE)
    after = after_steps(architecture, tensors, images, torch.arange(len(images)) % 10)
    assert after["gain"].item() != 0
    assert torch.equal(after["nothing"], tensors["nothing"])


def test_a_network_that_cannot_be_trained_is_tried_as_it_came():
    class Overwritten(Small):
        def forward(self, x):
            x = F.relu(self.stem(x)).exp()
            x += self.side(x)
            return self.fc(x.mean((2, 3)))

    model = Overwritten()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        model(torch.randn(2, 3, SIZE, SIZE)).sum().backward()
    assert weak_layers(model) == set()


def test_statistics_that_are_not_a_new_layers_are_named():
    class Normed(Small):
        def __init__(self):
            super().__init__()
            self.norm, self.other = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
            self.other.running_mean.copy_(torch.arange(6.0))

        def join(self, x, y):
            return self.norm(x) + self.other(y)

    assert shown(Normed()).filled == {"other.running_mean"}


@pytest.mark.parametrize("kind", ["zero", "unused", "independent of the image"])
def test_what_the_analysis_leaves_out_wrongly_is_found(kind):
    """The analysis is right about this network; here it is told otherwise."""
    architecture, tensors = exported(small())
    view = View(architecture, architecture.eval)
    side = next(node for node in view.measured.nodes if node.module == "side")
    flow, fields = view.measured.flow, dict(view.measured.fields)
    if kind == "zero":
        flow = replaced(flow, zeros=frozenset({side.name}))
    elif kind == "unused":
        flow = replaced(flow, nodes=tuple(node for node in flow.nodes if node.name != side.name))
    else:
        del fields[side.name]
    view.measured = replaced(view.measured, flow=flow, fields=fields)
    images = torch.randn(2, 3, SIZE, SIZE)
    assert wrongly_left_out(trial(view, tensors), images).endswith(f"is taken for {kind}, and is not")


def replaced(value, **changes):
    from dataclasses import fields

    return type(value)(**{f.name: changes.get(f.name, getattr(value, f.name)) for f in fields(value)})


def test_what_the_analysis_leaves_out_rightly_is_confirmed():
    class Leftovers(Small):
        def forward(self, x):
            x = F.relu(self.stem(x))
            unused = self.side(x).exp()
            nothing = 0 * self.side(x)
            fixed = torch.arange(6.0).view(6, 1, 1) * self.nothing
            x = x + nothing + fixed + unused.new_zeros(unused.size(0), 1, 1, 1)
            return self.fc(x.mean((2, 3)))

    assert shown(Leftovers()).misjudged == ""
