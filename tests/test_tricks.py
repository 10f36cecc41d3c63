"""Networks that somebody thought of: dishonest ones do not pass the rule they break, honest ones pass.

They are in ``disguises/dishonest.txt`` and ``disguises/honest.txt``: of each a line ``### NAME | MARK``, or
``MARK to MARK``, for the lines of the network of docs/rules.md that it replaces, and, of the dishonest ones,
the rules that it breaks; then its own lines. Those that set an attribute belong in the constructor.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from drawn.judging import judged
from drawn.standard import FORWARD, SETUP, built, written

from harness.datasets.images import Data
from harness.datasets.miniature import load_mini
from harness.datasets.spec import DataSpec

FOLDER = Path(__file__).parent / "disguises"
BUILT = re.compile(
    r"self\.\w+(, self\.\w+)* = |self\.register_buffer\(|self\.[\w.]+\.fill_\(|self\.\w+\[.*\] = "
)


@dataclass(frozen=True)
class Trick:
    """One network of a file."""

    name: str
    marks: str
    breaks: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return self.name

    @property
    def source(self) -> str:
        """The network of the page with the lines in place of those it names."""
        names = list(FORWARD)
        first, _, last = self.marks.partition(" to ")
        begin, end = names.index(first), names.index(last or first)
        statements = [ast.unparse(statement) for statement in ast.parse(self.text).body]
        setup = [line for line in statements if BUILT.match(line)]
        body = "\n".join(line for line in statements if not BUILT.match(line)).splitlines()
        lines = list(FORWARD.values())
        image = [] if begin else ["image = x"]
        return written([*SETUP, *setup], [*image, *lines[:begin], *body, *lines[end + 1 :]])


def tricks(file: str) -> list[Trick]:
    blocks = (FOLDER / file).read_text().split("### ")[1:]
    found = []
    for block in blocks:
        head, _, text = block.partition("\n")
        name, marks, *breaks = (part.strip() for part in head.split("|"))
        found.append(Trick(name, marks, tuple(breaks[0].split(",")) if breaks else (), text))
    return found


@pytest.fixture(scope="session")
def mini() -> Data:
    return load_mini(DataSpec(dataset="cifar10"))


@pytest.mark.slow
@pytest.mark.parametrize("trick", tricks("dishonest.txt"), ids=str)
def test_a_trick_does_not_pass_the_rule_it_breaks(trick, assignment, mini):
    findings = judged(built(trick.source), assignment, mini)
    assert {rule: findings[rule].actual for rule in trick.breaks if findings[rule].status == "passed"} == {}


@pytest.mark.slow
@pytest.mark.parametrize("trick", tricks("honest.txt"), ids=str)
def test_an_honest_design_passes_every_rule(trick, assignment, mini):
    findings = judged(built(trick.source), assignment, mini)
    assert {f.rule: f.actual for f in findings.values() if f.status != "passed"} == {}
