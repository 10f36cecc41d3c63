import pytest
import torch
from torch import nn

NORMS = {
    "batch": (lambda m, x: m.n(x), {"n": nn.BatchNorm2d(8)}),
    "layer": (lambda m, x: m.n(x), {"n": nn.GroupNorm(1, 8)}),
    "group": (lambda m, x: m.n(x), {"n": nn.GroupNorm(2, 8)}),
    "instance": (lambda m, x: m.n(x), {"n": nn.InstanceNorm2d(8)}),
    "none": (lambda m, x: x.relu(), {}),
}


@pytest.fixture(scope="session")
def normalised(exported):
    """Export a network with one normalisation behind its convolution."""

    def draw(middle, layers):
        def forward(self, x):
            return self.fc(middle(self, self.conv(x)).mean((2, 3)))

        return exported(forward, conv=nn.Conv2d(3, 8, 3), fc=nn.Linear(8, 10), **layers)

    return draw


@pytest.mark.parametrize("kind", NORMS)
def test_one_normalisation_is_used_and_no_other(normalised, by_rule, kind):
    architecture = normalised(*NORMS[kind])
    statuses = {other: by_rule("norm", architecture, kind=other).status for other in NORMS}
    assert [other for other, status in statuses.items() if status == "passed"] == [kind]
    assert set(statuses.values()) == {"passed", "failed"}


def test_a_layer_norm_over_channels_last_is_a_layer_norm(normalised, by_rule):
    architecture = normalised(
        lambda m, x: m.n(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), {"n": nn.LayerNorm(8)}
    )
    assert by_rule("norm", architecture, kind="layer").status == "passed"


BY_HAND = {
    "batch": lambda m, x: (x - x.mean((0, 2, 3), True)) / (x.var((0, 2, 3), keepdim=True) + 1e-5).sqrt(),
    "layer": lambda m, x: (x - x.mean((1, 2, 3), True)) * torch.rsqrt(x.var((1, 2, 3), keepdim=True) + 1e-5),
    "instance": lambda m, x: (x - x.mean((2, 3), True)) / x.std((2, 3), keepdim=True),
    "group": lambda m, x: (
        x.unflatten(1, (2, 4)) / x.unflatten(1, (2, 4)).std((2, 3, 4), keepdim=True)
    ).flatten(1, 2),
}


@pytest.mark.parametrize("kind", BY_HAND)
def test_a_normalisation_by_hand_is_told_by_what_it_divides_by(normalised, by_rule, kind):
    architecture = normalised(BY_HAND[kind], {})
    assert by_rule("norm", architecture, kind=kind).status == "passed"
    assert by_rule("norm", architecture, kind="none").status == "failed"


def test_a_mean_of_squares_is_a_normalisation_of_a_kind_that_is_not_known(normalised, by_rule):
    architecture = normalised(lambda m, x: x * torch.rsqrt(x.pow(2).mean((1, 2, 3), True) + 1e-6), {})
    assert by_rule("norm", architecture, kind="layer").status == "not_judged"
    assert by_rule("norm", architecture, kind="batch").status == "failed"


def test_an_average_or_a_gate_normalises_nothing(normalised, by_rule):
    architecture = normalised(
        lambda m, x: x * x.mean((2, 3), True).sigmoid() / (1 + x.mean((2, 3), True).exp()), {}
    )
    assert by_rule("norm", architecture, kind="none").status == "passed"


def test_what_else_normalises_is_named_with_its_kind(normalised, by_rule):
    layers = {"n": nn.BatchNorm2d(8), "g": nn.GroupNorm(2, 8)}
    architecture = normalised(lambda m, x: m.g(m.n(x)), layers)
    finding = by_rule("norm", architecture, kind="batch")
    assert (finding.expected, finding.actual) == ("batch-norm, and no other normalisation", "group-norm in g")
    assert finding.help == "Replace g by batch-norm."
    assert by_rule("norm", architecture, kind="none").help == "Replace n, g by nothing."


def test_where_nothing_normalises_help_says_where_to(normalised, by_rule):
    finding = by_rule("norm", normalised(*NORMS["none"]), kind="group")
    assert (finding.actual, finding.help) == ("none", "Put a group-norm behind each convolution.")


def test_an_unknown_operator_may_normalise(sketch, by_rule):
    x = sketch.call("mystery", sketch.conv("x", 8))
    assert by_rule("norm", sketch.architecture(sketch.head(x)), kind="none").status == "not_judged"


def centred(x, dims):
    """The normalisation of ConvNeXt's code: distances from the mean over the root of their mean square."""
    mean = x.mean(dims, keepdim=True)
    return (x - mean) / torch.sqrt((x - mean).pow(2).mean(dims, keepdim=True) + 1e-6)


@pytest.mark.parametrize(("kind", "dims"), [("layer", 1), ("instance", (2, 3)), ("batch", (0, 2, 3))])
def test_a_mean_of_squared_distances_from_the_mean_is_a_variance(normalised, by_rule, kind, dims):
    architecture = normalised(lambda m, x: centred(x, dims), {})
    assert by_rule("norm", architecture, kind=kind).status == "passed"
    assert by_rule("norm", architecture, kind="group").status == "failed"


def test_distances_from_another_mean_leave_it_open(normalised, by_rule):
    def middle(m, x):
        distance = x - x.mean((2, 3), keepdim=True)
        return distance / distance.pow(2).mean(1, keepdim=True).sqrt()

    assert by_rule("norm", normalised(middle, {}), kind="layer").status == "not_judged"


def instance_spread(x):
    """The variance over places, as the mean of squares less the square of the mean."""
    mean = x.mean((2, 3), keepdim=True)
    return x.square().mean((2, 3), keepdim=True) - mean * mean + 1e-5


def test_a_mean_of_squares_less_the_square_of_the_mean_is_a_variance(normalised, by_rule):
    architecture = normalised(lambda m, x: x / instance_spread(x).sqrt(), {})
    assert by_rule("norm", architecture, kind="instance").status == "passed"
    assert by_rule("norm", architecture, kind="layer").status == "failed"


DISGUISED = {
    "the mean of squares less the square of the mean": lambda m, x: x * torch.rsqrt(instance_spread(x)),
    "the same below a bar": lambda m, x: x / instance_spread(x).sqrt(),
    "logarithms": lambda m, x: x * torch.exp(-0.5 * torch.log(x.var((2, 3), keepdim=True))),
    "a spread with a gain": lambda m, x: x / (x.std((2, 3), keepdim=True) * m.gain + 1e-5),
    "pools": lambda m, x: x / (torch.nn.functional.adaptive_avg_pool2d(x * x, 1) + 1e-5).sqrt(),
    "a product with itself": lambda m, x: (
        x / (torch.einsum("nchw,nchw->nc", x, x) + 1e-5).sqrt()[:, :, None, None]
    ),
    "neighbouring channels": lambda m, x: nn.functional.local_response_norm(x, 5),
    "a quotient that is added": lambda m, x: torch.addcdiv(
        torch.zeros_like(x), x, x.std((2, 3), keepdim=True)
    ),
}


@pytest.mark.parametrize("middle", DISGUISED.values(), ids=DISGUISED)
def test_a_second_normalisation_is_found_however_it_is_written(normalised, by_rule, middle):
    layers = {"n": nn.BatchNorm2d(8), "gain": nn.Parameter(torch.ones(8, 1, 1))}
    architecture = normalised(lambda m, x: middle(m, m.n(x)), layers)
    assert by_rule("norm", architecture, kind="batch").status == "failed"


HONEST = {
    "a softmax by hand": lambda m, x: x.exp() / x.exp().sum(1, keepdim=True),
    "a gate of an average": lambda m, x: x * (1 - x.mean((2, 3), keepdim=True)).exp(),
    "a weighted average": lambda m, x: (
        x * nn.functional.avg_pool2d(x, 3, 1, 1) / (1 + nn.functional.adaptive_avg_pool2d(x, 1).square())
    ),
    "a swish by hand": lambda m, x: x / (1 + torch.exp(-x)),
}


@pytest.mark.parametrize("middle", HONEST.values(), ids=HONEST)
def test_other_arithmetic_is_no_normalisation(normalised, by_rule, middle):
    architecture = normalised(lambda m, x: middle(m, m.n(x)), {"n": nn.BatchNorm2d(8)})
    assert by_rule("norm", architecture, kind="batch").status == "passed"


def test_a_gain_behind_a_normalisation_by_hand_is_no_second_one(normalised, by_rule):
    architecture = normalised(
        lambda m, x: m.gain * (x * torch.rsqrt(x.var((2, 3), keepdim=True))),
        {"gain": nn.Parameter(torch.ones(8, 1, 1))},
    )
    assert by_rule("count", architecture, family="normalisation", exactly=1).status == "passed"
