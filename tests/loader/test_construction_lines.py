"""A finding says where a layer is constructed, and where it is called: one child takes in one network."""

from textwrap import dedent

import pytest
from intake import request

from harness.graph.naming import with_lines
from harness.loader.client import trace
from harness.sources.requested import Requested

NET = dedent("""
    import copy
    from torch import nn
    import torch.nn.functional as F
    import parts


    def block(width):
        return nn.Sequential(
            nn.Conv2d(
                width, width, 3, padding=1),           # in_a_function
            nn.BatchNorm2d(width),                     # norm_in_a_function
        )


    class Depthwise(nn.Conv2d):
        def __init__(self, width):
            super().__init__(width, width, 3, padding=1, groups=width)   # in_a_subclass


    class Standardised(nn.Conv2d):
        def forward(self, x):
            weight = self.weight - self.weight.mean()
            return F.conv2d(x, weight, self.bias, padding=1)   # its_own_forward


    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self._constructed_at = "elsewhere.py:1"

        def forward(self, x):
            return x * F.hardsigmoid(x)                # by_a_function


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            first = nn.Conv2d(4, 4, 3, padding=1)      # copied
            self.stem = nn.Sequential(
                nn.Conv2d(3, 4, 3, padding=1),         # in_a_sequential
                nn.ReLU(),                             # relu_in_a_sequential
            )
            self.loop = nn.Sequential(*[
                nn.Conv2d(4, 4, 1)                     # in_a_loop
                for _ in range(2)
            ])
            self.copies = nn.ModuleList([copy.deepcopy(first) for _ in range(2)])
            self.made = block(4)
            self.deep = Depthwise(4)
            self.standard = Standardised(4, 4, 3)      # with_a_forward
            self.gate = Gate()
            self.lazy = nn.LazyConv2d(4, 1)            # lazy
            self.other = parts.one()
            self.fc = nn.Linear(4, 10)

        def forward(self, x):
            x = self.made(self.loop(self.stem(x)))     # call
            x = self.copies[1](x)                      # call_of_a_copy
            x = self.lazy(self.gate(self.standard(self.deep(x))))   # more_calls
            x = self.other(x)                          # call_of_another
            return self.fc(x.mean((2, 3)))             # head
""").lstrip()
PARTS = "from torch import nn\n\n\ndef one():\n    return nn.Conv2d(4, 4, 1)\n"


def line(mark: str) -> str:
    """Give the line of the network that a comment marks, but for the layer that is written on two."""
    number = next(n for n, text in enumerate(NET.splitlines(), 1) if text.endswith(f"# {mark}"))
    return f"model.py:{number - (mark == 'in_a_function')}"


@pytest.fixture(scope="module")
def traced(sandbox, assignment, tmp_path_factory):
    root, out = tmp_path_factory.mktemp("lines"), tmp_path_factory.mktemp("out")
    (root / "model.py").write_text(NET)
    (root / "parts.py").write_text(PARTS)
    wanted = {"net": Requested(file=root / "model.py", class_name="Net")}
    return trace(request(root, out, wanted, memory_mib=6144), assignment.limits, sandbox)["net"]


@pytest.fixture(scope="module")
def sources(traced):
    """The lines that are shown of each layer's operator."""
    shown = with_lines(traced.architecture, traced.lines)
    graphs = (shown.train, shown.eval)
    told = [{(node.module, node.op.split(".")[1]): node.source for node in graph.nodes} for graph in graphs]
    assert {key: told[0][key] for key in told[1]} == told[1]
    return told[1]


@pytest.mark.parametrize(
    ("layer", "op", "constructed", "called"),
    [
        ("stem.0", "conv2d", "in_a_sequential", "call"),
        ("stem.1", "relu", "relu_in_a_sequential", "call"),
        ("loop.0", "conv2d", "in_a_loop", "call"),
        ("loop.1", "conv2d", "in_a_loop", "call"),
        ("made.0", "conv2d", "in_a_function", "call"),
        ("made.1", "batch_norm", "norm_in_a_function", "call"),
        ("copies.1", "conv2d", "copied", "call_of_a_copy"),
        ("deep", "conv2d", "in_a_subclass", "more_calls"),
        ("standard", "conv2d", "with_a_forward", "its_own_forward"),
        ("lazy", "conv2d", "lazy", "more_calls"),
    ],
)
def test_a_layer_is_found_where_it_is_constructed_and_where_it_is_called(
    sources, layer, op, constructed, called
):
    assert sources[layer, op] == f"{line(constructed)}, called at {line(called)}"


def test_a_layer_made_in_another_file_of_the_submission_is_found_there(sources):
    assert sources["other", "conv2d"] == f"parts.py:5, called at {line('call_of_another')}"


def test_what_is_computed_by_a_function_is_found_where_it_is_called(sources):
    assert sources["gate", "hardsigmoid"] == line("by_a_function")
    assert sources["", "mean"] == line("head")


def test_the_graph_and_its_hash_hold_the_calls_alone(traced):
    graph = traced.architecture.eval
    assert graph.by_name["conv2d"].source == line("call")
    assert traced.lines["stem.0"] == line("in_a_sequential")
    assert "gate" not in traced.lines
