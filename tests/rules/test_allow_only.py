import pytest
from torch import nn

from harness.base.errors import AssignmentError

PLAIN = ["convolution", "global_average_pool", "linear"]


def test_what_is_made_of_the_families_alone_passes(basic, by_rule):
    finding = by_rule("allow_only", basic(), families=PLAIN)
    assert (finding.status, finding.expected) == (
        "passed",
        "nothing but convolutions, global average pools, linear layers",
    )


def test_everything_else_is_named_with_its_place(sketch, basic, by_rule):
    architecture = basic(middle=lambda x: sketch.call("gelu", x, layer="act"))
    finding = by_rule("allow_only", architecture, families=PLAIN)
    assert (finding.status, finding.actual) == ("failed", "a gelu activation in act (model.py:5)")
    assert finding.help == "Replace act by what is allowed."


def test_activations_may_be_allowed_by_name(sketch, basic, by_rule):
    architecture = basic(middle=lambda x: sketch.call("gelu", x))
    families = [*PLAIN, "activation"]
    assert by_rule("allow_only", architecture, families=families).status == "passed"
    assert by_rule("allow_only", architecture, families=families, activations=["gelu"]).status == "passed"
    assert by_rule("allow_only", architecture, families=families, activations=["relu"]).status == "failed"


FORBIDDEN = {
    "a gate": lambda s, x: s.call("mul.Tensor", x, s.call("sigmoid", s.gap(x))),
    "a function": lambda s, x: s.call("exp", x),
    "a roll": lambda s, x: s.call("roll", x, [1], [2]),
    "a slice that makes it smaller": lambda s, x: s.call(
        "slice.Tensor", x, 2, 0, 99, 2, shape=("batch", 16, 8, 16)
    ),
    "a batch-norm": lambda s, x: s.call("batch_norm", x, None, None, None, None, True, 0.1, 1e-5, True),
    "a sum of two paths": lambda s, x: s.call("add.Tensor", s.conv(x, 16), x),
}


@pytest.mark.parametrize("middle", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_is_not_named_is_not_allowed(sketch, basic, by_rule, middle):
    architecture = basic(middle=lambda x: middle(sketch, x))
    assert by_rule("allow_only", architecture, families=[*PLAIN, "activation"]).status == "failed"


PLUMBING = {
    "a bias": lambda s, x: s.call("add.Tensor", x, s.tensor("bias", 16, 1, 1)),
    "a scale": lambda s, x: s.call("mul.Tensor", x, 0.5),
    "a permutation and back": lambda s, x: s.call(
        "permute", s.call("permute", x, [0, 1, 3, 2]), [0, 1, 3, 2]
    ),
    "a part of the channels": lambda s, x: s.call("slice.Tensor", x, 1, 0, 8, shape=("batch", 8, 16, 16)),
    "a dropout of nothing": lambda s, x: s.call("dropout", x, 0.0, True),
}


@pytest.mark.parametrize("middle", PLUMBING.values(), ids=PLUMBING)
def test_what_computes_nothing_is_always_allowed(sketch, basic, by_rule, middle):
    architecture = basic(middle=lambda x: middle(sketch, x))
    assert by_rule("allow_only", architecture, families=PLAIN).status == "passed"


def test_attention_allows_what_it_is_made_of(exported, by_rule):
    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.fc(self.look(tokens, tokens, tokens)[0].mean(1))

    layers = {"patches": nn.Conv2d(3, 8, 8, 8), "look": nn.MultiheadAttention(8, 2, batch_first=True)}
    architecture = exported(forward, fc=nn.Linear(8, 10), **layers)
    assert by_rule("allow_only", architecture, families=[*PLAIN, "attention"]).status == "passed"
    assert "a bmm in look" in by_rule("allow_only", architecture, families=PLAIN).actual


def test_an_unknown_operator_leaves_it_open(sketch, by_rule):
    architecture = sketch.architecture(sketch.head(sketch.call("mystery", sketch.conv("x", 8))))
    assert by_rule("allow_only", architecture, families=PLAIN).status == "not_judged"


MISTAKES = {
    "unknown activation rellu. Did you mean 'relu'?": {"families": PLAIN, "activations": ["rellu"]},
    "expected at least one, got an empty list": {"families": []},
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_in_the_settings_is_named(basic, by_rule, message):
    with pytest.raises(AssignmentError) as error:
        by_rule("allow_only", basic(), **MISTAKES[message])
    assert message in str(error.value)


def test_the_mean_of_a_map_of_one_position_computes_nothing(exported, by_rule):
    architecture = exported(lambda m, x: m.conv(x).mean((2, 3)), conv=nn.Conv2d(3, 10, 32))
    assert by_rule("allow_only", architecture, families=["convolution"]).status == "passed"


def test_the_mean_over_channels_is_none_of_the_families(exported, by_rule):
    architecture = exported(lambda m, x: m.conv(x).mean(1).flatten(1)[:, :10], conv=nn.Conv2d(3, 10, 3))
    assert by_rule("allow_only", architecture, families=["convolution"]).status != "passed"
