import sys

import pytest
import torch
from torch import nn

from harness.base.errors import GraphError
from harness.graph import ir as plain
from harness.loader.export import architecture_of
from harness.training.budget import bounded_memory, check_memory
from harness.training.jobs import MEMORY_MIB

BATCH = (128, 3, 32, 32)


class Grows(nn.Module):
    """Blows its feature map up to `side` px squared."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.fc = nn.Linear(3, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(nn.functional.interpolate(x, size=(self.side, self.side)).mean((2, 3)))


def test_an_ordinary_network_fits(tiny: type[nn.Module]) -> None:
    check_memory(*architecture_of(tiny(), (3, 32, 32)), BATCH, MEMORY_MIB)


def test_values_that_take_too_much_together_are_refused_before_they_exist() -> None:
    fits = int((MEMORY_MIB * 2**20 / (4 * 128 * 3)) ** 0.5) - 100
    check_memory(*architecture_of(Grows(fits), (3, 32, 32)), BATCH, MEMORY_MIB)
    plan, tensors = architecture_of(Grows(16), (3, 32, 32))
    # 60 TB: no machine could hold it, so that the refusal can only have come first.
    forged = plan.model_copy(
        update={"train": plan.train.with_nodes(tuple(_resized(node, 200_000) for node in plan.train.nodes))}
    )
    with pytest.raises(GraphError, match=r"too much memory for one batch; expected at most 12,288 MiB"):
        check_memory(forged, tensors, BATCH, MEMORY_MIB)


def test_a_graph_that_contradicts_itself_has_no_sizes(tiny: type[nn.Module]) -> None:
    plan, tensors = architecture_of(tiny(), (3, 32, 32))
    with pytest.raises(GraphError, match=r"cannot be worked out: RuntimeError.*\(in layer conv\)"):
        check_memory(plan, tensors, (128, 5, 32, 32), MEMORY_MIB)


class Median(nn.Module):
    """Uses an operator that is deterministic on the CPU, and on no other device."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :10] + x.flatten(1).median(1, keepdim=True).values


def test_the_demand_for_determinism_is_lifted_while_nothing_is_computed() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        check_memory(*architecture_of(Median(), (3, 32, 32)), BATCH, MEMORY_MIB)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def _resized(node, side):
    if "upsample" not in node.op and "interpolate" not in node.op:
        return node
    args = tuple([side, side] if isinstance(arg, list) and len(arg) == 2 else arg for arg in node.args)
    return node.with_arguments(args, dict(node.kwargs))


FACTORIES = {
    "aten.zeros.default": [[200_000, 200_000]],
    "aten.ones.default": [[200_000, 200_000]],
    "aten.full.default": [[200_000, 200_000], 1],
    "aten.rand.default": [[200_000, 200_000]],
    "aten.randperm.default": [2**33],
    "aten.arange.default": [2**33],
    "aten.eye.default": [200_000],
    "aten.linspace.default": [0, 1, 2**33],
}


@pytest.mark.parametrize("op", FACTORIES)
@pytest.mark.parametrize("kwargs", [{}, {"device": "cpu"}, {"device": None}])
def test_what_is_made_of_nothing_is_made_where_nothing_takes_memory(
    op: str, kwargs: dict[str, object], tiny: type[nn.Module]
) -> None:
    plan, tensors = architecture_of(tiny(), (3, 32, 32))
    made = plain.Node(name="made", op=op, args=tuple(FACTORIES[op]), kwargs=kwargs)
    forged = plan.model_copy(update={"eval": plan.eval.with_nodes((made, *plan.eval.nodes))})
    with pytest.raises(GraphError, match=r"too much memory for one batch; .* MiB at made"):
        check_memory(forged, tensors, BATCH, MEMORY_MIB)


@pytest.mark.skipif(sys.platform != "linux", reason="the bound is Linux's")
def test_memory_is_bounded_while_a_graph_runs_and_not_afterwards() -> None:
    numbers = 2**29
    with (
        bounded_memory(3 * 1024),
        bounded_memory(64),
        bounded_memory(4096),
        pytest.raises(RuntimeError, match="can't allocate memory"),
    ):
        torch.empty(numbers)
    assert torch.empty(numbers).numel() == numbers
