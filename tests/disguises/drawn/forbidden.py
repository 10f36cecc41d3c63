"""Draw networks that break a rule, dressed up in identities, zeros, copies and other forms of the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drawn.forms import (
    COPIES,
    HEAD_SETUP,
    HEADS,
    LARGER,
    MODE_SETUP,
    MODES,
    POOLS,
    SMALLER,
    SMALLER_SETUP,
    SMOOTH,
    TABLES,
    WINDOWS,
)
from drawn.identities import DEAD, LIVE, SAME
from drawn.standard import standard
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[str]], str]


@dataclass(frozen=True)
class Disguise:
    """A network, and the rules that it breaks."""

    breaks: tuple[str, ...]
    source: str


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
def smooth_maximum(draw: Draw) -> Disguise:
    """A sum that weighs the larger neighbours more, until only the largest counts."""
    lines = ["x = F.relu(x)", *draw(laundered(SAME, 1)), draw(st.sampled_from(WINDOWS))]
    lines += [draw(st.sampled_from(SMOOTH)), *draw(laundered(SAME, 1))]
    return Disguise(("no_max_pool",), standard((), MIDDLE=written_in("x", (32, 16), lines)))


@st.composite
def other_downsampling(draw: Draw) -> Disguise:
    """A fourth halving of rows and columns, which is no convolution."""
    before, after = draw(laundered(SAME)), written_in("x", (64, 2), draw(laundered(SAME, 1)))
    halved = written_in("x", (64, 4), [*before, draw(st.sampled_from(SMALLER))])
    lines = ["x = self.wide(x)", *halved, *after]
    return Disguise(("downsampling",), standard(SMALLER_SETUP, LAST=lines))


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
        hidden_pool, maximum_of_copies, smooth_maximum, uncounted_table, other_head, other_in_eval,
        dead_dilation, dead_pair, other_downsampling,
    )
}  # fmt: skip
