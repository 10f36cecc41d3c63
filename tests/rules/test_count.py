import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from harness.assignment.spec import parse_assignment
from harness.base.errors import AssignmentError
from harness.graph.evidence import Evidence
from harness.loader.export import architecture_of


def test_convolutions_of_one_kernel_and_stride_are_counted(basic, by_rule):
    finding = by_rule("count", basic(), family="convolution", kernel=3, stride=2, exactly=3)
    assert finding.status == "passed"
    assert finding.expected == "exactly 3 convolutions with kernel 3 and stride 2"
    assert finding.actual == "3: s1, s2, s3"


def test_too_few_say_what_would_make_one_more(basic, by_rule):
    architecture = basic()
    finding = by_rule("count", architecture, family="convolution", kernel=3, stride=2, at_least=4)
    assert finding.status == "failed"
    assert finding.actual == "3: s1, s2, s3"
    assert finding.help == "Give dil.dw stride 2: it has stride 1."
    finding = by_rule("count", architecture, family="convolution", kernel=3, stride=2, exactly=5)
    assert finding.help == (
        "Add 2 convolutions with kernel 3 and stride 2. Give dil.dw stride 2: it has stride 1."
    )


def test_too_many_say_how_many_to_remove(basic, by_rule):
    finding = by_rule("count", basic(), family="convolution", stride=2, at_least=1, at_most=2)
    assert finding.expected == "at least 1 and at most 2 convolutions with stride 2"
    assert finding.help == "Change or remove 1 of s1, s2, s3."


def test_what_is_forbidden_is_none_at_all(basic, by_rule):
    architecture = basic()
    finding = by_rule("count", architecture, family="linear", exactly=0)
    assert (finding.status, finding.expected, finding.actual) == ("failed", "no linear layer", "1: fc")
    assert finding.help == "Remove fc."
    assert by_rule("count", architecture, family="dropout", exactly=0).actual == "none"


def test_sizes_are_a_number_a_rectangle_a_list_or_a_range(sketch, by_rule):
    x = sketch.conv(sketch.conv("x", 4, k=(3, 1)), 4, k=5, layer="five")
    architecture = sketch.architecture(sketch.head(x))
    counts = {"3x1": 1, 5: 1, 3: 0}
    for kernel, number in counts.items():
        assert (
            by_rule("count", architecture, family="convolution", kernel=kernel, exactly=number).status
            == "passed"
        )
    assert (
        by_rule("count", architecture, family="convolution", kernel=[5, "3x1"], exactly=2).status == "passed"
    )
    larger = by_rule("count", architecture, family="convolution", kernel={"at_least": 4}, exactly=0)
    assert larger.actual == "1: five"
    assert larger.expected == "no convolution with kernel at least 4"


WHERE = {
    ("before_downsampling", 1): "2: a, s1",
    ("before_downsampling", 2): "5: a, s1, ds.dw, ds.pw, s2",
    ("after_downsampling", 3): "2: dil.dw, dil.pw",
    ("after_downsampling", "last"): "2: dil.dw, dil.pw",
    ("head", None): "none",
}


@pytest.mark.parametrize(("where", "nth"), WHERE)
def test_a_part_of_the_network_is_told_by_its_resolution(basic, by_rule, where, nth):
    settings = {"where": where} | ({"nth": nth} if nth else {})
    finding = by_rule("count", basic(), family="convolution", exactly=9, **settings)
    assert finding.actual.partition(";")[0] == WHERE[where, nth]


def test_the_number_of_downsamplings_is_shown(basic, by_rule):
    finding = by_rule("count", basic(), family="dropout", at_least=1, where="after_downsampling", nth=4)
    assert finding.actual == "none; the maps are made smaller 3 times"
    assert finding.expected == "at least 1 dropout after the 4th downsampling"


def test_a_layer_without_influence_is_not_counted(basic, by_rule):
    architecture = basic()
    named = {node.module: node.name for node in architecture.eval.nodes}
    shown = Evidence(weak={"eval": (named["ds.pw"],)})
    finding = by_rule("count", architecture, family="pointwise", at_least=2, evidence=shown)
    assert finding.status == "failed"
    assert "the logits do not depend on ds.pw" in finding.actual


def test_a_layer_that_the_output_ignores_is_not_there(sketch, by_rule):
    x = sketch.conv("x", 4, layer="used")
    sketch.conv(x, 4, layer="idle")
    finding = by_rule("count", sketch.architecture(sketch.head(x)), family="convolution", exactly=2)
    assert finding.actual == "1: used"
    assert finding.help == "The output does not depend on idle: use what they compute."


def test_an_unknown_operator_leaves_a_count_open_that_it_could_decide(sketch, by_rule):
    x = sketch.call("mystery", sketch.conv("x", 4))
    architecture = sketch.architecture(sketch.head(x))
    assert by_rule("count", architecture, family="convolution", at_most=1).status == "not_judged"
    assert by_rule("count", architecture, family="convolution", at_most=0).status == "failed"
    finding = by_rule("count", architecture, family="convolution", exactly=2)
    assert (finding.status, finding.cause) == ("not_judged", "harness")
    assert "mystery" in finding.actual


class Attentive(nn.Module):
    """Patches, a class token, one layer of attention written out."""

    def __init__(self, tokens=1):
        super().__init__()
        self.patch, self.token = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.zeros(1, 1, 16))
        self.ask, self.out, self.tokens = nn.Linear(16 * tokens, 48), nn.Linear(16, 10), tokens

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.size(0), -1, -1), x], 1)
        x = self.ask(x.reshape(x.size(0), 65 // self.tokens, -1))
        q, k, v = x.reshape(x.size(0), 65 // self.tokens, 3, 2, 8).permute(2, 0, 3, 1, 4)
        x = ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).flatten(2)
        return self.out(x[:, 0])


def test_a_linear_layer_over_tokens_is_no_convolution(by_rule):
    architecture = architecture_of(Attentive(), (3, 32, 32))[0]
    assert by_rule("count", architecture, family="convolution", exactly=1).status == "passed"
    assert by_rule("count", architecture, family="attention", exactly=1).status == "passed"


def test_a_linear_layer_over_several_tokens_may_be_a_convolution(by_rule):
    architecture = architecture_of(Attentive(tokens=5), (3, 32, 32))[0]
    assert by_rule("count", architecture, family="convolution", exactly=1).status == "not_judged"


def test_an_amax_is_a_max_pool_without_a_kernel(sketch, by_rule):
    x = sketch.call("reshape", sketch.conv("x", 4), [-1, 4, 16, 2, 16, 2], shape=("batch", 4, 16, 2, 16, 2))
    x = sketch.call("amax", x, [3, 5], shape=("batch", 4, 16, 16))
    architecture = sketch.architecture(sketch.head(x))
    assert by_rule("count", architecture, family="max_pool", exactly=0).status == "failed"
    assert by_rule("count", architecture, family="max_pool", kernel=2, exactly=0).status == "not_judged"


FAMILIES = {
    "batch_norm": (lambda m, x: m.bn(x), {"bn": nn.BatchNorm2d(8)}),
    "layer_norm": (lambda m, x: m.gn(x), {"gn": nn.GroupNorm(1, 8)}),
    "group_norm": (lambda m, x: m.gn(x), {"gn": nn.GroupNorm(4, 8)}),
    "instance_norm": (lambda m, x: (x - x.mean((2, 3), True)) / x.std((2, 3), keepdim=True), {}),
    "normalisation": (lambda m, x: x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-6), {}),
    "dropout": (lambda m, x: F.dropout2d(x, 0.1, m.training), {}),
    "activation": (lambda m, x: x.clamp(min=0), {}),
    "max_pool": (lambda m, x: F.adaptive_max_pool2d(x, 16), {}),
    "average_pool": (lambda m, x: x.unflatten(2, (16, 2)).mean(3), {}),
    "attention": (lambda m, x: F.scaled_dot_product_attention(x, x, x), {}),
    "concatenation": (lambda m, x: torch.cat([x, x * 2], 1)[:, :8], {}),
    "interpolation": (lambda m, x: F.interpolate(x, scale_factor=2), {}),
    "transposed": (lambda m, x: m.up(x), {"up": nn.ConvTranspose2d(8, 8, 2, 2)}),
    "residual_add": (lambda m, x: x + m.conv(x), {"conv": nn.Conv2d(8, 8, 1)}),
    "grouped": (lambda m, x: m.conv(x), {"conv": nn.Conv2d(8, 8, 3, padding=1, groups=2)}),
    "linear": (
        lambda m, x: (x.permute(0, 2, 3, 1) @ m.weight).permute(0, 3, 1, 2),
        {"weight": nn.Parameter(torch.ones(8, 8))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_told_by_what_is_executed(exported, by_rule, family):
    middle, layers = FAMILIES[family]

    def forward(self, x):
        x = self.first(x)
        return self.fc(middle(self, x).mean((2, 3)))

    def without(self, x):
        return self.fc(self.first(x).mean((2, 3)))

    parts = {"first": nn.Conv2d(3, 8, 3, padding=1), "fc": nn.Linear(8, 10)}
    number = len([one for one in ["linear"] if one == family])
    found = by_rule("count", exported(forward, **parts, **layers), family=family, exactly=number + 1)
    assert found.status == "passed", found
    assert by_rule("count", exported(without, **parts), family=family, exactly=number).status == "passed"


ACTIVATIONS = {
    "relu": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "relu6": nn.ReLU6(),
    "silu": lambda x: x * torch.sigmoid(x),
    "gelu": F.gelu,
    "sigmoid": torch.sigmoid,
    "clamp": lambda x: x.clamp(-1, 1),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_known_in_every_spelling(exported, by_rule, name):
    def forward(self, x):
        return self.fc(ACTIVATIONS[name](self.first(x)).mean((2, 3)))

    architecture = exported(forward, first=nn.Conv2d(3, 8, 3), fc=nn.Linear(8, 10))
    assert by_rule("count", architecture, family="activation", name=name, exactly=1).status == "passed"


def test_dropout_is_counted_where_it_drops_something(exported, by_rule):
    def forward(self, x):
        x = self.drop(self.never(self.first(x)))
        return self.fc(x.mean((2, 3)) if not self.training else F.dropout(x.mean((2, 3)), 0.5))

    layers = {
        "drop": nn.Dropout(0.1),
        "never": nn.Dropout(0.0),
        "first": nn.Conv2d(3, 8, 3),
        "fc": nn.Linear(8, 10),
    }
    architecture = exported(forward, **layers)
    assert by_rule("count", architecture, family="dropout", exactly=2).status == "passed"
    assert by_rule("count", architecture, family="dropout", p={"at_most": 0.2}, exactly=1).status == "passed"
    assert by_rule("count", architecture, family="dropout", p=0.5, exactly=1).status == "passed"
    assert by_rule("count", architecture, family="dropout", p={"above": 0.1}, exactly=1).status == "passed"
    finding = by_rule("count", architecture, family="dropout", p={"above": 0.05, "at_most": 0.2}, exactly=0)
    assert (finding.status, finding.expected) == ("failed", "no dropout with p above 0.05 and at most 0.2")
    assert finding.help == "Change or remove drop."


def test_a_dropout_made_of_random_numbers_is_not_judged(exported, by_rule):
    def forward(self, x):
        x = self.first(x)
        return self.fc((x * (torch.rand_like(x) > 0.5)).mean((2, 3)))

    architecture = exported(forward, first=nn.Conv2d(3, 8, 3), fc=nn.Linear(8, 10))
    assert by_rule("count", architecture, family="dropout", exactly=0).status == "not_judged"


MISTAKES = {
    'rules.count: ReLU is no family; write family = "activation", name = "relu"': {
        "family": "ReLU", "exactly": 1,
    },
    "rules.count: unknown activation GeLU. Did you mean 'gelu'": {
        "family": "activation", "name": "GeLU", "exactly": 1,
    },
    "test.toml: rules.count.p: at least 0.5 and at most 0.2: no probability is allowed": {
        "family": "dropout", "p": {"at_least": 0.5, "at_most": 0.2}, "exactly": 0,
    },
    "test.toml: rules.count.p: expected a number, at_least, above or at_most, got none of them": {
        "family": "dropout", "p": {}, "exactly": 0,
    },
    "test.toml: rules.count: batch_norm has no kernel; kernel belongs to": {
        "family": "batch_norm", "kernel": 3, "at_least": 1,
    },
    "expected exactly, at_least or at_most, got none of them": {"family": "linear"},
    "exactly stands alone: leave at_least and at_most out": {"family": "linear", "exactly": 1, "at_most": 2},
    "at_least is 3 and at_most 2: no number is allowed": {"family": "linear", "at_least": 3, "at_most": 2},
    "unknown activation rellu. Did you mean 'relu'?": {"family": "activation", "name": "rellu", "exactly": 1},
    'expected a number, "3x1", a list of those, or { at_least = 2 }, got \'three\'': {
        "family": "convolution", "kernel": "three", "exactly": 1,
    },
    "nth belongs to before_downsampling and after_downsampling": {"family": "linear", "exactly": 1, "nth": 2},
}  # fmt: skip


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_in_the_settings_is_named(basic, by_rule, message):
    with pytest.raises(AssignmentError) as error:
        by_rule("count", basic(), **MISTAKES[message])
    assert message in str(error.value)


def test_a_rule_that_counts_layers_has_all_of_them_tried(assignment):
    table = assignment.model_dump(exclude_unset=True)
    table["rules"]["some"] = {"rule": "count", "family": "linear", "at_least": 1}
    assert parse_assignment(table).counts_layers
    assert not assignment.counts_layers


def of_all(m, x):
    """Every channel times every weight, (N, 10, 8)."""
    return x.mean((2, 3)).unsqueeze(1) * m.w


HIDDEN = {
    "a sum of a copy": lambda m, x: of_all(m, x).clone().sum(2),
    "a running sum": lambda m, x: of_all(m, x).cumsum(2)[:, :, -1],
    "an average pool": lambda m, x: F.adaptive_avg_pool1d(of_all(m, x), 1).flatten(1),
    "a likeness": lambda m, x: F.cosine_similarity(x.mean((2, 3)).unsqueeze(1), m.w, dim=2),
}


@pytest.mark.parametrize("head", HIDDEN.values(), ids=HIDDEN)
def test_a_linear_layer_that_is_written_otherwise_leaves_it_open(exported, by_rule, head):
    architecture = exported(
        lambda m, x: head(m, m.conv(x)), conv=nn.Conv2d(3, 8, 3), w=nn.Parameter(torch.randn(10, 8))
    )
    assert by_rule("count", architecture, family="linear", exactly=0).status == "not_judged"


def test_a_gain_before_a_pool_is_no_linear_layer(exported, by_rule):
    architecture = exported(
        lambda m, x: F.adaptive_avg_pool2d(m.conv(x) * m.gain, 1).flatten(1),
        conv=nn.Conv2d(3, 10, 3),
        gain=nn.Parameter(torch.ones(10, 1, 1)),
    )
    assert by_rule("count", architecture, family="linear", exactly=0).status == "passed"


def test_a_max_pool_of_single_pixels_is_none(exported, by_rule):
    architecture = exported(
        lambda m, x: F.max_pool2d(F.max_pool2d(m.conv(x), 2), 1).mean((2, 3)), conv=nn.Conv2d(3, 10, 3)
    )
    assert by_rule("count", architecture, family="max_pool", exactly=1).status == "passed"
    assert by_rule("count", architecture, family="max_pool", exactly=2).status == "failed"
