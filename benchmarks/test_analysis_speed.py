"""How long the judge thinks: the reference graphs, exported once, then judged as plain data without torch."""

import importlib.util
from pathlib import Path

import pytest

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.graph import ir as graph
from harness.loader.export import architecture_of
from harness.rules.judging import judge
from harness.rules.network import Network

SUBMISSION = Path(__file__).parents[1] / "submission" / "model.py"


@pytest.fixture(scope="module")
def assignment():
    return load_assignment(DEFAULT_ASSIGNMENT)


@pytest.fixture(scope="module", params=["basic", "dilated"])
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def exported(assignment, variant):
    """Return ``architecture.json`` of the reference network, as the intake child would write it."""
    spec = importlib.util.spec_from_file_location("reference", SUBMISSION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = {"basic": module.Net, "dilated": module.NetDilated}[variant]()
    architecture, _ = architecture_of(model, assignment.data.input_shape)
    return graph.to_json(architecture).encode()


def test_read_a_graph(benchmark, exported):
    architecture = benchmark(graph.parse_architecture, exported)
    assert architecture.eval.nodes


def test_judge_a_graph(benchmark, exported, assignment, variant):
    """Every rule and the receptive-field table, from a graph nobody has looked at yet."""

    def fresh():
        architecture = graph.parse_architecture(exported)
        data, recipe = assignment.data, assignment.recipe_for(variant)
        network = Network(architecture, data.input_shape, data.num_classes, recipe)
        return (network, assignment.every_rule(), variant), {}

    _, facts, table = benchmark.pedantic(judge, setup=fresh, rounds=20)
    assert facts.receptive_field_px == {"basic": 55, "dilated": 45}[variant]
    assert table
