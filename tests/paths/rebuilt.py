"""Networks that are rebuilt from the graph of a module, and graphs of one call."""

import torch
from torch import nn

from harness.graph import ir as plain
from harness.graph.ir import Architecture
from harness.loader.export import architecture_of
from harness.training.network import Network

CPU = torch.device("cpu")
SHAPE = (3, 32, 32)


def rebuilt(model: nn.Module) -> Network:
    return Network(*architecture_of(model, SHAPE), CPU)


def images(n: int = 4) -> torch.Tensor:
    x = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(0))
    return x.contiguous(memory_format=torch.channels_last)


def one_node(op: str, *args: plain.Arg, tensors: tuple[plain.Tensor, ...] = ()) -> Architecture:
    node = plain.Node(name="y", op=op, args=(plain.Ref(ref="x"), *args), module="layer", source="model.py:3")
    graph = plain.Graph(
        inputs=("x",), input_shape=("n", 3, 32, 32), bindings={}, nodes=(node,), outputs=("y",)
    )
    return Architecture(schema=plain.SCHEMA, tensors=tensors, train=graph, eval=graph)


class FixedSize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 32 * 32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 3, 1, bias=False)
        self.b = nn.Conv2d(3, 3, 1, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x)).mean((2, 3))


class ViewsRows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 10, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).view(x.shape[0], 10, -1).view(-1, 2, 5 * 1024).view(-1, 10, 1024).mean(2)
