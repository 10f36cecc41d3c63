import runpy

import pytest
import torch
from checkout import REPOSITORY
from torch import nn

from harness.graph.receptive_field.engine import measure, table
from harness.loader.export import architecture_of

REFERENCE = runpy.run_path(str(REPOSITORY / "submission" / "model.py"))
Net, NetDilated = REFERENCE["Net"], REFERENCE["NetDilated"]

# k, s, d, RF_in, jump_in, RF_out, jump_out of the two tables in the seed project's README.
NET = """
c1a.conv 3 1 1 1 1 3 1
c1b.conv 3 1 1 3 1 5 1
c1c.conv 3 2 1 5 1 7 2
c2a.dw 3 1 1 7 2 11 2
c2a.pw 1 1 1 11 2 11 2
c2b.dw 3 2 1 11 2 15 4
c2b.pw 1 1 1 15 4 15 4
c3a.conv 1 1 1 15 4 15 4
c3b.dw 3 2 1 15 4 23 8
c3b.pw 1 1 1 23 8 23 8
c4a.dw 3 1 2 23 8 55 8
c4a.pw 1 1 1 55 8 55 8
c4b.conv 1 1 1 55 8 55 8
"""
DILATED = """
c1a.conv 3 1 1 1 1 3 1
c1b.conv 3 1 1 3 1 5 1
c2a_dw.dw 3 1 2 5 1 9 1
c2a_dw.pw 1 1 1 9 1 9 1
c2b_pw.conv 1 1 1 9 1 9 1
c2c.conv 3 1 2 9 1 13 1
c3a_pw.conv 1 1 1 13 1 13 1
c3b.conv 3 1 4 13 1 21 1
c3c.conv 3 1 4 21 1 29 1
c4a.dw 3 1 8 29 1 45 1
c4a.pw 1 1 1 45 1 45 1
c4b_pw.conv 1 1 1 45 1 45 1
"""


@pytest.mark.parametrize(("network", "expected"), [(Net, NET), (NetDilated, DILATED)])
def test_the_reference_networks_have_the_seed_projects_tables(network, expected):
    architecture, _ = architecture_of(network(), (3, 32, 32))
    for graph in (architecture.train, architecture.eval):
        rows = table(measure(architecture, graph))
        assert [" ".join(map(str, row.model_dump().values())) for row in rows] == expected.split("\n")[1:-1]


def field(sketch, output):
    graph = sketch.graph(output)
    return measure(sketch.architecture(output), graph).fields[output]


def spans(sketch, output):
    here = field(sketch, output)
    assert here.unknown is None, here.unknown
    return [(span.rf_px, span.jump, span.start) for span in (here.h, here.w)]


def test_three_convolutions_by_hand(sketch):
    """3x3: 3, 1, -1. 3x3 stride 2: 5, 2, -2. 3x3 dilation 2: 5 + 2*2*2 = 13, 2, -2 - 2*2 = -6."""
    x = sketch.conv(sketch.conv(sketch.conv("x", 4), 4, s=2), 4, d=2)
    assert spans(sketch, x) == [(13, 2, -6)] * 2


def test_height_and_width_are_measured_apart(sketch):
    """(5, 1) with stride (1, 2): 5 rows at jump 1, 1 column at jump 2."""
    x = sketch.conv("x", 4, k=(5, 1), s=(1, 2), p=(2, 0))
    assert spans(sketch, x) == [(5, 1, -2), (1, 2, 0)]


def test_a_residual_sum_sees_the_union(sketch):
    x = sketch.conv("x", 4)
    y = sketch.call("add.Tensor", sketch.conv(x, 4, k=5), x)
    assert spans(sketch, y) == [(7, 1, -3)] * 2


def test_a_concatenation_respects_alignment(sketch):
    """Without padding a 3x3 starts at its own pixel: 0..2. The other branch, cropped by 2, sees pixel 2."""
    a = sketch.conv("x", 4, p=0)
    b = sketch.call("slice.Tensor", "x", 2, 2, shape=("batch", 3, 30, 32))
    b = sketch.call("slice.Tensor", b, 3, 4, 99, shape=("batch", 3, 30, 28))
    b = sketch.call("pad", b, [1, 1], shape=("batch", 3, 30, 30))
    y = sketch.call("cat", [a, b], 1, shape=("batch", 7, 30, 30))
    assert spans(sketch, y) == [(3, 1, 0), (4, 1, 0)]


def test_maps_of_different_jumps_have_no_common_field(sketch):
    a = sketch.conv("x", 4, s=2)
    b = sketch.conv("x", 4, k=3, d=8, p=0)
    y = sketch.call("add.Tensor", a, b)
    here = field(sketch, y)
    assert here.unknown.node.name == y
    assert "different jumps" in here.unknown.why


def test_pools_and_slices_move_the_field(sketch):
    """AvgPool 2: 2, 2, 0. Every second row from 1: rf 2, jump 4, start 2."""
    x = sketch.call("avg_pool2d", "x", [2, 2], shape=("batch", 3, 16, 16))
    y = sketch.call("slice.Tensor", x, 2, 1, 99, 2, shape=("batch", 3, 8, 16))
    assert spans(sketch, y) == [(2, 4, 2), (2, 2, 0)]


def test_same_padding_starts_where_torch_pads(sketch):
    """Dilation 2, kernel 3: two pixels before."""
    weight = sketch.tensor("w", 4, 3, 3, 3)
    y = sketch.call(
        "conv2d.padding", "x", weight, None, [1, 1], "same", [2, 2], 1, shape=("batch", 4, 32, 32)
    )
    assert spans(sketch, y) == [(5, 1, -2)] * 2


def test_a_channel_shuffle_changes_nothing(sketch):
    x = sketch.conv("x", 4)
    y = sketch.call("view", x, [-1, 2, 2, 32, 32], shape=("batch", 2, 2, 32, 32))
    y = sketch.call("transpose.int", y, 1, 2)
    y = sketch.call("reshape", y, [-1, 4, 32, 32], shape=("batch", 4, 32, 32))
    assert spans(sketch, y) == spans(sketch, x)


def test_space_to_depth_raises_the_jump(sketch):
    y = sketch.call("pixel_unshuffle", "x", 2, shape=("batch", 12, 16, 16))
    assert spans(sketch, y) == [(2, 2, 0)] * 2


def test_a_transposition_swaps_the_axes(sketch):
    x = sketch.conv("x", 4, k=(5, 1), p=(2, 0))
    y = sketch.call("transpose.int", x, 2, 3)
    y = sketch.conv(y, 4, k=(1, 3), p=(0, 1))
    assert spans(sketch, y) == [(7, 1, -3), (1, 1, 0)]


def test_a_gate_is_reported_and_adds_nothing(sketch):
    x = sketch.conv("x", 4)
    gate = sketch.call("sigmoid", sketch.gap(x))
    y = sketch.call("mul.Tensor", x, gate, layer="se")
    assert spans(sketch, y) == spans(sketch, x)
    assert measure(sketch.architecture(y), sketch.graph(y)).global_layers == ("se",)


def test_group_statistics_are_reported_and_add_nothing(sketch):
    x = sketch.conv("x", 4)
    without_cudnn = False
    y = sketch.call("group_norm", x, 2, None, None, 1e-5, without_cudnn, layer="gn")
    assert spans(sketch, y) == spans(sketch, x)
    assert measure(sketch.architecture(y), sketch.graph(y)).global_layers == ("gn",)


def test_of_two_pooled_maps_the_union_is_seen_counting_the_pool(sketch, basic, judged):
    """45 px from the map before the last, 53 + 3 * 8 = 77 px from the last."""

    def last(x):
        sketch.pooled = sketch.flatten(sketch.gap(x, layer="early"))
        return sketch.separable(x, 32, d=2, layer="dil")

    def head(x):
        late = sketch.flatten(sketch.gap(x))
        return sketch.linear(sketch.call("cat", [sketch.pooled, late], 1, shape=("batch", 64)), 10)

    facts = judged(basic(last=last, head=head)).facts
    assert (facts.receptive_field_px, facts.receptive_field_with_pool_px) == (53, 77)


def test_interpolation_gives_an_upper_bound(sketch):
    y = sketch.call("upsample_bilinear2d.vec", "x", [48, 48], False, None, shape=("batch", 3, 48, 48))
    assert not field(sketch, y).h.exact


def test_a_mirrored_map_is_unknown_and_says_why(sketch):
    y = sketch.call("flip", "x", [3])
    assert "mirrors" in field(sketch, y).unknown.why


def test_an_unknown_operator_is_named_and_never_guessed(sketch):
    x = sketch.call("special_bessel_j0", "x", "x", layer="odd")
    y = sketch.conv(x, 4)
    assert field(sketch, y).unknown.node.layer == "odd"


def test_a_layer_called_twice_has_two_rows(sketch):
    x = sketch.conv("x", 3, layer="shared")
    weight = "p_shared_weight"
    y = sketch.call("conv2d", x, weight, None, [1, 1], [1, 1], [1, 1], 1, layer="shared")
    rows = table(measure(sketch.architecture(y), sketch.graph(y)))
    assert [(row.layer, row.rf_out) for row in rows] == [("shared", 3), ("shared", 5)]


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.c = nn.Conv2d(4, 4, (5, 3), padding=(4, 1), dilation=(2, 1))
        self.d = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.b(self.a(x))
        return self.d(self.c(x)) + x


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding="same", dilation=3)
        self.pool = nn.AvgPool2d(3, 2, 1)
        self.b = nn.Conv2d(4, 4, 3, padding=1, groups=4)

    def forward(self, x):
        x = self.pool(self.a(x))
        return self.b(x[:, :, 1:, 1:]) + x.roll(1, 2)[:, :, 1:, 1:]


class Shuffled(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(16, 4, 3, padding=1)
        self.c = nn.ConvTranspose2d(4, 4, 3, padding=1)

    def forward(self, x):
        return self.c(self.b(nn.functional.pixel_unshuffle(self.a(x), 2)))


@pytest.mark.parametrize("network", [Net, NetDilated, Branches, Pooled, Shuffled])
def test_the_field_is_the_extent_of_the_input_gradient(network):
    """With positive weights every pixel in view has a gradient, and no other."""
    size = 96
    measured = _field_before_the_pool(network())
    model = network().eval()
    if isinstance(model, Net | NetDilated):
        side = size // measured.h.jump
        model.gap, model.fc = nn.Identity(), nn.Unflatten(1, (model.fc.in_features, side, side))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    image = torch.rand(1, 3, size, size, requires_grad=True)
    value = model(image)
    row, column = value.shape[2] // 2, value.shape[3] // 2
    value[0, :, row, column].sum().backward()
    seen = image.grad.abs().sum((0, 1)) > 0
    rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
    for indices, position, span in ((rows, row, measured.h), (columns, column, measured.w)):
        assert indices[0] == span.start + position * span.jump
        assert indices[-1] - indices[0] + 1 == span.rf_px


def _field_before_the_pool(model):
    architecture, _ = architecture_of(model, (3, 32, 32))
    measured = measure(architecture, architecture.eval)
    return next(f for node in reversed(measured.nodes) if (f := measured.fields[node.name]).is_map)


def test_a_softmax_over_a_map_of_one_position_looks_no_further(sketch):
    x = sketch.call("avg_pool2d", "x", [20, 20], shape=("batch", 3, 1, 1))
    y = sketch.call("log_softmax.int", sketch.call("view", x, [-1, 3], shape=("batch", 3)), -1)
    assert measure(sketch.architecture(y), sketch.graph(y)).global_layers == ()


def mixed(sketch):
    """Rows and columns behind a matrix product, laid out as a map again."""
    flat = sketch.call("view", "x", [-1, 3, 1024], shape=("batch", 3, 1024))
    product = sketch.call("matmul", flat, sketch.tensor("eye", 1024, 1024), shape=("batch", 3, 1024))
    return sketch.call("view", product, [-1, 3, 32, 32], shape=("batch", 3, 32, 32))


@pytest.mark.parametrize("slide", ["conv", "avg_pool2d"])
def test_what_was_mixed_from_rows_and_columns_is_nothing_to_slide_over(sketch, slide):
    x = mixed(sketch)
    slid = (
        sketch.conv(x, 4)
        if slide == "conv"
        else sketch.call("avg_pool2d", x, [2, 2], shape=("batch", 3, 16, 16))
    )
    measured = measure(sketch.architecture(slid), sketch.graph(slid))
    field = measured.fields[slid]
    assert field.unknown is None or "computed from several rows or columns" in field.unknown.why
    assert field.layout is None


@pytest.mark.parametrize(("shift", "moved"), [(4, 0), (3, -1), (1, 1), (-2, 2), (8, 0)])
def test_rolling_goes_the_shorter_way_around(sketch, shift, moved):
    x = sketch.conv("x", 4, s=8, k=8, p=0)
    rolled = sketch.call("roll", x, [shift], [2])
    fields = measure(sketch.architecture(rolled), sketch.graph(rolled)).fields
    assert abs(fields[rolled].h.start - fields[x].h.start) == abs(moved) * 8
