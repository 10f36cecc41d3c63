"""Draw networks that keep every rule of variant basic, in as many idioms as students write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from drawn.standard import written
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy], object]  # type: ignore[type-arg]

ACTIVATIONS = (
    "x = F.relu(x)", "x = F.leaky_relu(x, 0.1)", "x = F.gelu(x)", "x = F.silu(x)", "x = F.hardswish(x)",
    "x = F.elu(x)", "x = x.relu()", "x = torch.relu(x)", "x = x.clamp(min=0)", "x = torch.tanh(x)",
    "x = F.relu(x, inplace=True)", "x = F.relu6(x)", "x = F.mish(x)", "x = x * torch.sigmoid(x)",
)  # fmt: skip
NORMS = (
    "nn.BatchNorm2d({c})",
    "nn.BatchNorm2d({c}, momentum=0.05)",
    "nn.GroupNorm(4, {c})",
    "nn.GroupNorm(1, {c})",
    "nn.InstanceNorm2d({c})",
    "nn.InstanceNorm2d({c}, affine=True)",
)
HEADS = (
    "x = x.mean((2, 3))",
    "x = x.mean([-1, -2])",
    "x = x.mean(3).mean(2)",
    "x = x.flatten(2).mean(2)",
    "x = F.adaptive_avg_pool2d(x, 1).flatten(1)",
    "x = F.adaptive_avg_pool2d(x, (1, 1)).view(x.size(0), -1)",
    "x = torch.flatten(F.avg_pool2d(x, 4), 1)",
    "x = F.avg_pool2d(x, x.size()[2:])[:, :, 0, 0]",
    "x = nn.AdaptiveAvgPool2d(1)(x).squeeze(-1).squeeze(-1)",
    "x = x.mean(2, keepdim=True).mean(3, keepdim=True).reshape(x.shape[0], -1)",
    "x = x.sum((2, 3)) / (x.size(2) * x.size(3))",
)
CLASSIFIERS = (
    ("self.fc = nn.Linear({c}, 10)", "x = self.fc(x)"),
    ("self.fc = nn.Linear({c}, 10, bias=False)", "x = self.fc(x)"),
    ("self.fc = nn.Sequential(nn.Dropout(0.2), nn.Linear({c}, 10))", "x = self.fc(x)"),
    ("self.k = nn.Parameter(torch.randn(10, {c}) * 0.1)", "x = F.linear(x, self.k)"),
    ("self.k = nn.Parameter(torch.randn({c}, 10) * 0.1)", "x = x @ self.k"),
)
ENDS = ("return x", "return x", "return F.log_softmax(x, 1)", "return x.log_softmax(dim=-1)")
SCALED = ("return x * 0.5", "return x / 4", "return 10.0 * x")
"""A number that scales the logits."""


@dataclass
class Draft:
    """A network under way: its lines, and the size of the maps that it has come to."""

    draw: Draw
    channels: int = 3
    setup: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)

    def one_of(self, choices: Sequence[str]) -> str:
        """Draw one of several."""
        return str(self.draw(st.sampled_from(choices)))

    def chance(self) -> bool:
        """Draw yes or no; no is simpler."""
        return bool(self.draw(st.booleans()))

    def name(self) -> str:
        """Give a layer a name of its own."""
        return f"layer{len(self.setup)}"

    def layer(self, built: str, call: str = "x = self.{n}(x)") -> None:
        """Add a layer and the line that calls it."""
        name = self.name()
        self.setup.append(f"self.{name} = {built}")
        self.forward.append(call.replace("{n}", name))

    def conv(self, out: int, kernel: int = 3, stride: int = 1, dilation: int = 1, groups: int = 1) -> None:
        """Add a convolution that keeps the size, as a layer or as a function."""
        padding = dilation * (kernel // 2)
        options = f"stride={stride}, padding={padding}, dilation={dilation}, groups={groups}"
        if self.chance():
            scale = 1 / (self.channels // groups * kernel * kernel) ** 0.5
            shape = f"{out}, {self.channels // groups}, {kernel}, {kernel}"
            self.layer(
                f"nn.Parameter(torch.randn({shape}) * {scale:.3f})", f"x = F.conv2d(x, self.{{n}}, {options})"
            )
        else:
            bias = self.one_of(["True", "False"])
            self.layer(f"nn.Conv2d({self.channels}, {out}, {kernel}, {options}, bias={bias})")
        self.channels = out

    def settle(self) -> None:
        """Normalise, activate or drop out, or not."""
        norm = self.one_of(NORMS).format(c=self.channels) if self.chance() else ""
        if norm:
            self.layer(norm)
        # An instance-norm leaves no mean for a global average, unless an activation makes one.
        if "InstanceNorm" in norm or self.chance():
            self.forward.append(self.one_of(ACTIVATIONS))
        if self.chance():
            self.layer(self.one_of(["nn.Dropout(0.1)", "nn.Dropout2d(0.1)", "nn.Identity()"]))

    def branch(self, steps: Callable[[], None]) -> None:
        """Do steps on a branch that is then added."""
        kept = f"kept{len(self.forward)}"
        self.forward.append(f"{kept} = x")
        steps()
        self.forward.append(
            self.one_of([f"x = x + {kept}", f"x = {kept} + 0.5 * x", f"x = torch.add({kept}, x)"])
        )


def pair(draft: Draft) -> None:
    """Add a depthwise-separable pair, with what may stand between its halves."""
    channels = draft.channels
    depthwise = f"nn.Conv2d({channels}, {channels}, 3, padding={{p}}, dilation={{d}}, groups={channels})"
    form = draft.one_of(["plain", "padded", "sum"])
    if form == "plain":
        draft.conv(channels, groups=channels)
    elif form == "padded":
        draft.layer(depthwise.format(p=0, d=1))
        draft.forward.append("x = F.pad(x, (1, 1, 1, 1))")
    else:
        first = draft.name()
        draft.setup.append(f"self.{first} = {depthwise.format(p=1, d=1)}")
        draft.layer(depthwise.format(p=1, d=1), f"x = self.{first}(x) + self.{{n}}(x)")
    between(draft)
    pointwise(draft, channels)


def between(draft: Draft) -> None:
    """Add what may stand between the two halves of a pair."""
    kind = draft.one_of(["nothing", "settle", "layer norm", "shuffle"])
    if kind == "settle":
        draft.settle()
    elif kind == "layer norm":
        draft.layer(
            f"nn.LayerNorm({draft.channels})", "x = self.{n}(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)"
        )
    elif kind == "shuffle":
        draft.forward.append("x = F.channel_shuffle(x, 4)")


def pointwise(draft: Draft, out: int) -> None:
    """Add the mixing of all channels, as a convolution, or as a Linear over channels."""
    if draft.chance():
        draft.layer(
            f"nn.Linear({draft.channels}, {out})",
            "x = self.{n}(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()",
        )
        draft.channels = out
    else:
        draft.conv(out, kernel=1)


def gate(draft: Draft) -> None:
    """Add a squeeze-and-excite gate."""
    channels = draft.channels
    name = draft.name()
    layers = f"nn.Linear({channels}, 4), nn.ReLU(), nn.Linear(4, {channels}), nn.Sigmoid()"
    draft.setup.append(f"self.{name} = nn.Sequential({layers})")
    draft.forward.append(f"x = x * self.{name}(x.mean((2, 3)))[:, :, None, None]")


def extras(draft: Draft) -> None:
    """Add things that break no rule where they stand."""
    for kind in draft.draw(st.lists(st.sampled_from(EXTRAS), max_size=2)):  # type: ignore[attr-defined]
        kind(draft)


def without_gradient(draft: Draft) -> None:
    """Subtract a statistic that no gradient flows through."""
    draft.forward += ["with torch.no_grad():", "    m = x.mean(1, keepdim=True)", "x = x - m"]


EXTRAS: tuple[Callable[[Draft], None], ...] = (
    gate,
    without_gradient,
    Draft.settle,
    lambda draft: draft.branch(lambda: pair(draft)),
    lambda draft: draft.branch(lambda: draft.conv(draft.channels)),
    lambda draft: draft.conv(draft.channels, kernel=1),
    lambda draft: draft.forward.append("x = F.channel_shuffle(x, 2)"),
    lambda draft: draft.forward.append("x = x * 0.5 + 0.1"),
    lambda draft: draft.forward.append("x = torch.maximum(x, 0.1 * x)"),
    lambda draft: draft.forward.append("x = x * torch.sigmoid(x.amax(1, keepdim=True))"),
    lambda draft: draft.layer("nn.Parameter(torch.ones(1))", "x = x * self.{n}"),
)


@st.composite
def honest(draw: Draw) -> str:
    """Write a network that keeps every rule; 8 to 16, 16 to 32 and 32 to 48 channels."""
    draft = Draft(draw)
    widths = [draw(st.sampled_from(sizes)) for sizes in ((8, 12, 16), (16, 24, 32), (32, 40, 48))]
    narrow, middle, wide = map(int, widths)  # type: ignore[call-overload]
    draft.conv(narrow)
    draft.settle()
    if draft.chance():
        draft.branch(lambda: draft.conv(narrow))
    draft.conv(middle, stride=2)
    draft.settle()
    pair(draft)
    extras(draft)
    draft.conv(middle, stride=2)
    draft.settle()
    draft.conv(wide, stride=2)
    extras(draft)
    dilated(draft, 2)
    draft.settle()
    if draft.chance():
        dilated(draft, int(draw(st.sampled_from([2, 3]))))  # type: ignore[call-overload]
    head(draft)
    return written(draft.setup, draft.forward)


def dilated(draft: Draft, dilation: int) -> None:
    """Add a dilated convolution, on a branch or not, full or depthwise-separable."""

    def steps() -> None:
        depthwise = draft.chance()
        draft.conv(draft.channels, dilation=dilation, groups=draft.channels if depthwise else 1)
        if depthwise:
            between(draft)
            pointwise(draft, draft.channels)

    if draft.chance():
        draft.branch(steps)
    else:
        steps()


def head(draft: Draft) -> None:
    """Add the global average, the one Linear, and what may end it."""
    draft.forward.append(draft.one_of(HEADS))
    setup, call = draft.draw(st.sampled_from(CLASSIFIERS))  # type: ignore[misc]
    draft.setup.append(setup.format(c=draft.channels))
    draft.forward += [call, draft.one_of([*ENDS, *SCALED])]
