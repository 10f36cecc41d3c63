"""What is left out of an export changes no graph, is still asked for by torch, and is back afterwards."""

import re
import runpy
from pathlib import Path

import pytest
import torch
from checkout import REPOSITORY
from torch import fx, nn
from torch._subclasses.fake_impls import FAST_OP_IMPLEMENTATIONS
from torch.export import Dim, export
from torch.fx.experimental import proxy_tensor

from harness.graph.ir import to_json
from harness.loader.export import architecture_of
from harness.loader.export_shortcuts import BATCH_NORMS, shortcuts

FOLDER = REPOSITORY / "submission"
REFERENCE = runpy.run_path(str(FOLDER / "model.py"))


class OverVectors(nn.Module):
    """A batch-norm over vectors, one without weights, one that never keeps statistics, one over a part."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bare, self.batch = nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4, track_running_stats=False)
        self.part, self.vectors, self.fc = nn.BatchNorm2d(2), nn.BatchNorm1d(2), nn.Linear(2, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.batch(self.bare(self.conv(x)).to(memory_format=torch.channels_last))
        x = self.part(x[:, ::2, :, 1::2].transpose(2, 3))
        logits: torch.Tensor = self.fc(self.vectors(x.contiguous().mean((2, 3))))
        return logits


every_model = pytest.mark.parametrize("model", [REFERENCE["Net"], REFERENCE["NetDilated"], OverVectors])


def exported(model: nn.Module) -> fx.Graph:
    batch = {0: Dim("batch", min=1, max=65536)}
    return export(model, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=(batch,)).graph


def described(graph: fx.Graph) -> list[tuple[object, ...]]:
    return [
        (node.name, node.op, node.target, str(node.args), str(node.kwargs), str(shapes(node.meta.get("val"))))
        for node in graph.nodes
    ]


def shapes(value: object) -> object:
    return (value.shape, value.stride(), value.dtype) if isinstance(value, torch.Tensor) else type(value)


@every_model
def test_a_graph_is_the_same_with_and_without_the_shapes_of_batch_norms(model, monkeypatch):
    network = model()
    said, _ = architecture_of(network, (3, 32, 32))
    whole = described(exported(network.train()))
    assert all(operator in FAST_OP_IMPLEMENTATIONS for operator in BATCH_NORMS)
    for operator in BATCH_NORMS:
        monkeypatch.delitem(FAST_OP_IMPLEMENTATIONS, operator)
    worked_out, _ = architecture_of(network, (3, 32, 32))
    assert to_json(said) == to_json(worked_out)
    assert described(exported(network.train())) == whole


@every_model
def test_a_graph_is_the_same_with_and_without_shortcuts(model):
    network = model()
    whole = exported(network)
    with shortcuts(FOLDER):
        short = exported(network)
    assert [one[:5] for one in described(short)] == [one[:5] for one in described(whole)]
    assert [str(shapes(n.meta.get("val"))) for n in short.nodes] == [
        str(shapes(n.meta.get("val"))) for n in whole.nodes
    ]


class Helped(nn.Module):
    """A network that does its work in a method of another name, which is not the line to show."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.work(x)

    def work(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(x.mean((2, 3)))
        return logits


@pytest.mark.parametrize(("model", "root"), [(REFERENCE["Net"], FOLDER), (Helped, Path(__file__).parent)])
def test_a_line_is_that_of_the_innermost_forward_of_the_submission(model, root):
    whole = exported(model())
    with shortcuts(root):
        short = exported(model())
    lines = []
    for node in whole.nodes:
        frames = [line for line in (node.stack_trace or "").splitlines() if f'"{root}' in line]
        found = re.search(r'/([^/"]+)", line (\d+)', frames[-1]) if frames else None
        lines.append(":".join(found.groups()) if found else "")
    assert [node.stack_trace or "" for node in short.nodes] == lines
    assert any(lines)


def test_what_is_left_out_is_what_torch_would_ask_for(monkeypatch):
    """Where another version no longer does, the shortcut has no use."""
    with shortcuts(FOLDER):
        short = exported(REFERENCE["Net"]())
    assert not any(node.meta.get("tensor_meta") or "\n" in (node.stack_trace or "") for node in short.nodes)
    whole = exported(REFERENCE["Net"]())
    assert any(node.meta["tensor_meta"] for node in whole.nodes if node.op == "call_function")
    assert any("\n" in (node.stack_trace or "") for node in whole.nodes)


def test_torch_is_as_before_afterwards():
    kept = ("_extract_tensor_metadata", "_ModuleStackTracer")
    before = [getattr(proxy_tensor, name) for name in kept]
    create_node = proxy_tensor._ModuleStackTracer.create_node
    with pytest.raises(ZeroDivisionError), shortcuts(Path("/")):
        raise ZeroDivisionError
    assert [getattr(proxy_tensor, name) for name in kept] == before
    assert proxy_tensor._ModuleStackTracer.create_node is create_node
    assert not fx.config.do_not_emit_stack_traces


def test_what_torch_adds_by_itself_is_from_no_line():
    class Sized(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(x.shape[0], -1)[:, :10]

    architecture, _ = architecture_of(Sized(), (3, 32, 32), Path(__file__).parent)
    sources = {node.op: node.source for node in architecture.eval.nodes}
    assert sources.pop("aten.sym_size.int") == ""
    assert all(source.startswith("test_export_shortcuts.py:") for source in sources.values())
