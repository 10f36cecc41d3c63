"""Networks of a made-up class: each is a list of steps, from which both its source and its truth follow.

The truth is arithmetic on the steps, and what a step is known to break: nothing here asks the harness.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

MAX_PARAMETERS, MIN_FIELD_PX = 199_999, 45
RULES = (
    "max_parameters", "no_max_pool", "downsampling", "depthwise_separable", "dilation", "min_receptive_field",
    "gap_linear_head", "same_graph_in_eval", "untrained_at_chance", "augmentation",
)  # fmt: skip

BLOCKS = {
    "block": """
def block(c_in, c_out, kernel=3, stride=1, dilation=1):
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )
""",
    "ConvBlock": """
class ConvBlock(nn.Module):
    def __init__(self, c_in, c_out, kernel=3, stride=1, dilation=1):
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))
""",
    "ConvBNReLU": """
class ConvBNReLU(nn.Sequential):
    def __init__(self, c_in, c_out, kernel=3, stride=1, dilation=1):
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=dilation * (kernel - 1) // 2,
                      dilation=dilation, bias=False),
            nn.BatchNorm2d(c_out),
            nn.LeakyReLU(0.1),
        )
""",
}
"""How the students of this class write convolution, batch-norm and activation."""


@dataclass(frozen=True)
class Step:
    """One step of a network: how it is written, and what it does.

    `make` builds it, if there is anything to build; in `call`, ``{self}`` is what was built. `numbers` counts
    its parameters. `breaks` names the rules that the step breaks wherever it stands.
    """

    name: str
    make: str = ""
    call: str = "{self}(x)"
    kind: Literal["convolution", "depthwise", "other"] = "other"
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    channels: tuple[int, int] = (0, 0)
    numbers: int = 0
    breaks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Network:
    """A network of one variant: its steps, then a head on `channels` maps."""

    steps: tuple[Step, ...]
    variant: str = "basic"
    head: tuple[str, ...] = ("self.fc = nn.Linear({c}, {classes})",)
    returns: str = "self.fc(x.mean((2, 3)))"
    head_numbers: Callable[[int], int] = field(default=lambda c: 10 * c + 10)
    breaks: frozenset[str] = frozenset()

    def at(self, name: str) -> Step:
        """Find a step by its name."""
        return next(step for step in self.steps if step.name == name)

    def instead_of(self, name: str, *steps: Step) -> "Network":
        """Replace a step, if there is one of that name, by others; by none, it is left out."""
        here = next((i for i, step in enumerate(self.steps) if step.name == name), len(self.steps))
        return replace(self, steps=(*self.steps[:here], *steps, *self.steps[here + 1 :]))

    def after(self, name: str, *steps: Step) -> "Network":
        """Put further steps after one."""
        return self.instead_of(name, self.at(name), *steps)

    @property
    def channels(self) -> int:
        """Channels of the last map."""
        return [step.channels[1] for step in self.steps if step.channels[1]][-1]

    @property
    def parameters(self) -> int:
        """Every number of the steps and the head."""
        return sum(step.numbers for step in self.steps) + self.head_numbers(self.channels)

    @property
    def field_px(self) -> int:
        """Receptive field of the last map. Source: Araujo, Norris, Sim 2019, doi 10.23915/distill.00021."""
        field_px, jump = 1, 1
        for step in self.steps:
            field_px += (step.kernel - 1) * step.dilation * jump
            jump *= step.stride
        return field_px

    @property
    def failed(self) -> tuple[str, ...]:
        """The rules that the network breaks, in the order of the assignment."""
        broken = set(self.breaks).union(*(step.breaks for step in self.steps))
        measured = {
            "max_parameters": self.parameters <= MAX_PARAMETERS,
            "min_receptive_field": self.field_px >= MIN_FIELD_PX,
            **(_basic(self.steps) if self.variant == "basic" else _dilated(self.steps)),
        }
        broken |= {rule for rule, kept in measured.items() if not kept}
        return tuple(rule for rule in RULES if rule in broken)


def convolution(
    name: str, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, dilation: int = 1, groups: int = 1
) -> Step:
    """Build a convolution with batch-norm and activation, as the student writes it; with groups, without."""
    numbers = kernel**2 * c_in * c_out // groups
    if groups == 1:
        make = f"{{block}}({c_in}, {c_out}, kernel={kernel}, stride={stride}, dilation={dilation})"
        numbers += 2 * c_out
    else:
        make = (
            f"nn.Conv2d({c_in}, {c_out}, {kernel}, stride={stride}, padding={dilation * (kernel - 1) // 2}, "
            f"dilation={dilation}, groups={groups}, bias=False)"
        )
    kind: Literal["convolution", "depthwise"] = "depthwise" if groups == c_in > 1 else "convolution"
    return Step(name, make, "{self}(x)", kind, kernel, stride, dilation, (c_in, c_out), numbers)


def separable(name: str, c_in: int, c_out: int, **how: int) -> tuple[Step, Step]:
    """Build a depthwise convolution and a pointwise one."""
    return (
        convolution(f"{name}_dw", c_in, c_in, groups=c_in, **how),
        convolution(f"{name}_pw", c_in, c_out, kernel=1),
    )


def basic(rng: Random) -> Network:
    """Build a network of variant basic that keeps every rule: 5 to 8 convolutions of chosen widths."""
    a, b, c, d, e = (
        rng.choice(widths) for widths in ((8, 12, 16), (16, 20, 24), (24, 32), (32, 40), (40, 48))
    )
    more = rng.random()
    return Network(
        (
            convolution("c1", 3, a, kernel=rng.choice((3, 5))),
            *((convolution("c1b", a, a),) if more < 0.4 else ()),
            convolution("s1", a, b, stride=2),
            *separable("d", b, c),
            convolution("s2", c, d, stride=2),
            *(separable("m", d, d) if more > 0.6 else ()),
            convolution("s3", d, e, stride=2),
            convolution("wide", e, e, dilation=rng.choice((2, 3))),
        )
    )


def dilated(rng: Random) -> Network:
    """Build a network of variant dilated that keeps every rule."""
    a, b = rng.choice((8, 12, 16)), rng.choice((16, 24))
    first = rng.choice((2, 3))
    return Network(
        (
            convolution("c1", 3, a),
            convolution("w2", a, a, dilation=first),
            convolution("w4", a, a, dilation=4),
            *separable("d", a, b, dilation=8),
            convolution("w8", b, b, dilation=8),
        ),
        variant="dilated",
    )


def source(network: Network, rng: Random, class_name: str, classes: int = 10) -> str:
    """Write a network down as one of several students would."""
    block = rng.choice(sorted(BLOCKS))
    built, called = (_one_by_one if rng.random() < 0.6 else _in_sequence)(network.steps)
    head = [line.format(c=network.channels, classes=classes) for line in network.head]
    lines = [
        "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n",
        BLOCKS[block],
        f"\nclass {class_name}(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        {line.format(block=block)}" for line in built),
        *(f"        {line}" for line in head),
        "",
        "    def forward(self, x):",
        *(f"        x = {line}" for line in called),
        f"        return {network.returns}",
        "",
    ]
    return "\n".join(lines)


# Private functions


def _basic(steps: tuple[Step, ...]) -> dict[str, bool]:
    strided = [i for i, step in enumerate(steps) if step.stride > 1]
    proper = [i for i in strided if steps[i].kind != "other" and (steps[i].kernel, steps[i].stride) == (3, 2)]
    convolved = [i for i in strided if steps[i].kind != "other"]
    depthwise = [i for i, step in enumerate(steps) if step.kind == "depthwise" and step.kernel > 1]
    wide = [i for i, step in enumerate(steps) if _is_dilated(step)]
    return {
        "downsampling": len(strided) == len(proper) == 3,
        "depthwise_separable": _is_separable(steps, depthwise) and depthwise[0] > convolved[0],
        "dilation": any(i > convolved[-1] for i in wide),
    }


def _dilated(steps: tuple[Step, ...]) -> dict[str, bool]:
    depthwise = [i for i, step in enumerate(steps) if step.kind == "depthwise" and step.kernel > 1]
    wide = [i for i, step in enumerate(steps) if _is_dilated(step)]
    dilations = [steps[i].dilation for i in wide]
    return {
        "downsampling": all(step.stride == 1 for step in steps),
        "depthwise_separable": _is_separable(steps, depthwise) and depthwise[0] >= wide[0],
        "dilation": len(set(dilations)) >= 2 and dilations == sorted(dilations),
    }


def _is_dilated(step: Step) -> bool:
    return step.kind != "other" and step.kernel > 1 and step.dilation > 1


def _is_separable(steps: tuple[Step, ...], depthwise: list[int]) -> bool:
    pointwise = [step.kind == "convolution" and step.kernel == 1 for step in (*steps[1:], Step("head"))]
    return any(pointwise[i] for i in depthwise)


def _one_by_one(steps: tuple[Step, ...]) -> tuple[list[str], list[str]]:
    """Give every step a name of its own."""
    built = [f"self.{step.name} = {step.make}" for step in steps if step.make]
    return built, [step.call.replace("{self}", f"self.{step.name}") for step in steps]


def _in_sequence(steps: tuple[Step, ...]) -> tuple[list[str], list[str]]:
    """Put what can be called one after another into one `nn.Sequential`; the rest stands between."""
    built: list[str] = []
    called: list[str] = []
    run: list[str] = []
    for step in (*steps, None):
        if step is not None and step.make and step.call == "{self}(x)":
            run.append(step.make)
            continue
        if run:
            built.append(f"self.part{len(built)} = nn.Sequential({', '.join(run)})")
            called.append(f"self.part{len(built) - 1}(x)")
            run = []
        if step is not None:
            built += [f"self.{step.name} = {step.make}"] if step.make else []
            called.append(step.call.replace("{self}", f"self.{step.name}"))
    return built, called
