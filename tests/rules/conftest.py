"""Judge a network by a single rule, with the settings that a TOML would give it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from torch import nn

from harness.loader.export import architecture_of
from harness.rules.judging import judge
from harness.rules.registry import asked


@pytest.fixture(scope="session")
def by_rule(assignment, probe, network_of):
    """Return a function that judges an architecture by one rule."""

    def judged(rule, architecture, evidence=None, recipe=None, run=None, **settings):
        one = asked(rule, settings, "test.toml", f"rules.{rule}")
        changes = (run or {}) | ({"evidence": evidence} if evidence else {})
        network = network_of(architecture, assignment, probe=SimpleNamespace(**{**vars(probe), **changes}))
        network = replace(network, recipe=network.recipe.changed(recipe or {}))
        (finding,), _, _ = judge(network, {"basic": (one,)}, "basic")
        return finding

    return judged


@pytest.fixture(scope="session")
def exported():
    """Return a function that exports a network of 3x32x32 images, given its layers and forward pass."""

    def export(forward, **layers):
        class Written(nn.Module):
            def __init__(self):
                super().__init__()
                for name, layer in layers.items():
                    setattr(self, name, layer)

        Written.forward = forward
        return architecture_of(Written(), (3, 32, 32))[0]

    return export
