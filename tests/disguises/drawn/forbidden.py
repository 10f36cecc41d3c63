"""Draw networks that break a rule, dressed up in identities, zeros, copies and other forms of the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drawn.identities import DEAD, LIVE, SAME
from drawn.standard import standard
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[str]], str]


@dataclass(frozen=True)
class Disguise:
    """A network, and the rules that it breaks."""

    breaks: tuple[str, ...]
    source: str


POOLS = (
    "{x} = F.max_pool2d({x}, 4)",
    "{x} = F.adaptive_max_pool2d({x}, 4)",
    "{x} = -F.max_pool2d(-{x}, 4)",
    "{x} = F.max_pool3d({x}, (1, 4, 4))",
    "{x} = F.max_pool1d({x}.flatten(2), 16)[..., None].expand(-1, -1, -1, 4)[:, :, :4]",
    "{x} = {x}.unflatten(3, (4, 4)).unflatten(2, (4, 4)).amax((3, 5))",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).max(-1)[0]",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).sort(-1)[0][..., -1]",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).topk(2, -1)[0].mean(-1)",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).median(-1)[0]",
    "{x} = {x}.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).kthvalue(16, -1)[0]",
    "{x} = F.unfold({x}, 4, stride=4).unflatten(1, (-1, 16)).amax(2).unflatten(2, (4, 4))",
    "{x} = F.pixel_unshuffle({x}, 4).unflatten(1, (-1, 16)).amax(2)",
)
"""Make 4 x 4 maps of 16 x 16 ones by a maximum."""

COPIES = (
    "{x}.roll({i}, 2)",
    "{x}.roll(({i}, {j}), (2, 3))",
    "F.pad({x}, (2, 2, 2, 2))[:, :, {i}:{i} + {h}, {j}:{j} + {w}]",
    "F.pad({x}, (0, 0, {i}, -{i}))",
    "{x}[:, :, [*range({i}, {h}), *range({i})]]",
    "{x}.index_select(2, (torch.arange({h}) + {i}) % {h})",
    "torch.cat([{x}[:, :, {i}:], {x}[:, :, :{i}]], 2)",
    "torch.eye({h}).roll({i}, 0) @ {x}",
    "torch.einsum('nchw,wv->nchv', {x}, torch.eye({w}).roll({j}, 0))",
    "F.conv2d({x}, torch.eye({c})[:, :, None, None] * torch.eye(9)[{i}].view(3, 3), padding=1)",
    "F.conv2d({x}, torch.eye(9)[{i}].view(1, 1, 3, 3).repeat({c}, 1, 1, 1), padding=1, groups={c})",
    "F.avg_pool2d(F.pad({x}, (2, 2, 2, 2))[:, :, {i}:{i} + {h}, {j}:{j} + {w}], 1)",
    "F.unfold({x}, 3, padding=1).unflatten(1, (-1, 9))[:, :, {i}].unflatten(2, ({h}, {w}))",
    "{x}.unfold(2, {h}, 1)[:, :, 0].transpose(2, 3).roll({i}, 2)",
    "{x}.flip(2)",
    "{x}.rot90({i}, (2, 3))",
    "{x}.transpose(2, 3)",
)
"""Expressions of a map whose positions stand elsewhere; i and j are 1 or 2."""

LARGER = (
    "torch.maximum({a}, {b})",
    "torch.max({a}, {b})",
    "torch.fmax({a}, {b})",
    "-torch.minimum(-{a}, -{b})",
    "torch.where({a} > {b}, {a}, {b})",
    "torch.where({b}.gt({a}).logical_not(), {a}, {b})",
    "({a} > {b}) * {a} + ({a} <= {b}) * {b}",
    "torch.clamp({a}, min={b})",
    "torch.clamp_min({a}, {b})",
    "torch.stack([{a}, {b}]).amax(0)",
    "torch.stack([{a}, {b}], -1).max(-1)[0]",
    "torch.stack([{a}, {b}], -1).sort(-1)[0][..., 1]",
    "torch.stack([{a}, {b}], 1).flatten(1, 2).unflatten(1, (2, -1)).amax(1)",
    "torch.stack([{a}, {b}]).topk(1, 0)[0][0]",
    "torch.stack([{a}, {b}]).cummax(0)[0][1]",
    "torch.stack([{a}, {b}]).quantile(1.0, dim=0)",
    "torch.stack([{a}, {b}]).gather(0, torch.stack([{a}, {b}]).argmax(0, keepdim=True))[0]",
    "F.max_pool1d(torch.stack([{a}, {b}], -1).flatten(1, 3), 2).view_as({a})",
    "torch.lerp({a}, {b}, ({b} > {a}).float())",
    "{a}.where({a} > {b}, {b})",
    "(torch.stack([{a}, {b}]) * (1e4 * torch.stack([{a}, {b}])).softmax(0)).sum(0)",
    "(1e2 * torch.stack([{a}, {b}])).logsumexp(0) / 1e2",
    "torch.logaddexp(50 * {a}, 50 * {b}) / 50",
    "torch.log(torch.exp(30 * {a}) + torch.exp(30 * {b})) / 30",
    "torch.linalg.vector_norm(torch.stack([F.relu({a}), F.relu({b})]), 40, 0)",
    "(F.relu({a}) ** 20 + F.relu({b}) ** 20 + 1e-9) ** 0.05",
)
"""Expressions of the larger one, or nearly so, of two values."""

HEADS = (
    "return self.fc({x}[:, :, 2].mean(2))",
    "return self.fc({x}[:, :, :, 1].mean(2))",
    "return self.fc({x}[:, :, 1:3, 1:3].mean((2, 3)))",
    "return self.fc({x}[:, :, ::2].mean((2, 3)))",
    "return self.fc({x}[:, :, 0, 0])",
    "return self.fc(F.avg_pool2d({x}, 2)[:, :, 0, 0])",
    "return self.fc(F.avg_pool2d({x}, 3).flatten(1))",
    "return self.fc(F.adaptive_avg_pool2d({x}, 2)[:, :, 1].mean(2))",
    "return self.fc(F.adaptive_avg_pool2d({x}[:, :, 1:], 1).flatten(1))",
    "return self.fc({x}.flatten(2) @ self.weight)",
    "return self.fc(torch.einsum('ncp,p->nc', {x}.flatten(2), self.weight))",
    "return self.fc(F.linear({x}.flatten(2), self.weight[None])[:, :, 0])",
    "return self.fc(({x}.flatten(2) * self.weight.softmax(0)).sum(2))",
    "return self.fc(({x}.flatten(2) * {x}.flatten(2).mean(1, keepdim=True).softmax(2)).sum(2))",
    "return self.fc(({x}.flatten(2) * {x}.flatten(2).softmax(2)).sum(2))",
    "t = {x}.flatten(2).mT; "
    "return self.fc(F.scaled_dot_product_attention(self.query.expand(t.size(0), 1, 64), t, t)[:, 0])",
    "return self.fc(F.conv2d({x}, self.kernel, groups=64).flatten(1))",
    "return self.fc(F.conv2d({x}, self.kernel, groups=64).mean((2, 3)))",
    "return self.fc(F.adaptive_avg_pool2d(F.conv2d({x}, self.kernel, groups=64), 1).flatten(1))",
    "return self.fc({x}.square().mean((2, 3)).sqrt())",
    "return self.fc({x}.mean((2, 3)).relu())",
    "return self.fc({x}.mean((2, 3)) + {x}[:, :, 0, 0])",
    "return self.fc({x}.mean((2, 3))) + self.fc({x}[:, :, 0, 0])",
    "return self.fc({x}.mean((2, 3))) * self.fc({x}.mean((2, 3))).sigmoid()",
    "return self.flat({x}.flatten(1))",
    "return self.flat({x}.flatten(1)) + self.fc({x}.mean((2, 3)))",
    "return self.fc({x}.median(3)[0].mean(2))",
    "return self.fc({x}.logsumexp((2, 3)))",
)
"""Heads that are no global average and one Linear, of 64 maps of 4 x 4."""
HEAD_SETUP = (
    "self.weight = nn.Parameter(torch.rand(16))",
    "self.query = nn.Parameter(torch.randn(1, 1, 64))",
    "self.kernel = nn.Parameter(torch.randn(64, 1, 4, 4))",
    "self.flat = nn.Linear(1024, 10)",
)

MODES = (
    "{x} = self.one({x}) if self.training else self.two({x})",
    "{x} = self.one({x}) if self.training else self.one({x}).sin()",
    "{x} = {x} + self.one({x}) if self.training else {x}",
    "{x} = {x} if self.training else {x}.flip(1)",
    "{x} = {x} * (1.0 if self.training else 2.0)",
    "{x} = F.relu({x}) if self.training else F.leaky_relu({x}, 0.3)",
    "t = self.mean if self.training else self.mean2; "
    "{x} = F.batch_norm({x}, t, self.var, training=self.training)",
    "{x} = F.batch_norm({x}, self.mean, self.var, training=self.training, momentum=0.0)",
    "{x} = F.batch_norm({x}, self.mean, self.var, training=self.training, momentum=1.0)",
    "{x} = F.batch_norm({x}, self.mean, self.var, training=not self.training)",
    "{x} = {x} + F.dropout(self.one({x}), 1 - 1e-12, self.training)",
    "{x} = {x} + F.dropout(self.one({x}), 0.9999, self.training)",
    "{x} = {x} + F.dropout(self.one({x}), 1.0, self.training)",
    "{x} = {x} - {x}.mean(0)",
    "{x} = {x} - {x}.mean(0, keepdim=True)",
    "{x} = {x} - {x}.flip(0)",
    "{x} = {x} + {x}.roll(1, 0)",
    "{x} = {x} * {x}.std(0, unbiased=False)",
    "{x} = {x} + {x}.cumsum(0) * 0.1",
    "{x} = {x} * {x}.softmax(0)",
    "{x} = {x} - ({x}.new_ones({x}.size(0)).sum() > 32).float() * {x}.mean(0)",
    "{x} = {x} - ({x}.new_ones({x}.size(0)).sum() > 60).float() * {x}.flip(0)",
    "{x} = {x} * (1 + {x}.size(0) / 100)",
    "{x} = {x} + {x}[:1]",
    "{x} = {x} + torch.rand_like({x})",
    "{x} = F.dropout({x}, 0.3, True)",
    "{x} = F.dropout({x}, 0.3, not self.training)",
    "{x} = {x} * torch.bernoulli(torch.full_like({x}, 0.5))",
)
"""Lines after which evaluation is not what was trained, or sees more than one image; 64 maps of 4 x 4."""
MODE_SETUP = (
    "self.one, self.two = nn.Conv2d(64, 64, 1), nn.Conv2d(64, 64, 1)",
    "self.register_buffer('mean', torch.zeros(64)); self.register_buffer('var', torch.ones(64))",
    "self.register_buffer('mean2', torch.randn(64))",
)

TABLES = (
    ("self.register_buffer('table', torch.randn(1, 640, 16, 16))", "b = self.table"),
    ("self.table = torch.randn(1, 640, 16, 16)", "b = self.table"),
    ("self.table = nn.Parameter(torch.randn(1, 640, 16, 16), requires_grad=False)", "b = self.table"),
    ("self.register_buffer('table', torch.randn(1, 640, 16, 16).double())", "b = self.table.float()"),
    ("self.register_buffer('table', torch.randn(1, 1280, 16, 16).half())", "b = self.table.float()[:, 640:]"),
    ("self.register_buffer('table', torch.randn(1, 320, 16, 16, dtype=torch.complex64))",
     "b = torch.view_as_real(self.table).permute(0, 1, 4, 2, 3).flatten(1, 2)"),
    ("self.register_buffer('table', torch.randint(0, 2**62, (1, 640, 16, 16)))", "b = self.table % 7 / 7"),
    ("self.register_buffer('table', torch.randint(0, 2**62, (1, 260, 16, 16)))",
     "b = torch.cat([self.table // 256**i % 256 / 256 for i in range(7)], 1)[:, :640]"),
    ("self.register_buffer('table', torch.randint(0, 255, (1, 3200, 16, 16), dtype=torch.uint8))",
     "b = self.table.float().unflatten(1, (5, 640)).mean(1)"),
    ("self.register_buffer('table', torch.randn(163840)); self.register_buffer('one', torch.ones(163840))",
     "b = F.batch_norm(torch.zeros(2, 163840), self.table, self.one)[:1].view(1, 640, 16, 16)"),
    ("self.register_buffer('table', torch.randn(163840)); self.register_buffer('one', torch.ones(163840))",
     "b = F.batch_norm(torch.ones(2, 163840), self.one, self.table.square())[:1].view(1, 640, 16, 16)"),
    ("self.register_buffer('table', torch.randn(163840)); self.register_buffer('one', torch.ones(163840))",
     "b = F.instance_norm(torch.zeros(1, 163840, 2), self.table, self.one, use_input_stats=False)[..., 0]; "
     "b = b.view(1, 640, 16, 16)"),
    ("self.norm = nn.BatchNorm1d(163840, affine=False); self.norm.running_mean.normal_()",
     "b = self.norm.eval()(torch.zeros(2, 163840))[:1].view(1, 640, 16, 16)"),
)  # fmt: skip
"""Tables of 640 maps of 16 x 16, or as many bytes, and how they are read."""


def written_in(name: str, sizes: tuple[int, int], lines: Sequence[str]) -> list[str]:
    """Write lines for a variable of maps of (C, H): as many rows as columns."""
    channels, side = sizes
    return [line.replace("{x}", name).format(c=channels, h=side, w=side) for line in lines]


@st.composite
def hidden_pool(draw: Draw) -> Disguise:
    """A max-pool in a branch of its own, behind lines that look like zero or like something else."""
    before, after = draw(laundered(SAME)), draw(laundered(SAME + LIVE))
    pool = draw(st.sampled_from(POOLS))
    lines = [
        "h = F.relu(self.h1(image))",
        *written_in("h", (8, 16), before),
        *written_in("h", (8, 16), [pool]),
        *written_in("h", (8, 4), after),
        "x = self.wide(x) + self.h2(h)",
    ]
    setup = ["self.h1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)", "self.h2 = nn.Conv2d(8, 64, 1)"]
    return Disguise(("no_max_pool",), standard(setup, LAST=lines))


@st.composite
def maximum_of_copies(draw: Draw) -> Disguise:
    """The larger one of a map and of itself moved, each behind identities."""
    i, j = draw(st.sampled_from("12")), draw(st.sampled_from("12"))
    copy = draw(st.sampled_from(COPIES)).replace("{i}", i).replace("{j}", j)
    larger = draw(st.sampled_from(LARGER)).format(a="a", b="b")
    lines = [
        "x = F.relu(x); a = x",
        *written_in("a", (32, 16), draw(laundered(SAME))),
        *written_in("x", (32, 16), ["b = " + copy]),
        *written_in("b", (32, 16), draw(laundered(SAME))),
        f"x = {larger}",
        *written_in("x", (32, 16), draw(laundered(SAME, 1))),
    ]
    return Disguise(("no_max_pool",), standard((), MIDDLE=lines))


@st.composite
def uncounted_table(draw: Draw) -> Disguise:
    """More numbers than are allowed, none of them a parameter by its looks."""
    setup, read = draw(st.sampled_from(TABLES))
    lines = [
        read,
        *written_in("b", (640, 16), draw(laundered(LIGHT + LIVE))),
        "x = F.relu(x) + b.unflatten(1, (20, 32)).mean(1)",
    ]
    return Disguise(("max_parameters",), standard([setup], MIDDLE=lines))


@st.composite
def other_head(draw: Draw) -> Disguise:
    """A head that weighs the positions of the last map, or does more than one Linear."""
    before = written_in("x", (64, 4), draw(laundered(SAME)))
    head = written_in("x", (64, 4), [draw(st.sampled_from(HEADS))])
    return Disguise(("gap_linear_head",), standard(HEAD_SETUP, HEAD=[*before, *head]))


@st.composite
def other_in_eval(draw: Draw) -> Disguise:
    """Something that only one mode does, or that looks at the batch, upstream of what looks like zero."""
    line = written_in("h", (64, 4), [draw(st.sampled_from(MODES))])
    after = written_in("h", (64, 4), draw(laundered(SAME + LIVE)))
    lines = ["h = x", *line, *after, "x = self.wide(x) + h"]
    return Disguise(("same_graph_in_eval",), standard(MODE_SETUP, LAST=lines))


@st.composite
def dead_dilation(draw: Draw) -> Disguise:
    """The only dilated convolution, and with it the receptive field, in a branch that is zero."""
    before, after = draw(laundered(SAME, 1)), draw(laundered(SAME, 1))
    lines = [
        "y = self.wide(x)",
        *written_in("y", (64, 4), [*before, draw(st.sampled_from(DEAD)), *after]),
        "x = x + y",
    ]
    return Disguise(("dilation", "min_receptive_field"), standard((), LAST=lines))


@st.composite
def dead_pair(draw: Draw) -> Disguise:
    """The only depthwise-separable pair beside a full convolution, as a whole or its first half, and zero."""
    dead = written_in("y", (32, 16), [*draw(laundered(SAME, 1)), draw(st.sampled_from(DEAD))])
    whole = ["y = self.pw(self.dw(x))", *dead, "x = self.full(x) + y"]
    half = ["y = self.dw(x)", *dead, "x = self.pw(self.full(x) + y)"]
    setup = ["self.full = nn.Conv2d(32, 32, 3, padding=1)"]
    lines = draw(st.sampled_from([whole, half]))  # type: ignore[arg-type]
    return Disguise(("depthwise_separable",), standard(setup, PAIR=lines))


LIGHT = tuple(line for line in SAME if "diag" not in line and "eye" not in line and "sort" not in line)
"""Those that cost little on many channels."""


def laundered(lines: Sequence[str], most: int = 2) -> st.SearchStrategy[list[str]]:
    """Draw up to `most` lines; the fewer, the simpler."""
    return st.lists(st.sampled_from(lines), max_size=most)


DISGUISES: Mapping[str, st.SearchStrategy[Disguise]] = {
    strategy.__name__: strategy()
    for strategy in (
        hidden_pool, maximum_of_copies, uncounted_table, other_head, other_in_eval, dead_dilation, dead_pair,
    )
}  # fmt: skip
