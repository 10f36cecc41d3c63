from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it


def drawn(sketch, several):
    """Convolutions with one weight between two of their own."""
    x = sketch.conv("x", 8, layer="first")
    weight = sketch.tensor("shared.weight", 8, 8, 3, 3)
    for _ in range(several):
        x = sketch.call("conv2d", x, weight, None, [1, 1], [1, 1], layer="shared")
    return sketch.architecture(sketch.head(x))


def test_a_weight_that_two_layers_use_is_shared(sketch, by_rule):
    finding = by_rule("shared_weights", drawn(sketch, 3), exactly=1)
    assert (finding.status, finding.actual) == ("passed", "1: shared.weight (3 times)")
    assert finding.expected == "exactly 1 weight used in two layers or more"


def test_a_weight_may_have_to_be_used_more_often(sketch, by_rule):
    architecture = drawn(sketch, 3)
    assert by_rule("shared_weights", architecture, exactly=1, times=3).status == "passed"
    finding = by_rule("shared_weights", architecture, at_least=1, times=4)
    assert (finding.status, finding.expected, finding.actual) == (
        "failed", "at least 1 weight used in four layers or more", "0: shared.weight (3 times)",
    )  # fmt: skip
    assert finding.help == "Call one layer four times, or give four layers one weight."


def test_layers_with_weights_of_their_own_share_none(sketch, by_rule):
    finding = by_rule("shared_weights", drawn(sketch, 1), at_least=1)
    assert (finding.status, finding.actual) == ("failed", "none")
    assert finding.help == "Call one layer two times, or give two layers one weight."


def test_sharing_can_be_forbidden(sketch, by_rule):
    assert (
        by_rule("shared_weights", drawn(sketch, 2), exactly=0).help == "Give each layer weights of its own."
    )


def test_tied_weights_are_one_weight_and_so_is_its_transpose(exported, by_rule):
    def forward(self, x):
        x = self.one(x.mean((2, 3)))
        return self.out(F.linear(self.two(x), self.one.weight.t()))

    one, two = nn.Linear(3, 3), nn.Linear(3, 3)
    two.weight = one.weight
    architecture = exported(forward, one=one, two=two, out=nn.Linear(3, 10))
    assert by_rule("shared_weights", architecture, exactly=1).actual == "1: one.weight (3 times)"


def test_an_unknown_operator_may_use_a_weight_again(sketch, by_rule):
    x = sketch.call("mystery", sketch.conv("x", 8))
    assert by_rule("shared_weights", sketch.architecture(sketch.head(x)), exactly=0).status == "not_judged"
