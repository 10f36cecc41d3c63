"""Networks that nobody wrote: disguised ones never pass the rule that they break."""

import pytest
import torch
from drawn.forbidden import DISGUISES
from drawn.identities import DEAD, LIVE, SAME
from drawn.judging import judged
from drawn.standard import DRAWS, EVERY, built, standard
from hypothesis import given, note, settings
from hypothesis import strategies as st
from torch.nn import functional

from harness.datasets.images import Data
from harness.datasets.miniature import load_mini
from harness.datasets.spec import DataSpec

FEW = settings(EVERY, max_examples=3)
MANY = settings(EVERY, max_examples=-(-DRAWS // len(DISGUISES)))


@pytest.fixture(scope="session")
def mini() -> Data:
    return load_mini(DataSpec(dataset="cifar10"))


def passed_in_disguise(kind, assignment, mini, data):
    """Draw a disguise; give what is said of the rules that it breaks and that pass."""
    disguise = data.draw(DISGUISES[kind])
    note(disguise.source)
    findings = judged(built(disguise.source), assignment, mini)
    return {rule: findings[rule].actual for rule in disguise.breaks if findings[rule].status == "passed"}


@pytest.mark.parametrize("kind", DISGUISES)
@FEW
@given(data=st.data())
def test_a_rule_that_is_broken_in_disguise_does_not_pass(kind, assignment, mini, data):
    assert passed_in_disguise(kind, assignment, mini, data) == {}


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("kind", DISGUISES)
@MANY
@given(data=st.data())
def test_none_of_hundreds_of_disguises_passes(kind, assignment, mini, data):
    assert passed_in_disguise(kind, assignment, mini, data) == {}


def run(line: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What a line makes of eight random maps of 6 x 6, and the maps."""
    scope = {"torch": torch, "F": functional, "x": torch.randn(4, 8, 6, 6), "self": torch.nn.Identity()}
    before = scope["x"].clone()
    exec(line.format(x="x", c=8, h=6, w=6), scope)  # these are lines of our own generators
    return before, scope["x"]


@pytest.mark.parametrize("line", SAME)
def test_what_is_called_the_same_is_the_same(line):
    before, after = run(line)
    assert torch.allclose(after, before, atol=1e-4)


@pytest.mark.parametrize("line", LIVE)
def test_what_is_called_alive_is_not_zero(line):
    _, after = run(line)
    assert after.abs().gt(1e-3).float().mean() > 0.3


@pytest.mark.parametrize("line", DEAD)
def test_what_is_called_dead_is_zero_or_too_small_to_matter(line):
    _, after = run(line)
    assert after.abs().max() < 1e-40


def test_the_network_that_is_disguised_passes_every_rule(assignment, mini):
    findings = judged(built(standard()), assignment, mini)
    assert {f.rule: f.actual for f in findings.values() if f.status != "passed"} == {}
