"""Budgets of bytes, multiply-adds and memory, against numbers worked out by hand."""

import pytest
import torch
from torch import nn

from harness.base.errors import AssignmentError


@pytest.fixture
def drawn(sketch):
    """A convolution to 8 channels, one of 4 groups and stride 2, and a classifier."""
    x = sketch.call("relu", sketch.conv("x", 8, layer="first"), layer="act")
    return sketch.architecture(sketch.head(sketch.conv(x, 16, s=2, g=4, layer="second")))


MACS = 3 * 8 * 9 * 32 * 32 + 8 // 4 * 16 * 9 * 16 * 16 + 16 * 10


def test_multiply_adds_are_those_of_the_definition(drawn, by_rule):
    finding = by_rule("max_macs", drawn, at_most=MACS)
    assert (finding.status, finding.actual) == ("passed", f"{MACS:,} multiply-adds")
    finding = by_rule("max_macs", drawn, at_most=MACS - 1)
    assert finding.status == "failed"
    assert finding.help == "Save at least 1; the largest are first (221,184), second (73,728), fc (160)."


PRODUCTS = {
    "a transposed convolution": (
        lambda m, x: m.up(x),
        {"up": nn.ConvTranspose2d(3, 6, 2, 2)},
        3 * 32 * 32 * 6 * 4,
    ),
    "a linear layer over channels": (
        lambda m, x: m.fc(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        {"fc": nn.Linear(3, 5)},
        32 * 32 * 3 * 5,
    ),
    "attention": (
        lambda m, x: nn.functional.scaled_dot_product_attention(x, x, x),
        {},
        3 * 32 * 32 * (32 + 32),
    ),
    "a matrix product": (lambda m, x: x @ x, {}, 3 * 32 * 32 * 32),
    "a product over chosen dimensions": (
        lambda m, x: torch.tensordot(x, m.w, ([1], [1])).permute(0, 3, 1, 2),
        {"w": nn.Parameter(torch.ones(5, 3))},
        32 * 32 * 3 * 5,
    ),
    "an inner product": (
        lambda m, x: torch.inner(x.permute(0, 2, 3, 1), m.w).permute(0, 3, 1, 2),
        {"w": nn.Parameter(torch.ones(5, 3))},
        32 * 32 * 3 * 5,
    ),
    "a contraction with a size that is repeated": (
        lambda m, x: torch.einsum("nchw,kc,yc->nkhw", x, m.w, m.one),
        {"w": nn.Parameter(torch.ones(5, 3)), "one": nn.Parameter(torch.ones(1, 1))},
        32 * 32 * 3 * 5,
    ),
    "a linear layer written out": (
        lambda m, x: (x.unsqueeze(1) * m.w[:, :, None, None]).sum(2),
        {"w": nn.Parameter(torch.ones(5, 3))},
        32 * 32 * 3 * 5,
    ),
    "a linear layer written out, channel by channel": (
        lambda m, x: torch.stack([(x * m.w[k, :, None, None]).mean(1) for k in range(5)], 1),
        {"w": nn.Parameter(torch.ones(5, 3))},
        32 * 32 * 3 * 5,
    ),
    "a gate": (lambda m, x: x * x.mean((2, 3), keepdim=True), {}, 3 * 32 * 32),
    "a product with a number": (lambda m, x: 0.5 * x, {}, 0),
    "attention with its weights": (
        lambda m, x: m.look(*[x.flatten(2).transpose(1, 2)] * 3)[0].transpose(1, 2).unflatten(2, (32, 32)),
        {"look": nn.MultiheadAttention(3, 3, batch_first=True)},
        1024 * 3 * 9 + 2 * 3 * 1024 * 1024 + 1024 * 3 * 3,
    ),
}


@pytest.mark.parametrize(("forward", "layers", "macs"), PRODUCTS.values(), ids=PRODUCTS)
def test_a_product_has_its_multiply_adds(exported, by_rule, forward, layers, macs):
    architecture = exported(lambda m, x: forward(m, x).mean((2, 3)), **layers)
    assert by_rule("max_macs", architecture, at_most=10**9).actual == f"{macs:,} multiply-adds"


def test_multiply_adds_of_likenesses_are_not_known(exported, by_rule):
    def forward(self, x):
        return nn.functional.cosine_similarity(x.mean((2, 3)).unsqueeze(1), self.w, dim=2)

    architecture = exported(forward, w=nn.Parameter(torch.ones(10, 3)))
    assert by_rule("max_macs", architecture, at_most=10**9).status == "not_judged"


def test_results_of_an_operator_that_has_several_take_memory(exported, by_rule):
    def forward(self, x):
        x = torch.cummax(self.conv(x).unsqueeze(-1), -1)[0].squeeze(-1)
        return torch.cummax(x.unsqueeze(-1), -1)[0].squeeze(-1).mean((2, 3))

    architecture = exported(forward, conv=nn.Conv2d(3, 10, 1))
    finding = by_rule("max_activation_bytes", architecture, at_most=10**9)
    assert finding.actual == f"{2 * 10 * 32 * 32 * 4:,} bytes"


def test_parts_of_a_value_take_no_memory_of_their_own(exported, by_rule):
    def forward(self, x):
        return sum(part.mean((2, 3)) for part in self.conv(x).chunk(2, 1))

    architecture = exported(forward, conv=nn.Conv2d(3, 20, 1))
    finding = by_rule("max_activation_bytes", architecture, at_most=10**9)
    assert finding.actual == f"{(3 + 20) * 32 * 32 * 4:,} bytes"


def test_a_product_that_torch_would_refuse_has_none_that_are_known(sketch, by_rule):
    architecture = sketch.architecture(sketch.call("einsum", shape=("batch", 10)))
    assert by_rule("max_macs", architecture, at_most=1).status == "not_judged"


def test_an_unknown_operator_may_multiply(sketch, by_rule):
    x = sketch.call("mystery", sketch.conv("x", 8))
    architecture = sketch.architecture(sketch.head(x))
    assert by_rule("max_macs", architecture, at_most=10**9).status == "not_judged"
    assert by_rule("max_macs", architecture, at_most=1).status == "failed"


def test_stored_bytes_are_those_of_all_tensors_tied_ones_once(exported, by_rule):
    one, two = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False)
    two.weight = one.weight
    layers = {"one": one, "two": two, "norm": nn.BatchNorm2d(3), "idle": nn.Linear(2, 2, bias=False)}
    architecture = exported(lambda m, x: m.norm(m.two(m.one(x))).mean((2, 3)), **layers)
    size = 4 * (9 + 3 + 3 + 3 + 3 + 4) + 8
    assert by_rule("max_bytes", architecture, at_most=size).actual == f"{size} bytes"
    assert by_rule("max_bytes", architecture, at_most=size - 1).help.startswith(
        "Save at least 1; the largest are one.weight (36)"
    )


def test_memory_is_what_values_take_at_the_same_time(drawn, by_rule):
    """The first map and its ReLU; a reshape shares the memory of what it reads."""
    finding = by_rule("max_activation_bytes", drawn, at_most=2 * 4 * 8 * 32 * 32)
    assert (finding.status, finding.actual) == ("passed", "65,536 bytes")
    assert finding.where[0].layer == "act"
    assert by_rule("max_activation_bytes", drawn, at_most=1).help.startswith(
        "Save at least 65,535; the largest are first (32,768)"
    )


def test_a_value_that_is_read_again_is_kept_until_then(sketch, by_rule):
    first = sketch.conv("x", 8)
    x = sketch.call("relu", sketch.call("relu", first))
    x = sketch.call("add.Tensor", x, first)
    architecture = sketch.architecture(sketch.head(x))
    assert by_rule("max_activation_bytes", architecture, at_most=10**6).actual == f"{3 * 32_768:,} bytes"


def test_parameters_may_have_a_smallest_number_too(drawn, by_rule):
    number = 3 * 8 * 9 + 2 * 16 * 9 + 160
    finding = by_rule("max_parameters", drawn, at_least=number + 5, at_most=1000)
    assert (finding.status, finding.expected) == ("failed", f"at least {number + 5} and at most 1,000")
    assert finding.help == "Add at least 5: more channels, or layers."
    assert by_rule("max_parameters", drawn, at_least=number, at_most=number).status == "passed"
    assert by_rule("max_parameters", drawn, at_most=number - 1).help.startswith("Remove at least 1;")


MISTAKES = {
    "below and at_most both say how many there may be: leave one of them out": {"below": 5, "at_most": 4},
    "expected below, at_most or at_least, got none of them": {},
    "at_least is 7, and fewer than 7 are allowed": {"below": 7, "at_least": 7},
}


@pytest.mark.parametrize("message", MISTAKES)
def test_limits_that_make_no_sense_are_refused(drawn, by_rule, message):
    with pytest.raises(AssignmentError) as error:
        by_rule("max_parameters", drawn, **MISTAKES[message])
    assert message in str(error.value)
