import pytest
from torch import nn

from harness.base.errors import AssignmentError
from harness.graph.evidence import Evidence
from harness.loader.export import architecture_of


def block(sketch, x, out, name, s=1, shortcut="identity"):
    """Two 3x3 convolutions and what goes around them."""
    y = sketch.call("relu", sketch.conv(x, out, s=s, layer=f"{name}.one"))
    y = sketch.conv(y, out, layer=f"{name}.two")
    around = x if shortcut == "identity" else sketch.conv(x, out, k=shortcut, s=s, layer=f"{name}.short")
    return sketch.call("relu", sketch.call("add.Tensor", y, around, layer=f"{name}.sum"))


@pytest.fixture
def resnet(sketch):
    """A stem and three stages of two blocks."""

    def draw(last="identity"):
        x = sketch.conv("x", 8, layer="stem")
        for number, s in enumerate((1, 2, 2)):
            x = block(sketch, x, 8, f"s{number}a", s, "identity" if s == 1 else 1)
            x = block(sketch, x, 8, f"s{number}b", 1, last)
        return sketch.architecture(sketch.head(x))

    return draw


def test_the_sums_of_a_resnet_are_counted_by_resolution(resnet, by_rule):
    finding = by_rule("residual", resnet(), adds=6, stages=[2, 2, 2], per_stage=2, layers=2)
    assert finding.status == "passed"
    assert finding.actual.startswith(
        "6 residual sums: s0a.sum (identity), s0b.sum (identity), s1a.sum (projection)"
    )
    assert finding.actual.endswith("; at the resolutions 2, 2, 2")
    assert finding.expected == (
        "exactly 6 residual sums, at the resolutions 2, 2, 2, exactly 2 in each stage, "
        "each around exactly 2 layers with weights"
    )


def test_a_difference_is_a_residual_sum(sketch, by_rule):
    x = sketch.conv("x", 8, layer="stem")
    x = sketch.call("sub.Tensor", x, sketch.conv(x, 8, layer="block"), layer="less")
    finding = by_rule("residual", sketch.architecture(sketch.head(x)), adds=1)
    assert finding.actual.startswith("1 residual sum: less (identity)")


def test_a_map_less_its_mean_is_no_residual_sum(sketch, by_rule):
    x = sketch.conv("x", 8, layer="stem")
    mean = sketch.call("mean.dim", x, [2, 3], True, shape=("batch", 8, 1, 1))
    x = sketch.call("sub.Tensor", x, mean)
    assert by_rule("residual", sketch.architecture(sketch.head(x)), adds=0).status == "passed"


def test_too_few_and_too_many_say_how_many(resnet, by_rule):
    architecture = resnet()
    assert by_rule("residual", architecture, adds={"at_least": 7}).help == "Add 1 residual sum: x = x + f(x)."
    assert by_rule("residual", architecture, adds={"at_most": 3}).help == "Remove 3 residual sums."


def test_each_stage_is_told_by_its_resolution(resnet, by_rule):
    architecture = resnet()
    assert by_rule("residual", architecture, stages=[2, 0, 2]).help == (
        "Have 2, 0, 2 of them, from the largest map to the smallest."
    )
    assert by_rule("residual", architecture, per_stage=1).help == (
        "Have exactly 1 at resolution 1, counted from the image's."
    )


def test_shortcuts_of_either_kind_are_counted(resnet, by_rule):
    architecture = resnet()
    finding = by_rule("residual", architecture, identities=4, projections=2)
    assert (finding.status, finding.expected) == (
        "passed", "residual sums, exactly 4 with identity shortcuts, exactly 2 with 1x1 shortcuts",
    )  # fmt: skip
    assert by_rule("residual", architecture, identities={"at_least": 5}).help == (
        "Have at least 5 with identity shortcuts; there are 4."
    )


def test_a_shortcut_of_another_kind_is_named(resnet, by_rule):
    finding = by_rule("residual", resnet(), adds=6, shortcut="identity")
    assert finding.status == "failed"
    assert finding.actual.endswith("s1a.sum: its shortcut holds a layer with weights; "
                                   "s2a.sum: its shortcut holds a layer with weights")  # fmt: skip
    assert finding.help == "Change s1a.sum, s2a.sum."


def test_the_layers_that_a_shortcut_passes_by_are_counted(resnet, by_rule):
    finding = by_rule("residual", resnet(), adds=6, layers={"at_least": 3})
    assert "s0a.sum: it passes by 2 layers with weights" in finding.actual


def test_a_second_branch_of_larger_kernels_is_no_shortcut(sketch, by_rule):
    x = block(sketch, sketch.conv("x", 8), 8, "wide", shortcut=3)
    assert by_rule("residual", sketch.architecture(sketch.head(x)), adds=1).actual == "no residual sum"


NONE = {
    "a bias": lambda s, x: s.call("add.Tensor", s.conv(x, 8), s.tensor("bias", 8, 1, 1)),
    "a map and itself": lambda s, x: s.call("add.Tensor", x, x),
    "an activation": lambda s, x: s.call("add.Tensor", x, s.call("relu", x)),
    "a pooled value": lambda s, x: s.call("add.Tensor", s.conv(x, 8), s.gap(x)),
    "a product": lambda s, x: s.call("mul.Tensor", s.conv(x, 8), x),
}


@pytest.mark.parametrize("made", NONE.values(), ids=NONE)
def test_no_path_is_joined_by(sketch, by_rule, made):
    x = made(sketch, sketch.conv("x", 8))
    assert by_rule("residual", sketch.architecture(sketch.head(x)), adds=0).status == "passed"


def test_a_shortcut_without_influence_is_none(resnet, by_rule):
    architecture = resnet()
    sums = {node.module: node.name for node in architecture.eval.nodes if node.module.endswith("sum")}
    finding = by_rule("residual", architecture, adds=6, evidence=Evidence(weak={"eval": (sums["s2b.sum"],)}))
    assert finding.status == "failed"
    assert "the logits do not depend on s2b.sum" in finding.actual


def test_addition_in_place_is_a_sum_too(exported, by_rule):
    def forward(self, x):
        x = self.stem(x)
        y = self.conv(x)
        y += x
        return self.fc(y.mean((2, 3)))

    parts = {
        "stem": nn.Conv2d(3, 8, 3, padding=1),
        "conv": nn.Conv2d(8, 8, 3, padding=1),
        "fc": nn.Linear(8, 10),
    }
    assert by_rule("residual", exported(forward, **parts), adds=1, shortcut="identity").status == "passed"


class Mixer(nn.Module):
    """Patches, tokens mixed by one layer and channels by another, a hidden layer, each with a shortcut."""

    def __init__(self):
        super().__init__()
        self.patch, self.tokens, self.channels = nn.Conv2d(3, 8, 4, 4), nn.Linear(64, 64), nn.Linear(8, 8)
        self.hidden, self.out, self.other = nn.Linear(8, 8), nn.Linear(8, 10), nn.Linear(8, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2)
        x = x + self.tokens(x)
        x = x.transpose(1, 2)
        x = (x + self.channels(x)).mean(1)
        x = x + self.hidden(x)
        return self.out(x) + self.other(x)


def test_shortcuts_around_tokens_and_vectors_are_some_and_two_heads_none(by_rule):
    architecture = architecture_of(Mixer(), (3, 32, 32))[0]
    finding = by_rule("residual", architecture, adds=3, identities=3, layers=1)
    assert (finding.status, finding.actual[:16]) == ("passed", "3 residual sums:")


def test_an_unknown_operator_may_be_a_sum(sketch, by_rule):
    x = sketch.call("mystery", sketch.conv("x", 8))
    assert by_rule("residual", sketch.architecture(sketch.head(x)), adds=0).status == "not_judged"


def test_settings_that_ask_for_nothing_are_refused(resnet, by_rule):
    with pytest.raises(
        AssignmentError,
        match=r"rules\.residual: expected adds, stages, per_stage, identities or projections, got none",
    ):
        by_rule("residual", resnet(), shortcut="identity")
