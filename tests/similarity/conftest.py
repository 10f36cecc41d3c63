"""Graphs to compare."""

import pytest
from checkout import REPOSITORY

from harness.graph.ir import Architecture, parse_architecture


@pytest.fixture(scope="session")
def reference_graphs() -> tuple[Architecture, Architecture]:
    """The graphs of the reference submission, as its committed results hold them: basic and dilated."""
    results = REPOSITORY / "submission" / "results"
    basic, dilated = (
        parse_architecture((results / folder / "architecture.json").read_bytes())
        for folder in ("base_model", "dilated_model")
    )
    return basic, dilated
