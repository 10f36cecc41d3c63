"""Networks that nobody wrote: honest ones pass every rule."""

import pytest
from drawn.honest import honest
from drawn.judging import judged
from drawn.standard import DRAWS, EVERY, built
from hypothesis import given, settings

from harness.datasets.images import Data
from harness.datasets.miniature import load_mini
from harness.datasets.spec import DataSpec


@pytest.fixture(scope="session")
def mini() -> Data:
    return load_mini(DataSpec(dataset="cifar10"))


def not_passed(source, assignment, mini):
    """Judge a network; give the verdicts of the rules that do not pass."""
    findings = judged(built(source), assignment, mini)
    return {rule: (f.status, f.actual) for rule, f in findings.items() if f.status != "passed"}


@settings(EVERY, max_examples=6)
@given(source=honest())
def test_an_honest_network_passes_every_rule(assignment, mini, source):
    assert not_passed(source, assignment, mini) == {}, source


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@settings(EVERY, max_examples=DRAWS)
@given(source=honest())
def test_hundreds_of_honest_networks_pass_every_rule(assignment, mini, source):
    assert not_passed(source, assignment, mini) == {}, source
