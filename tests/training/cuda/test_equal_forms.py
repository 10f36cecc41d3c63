"""What is run on CUDA in place of an operator has its values and its gradient, by operators that repeat."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from drawn_calls import DRAWN, Drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from harness.graph.cuda import REPLACED, on_cuda
from harness.graph.operators import OPS
from harness.training.cuda.equal_forms import equal_form

EXAMPLES = 10

CUDA, CPU = torch.device("cuda"), torch.device("cpu")

BENEATH = frozenset(
    {
        "_to_copy.default", "_unsafe_view.default", "as_strided.default", "bitwise_and.Scalar",
        "new_empty_strided.default", "select_backward.default", "slice_backward.default",
    }
)  # fmt: skip
"""Copies and masks that torch puts beneath the operators of a graph; they add nothing to anything."""


def has_rows(x: torch.Tensor, dim: int, **_: Any) -> bool:
    return x.numel() != x.shape[dim]


def always(*_: Any, **__: Any) -> bool:
    return True


FINE: dict[str, Callable[..., bool]] = {
    "aten.cumprod.default": has_rows,
    "aten.logcumsumexp.default": has_rows,
    "aten.scatter_reduce.two": lambda x, dim, index, src, reduce, **_: reduce != "prod",
    # Their gradient alone is refused, and that is an operator of its own, which is on no list.
    "aten.adaptive_max_pool2d.default": always,
    "aten.adaptive_max_pool3d.default": always,
    "aten.max_pool3d_with_indices.default": always,
    "aten.fractional_max_pool2d.default": always,
    "aten.fractional_max_pool3d.default": always,
}
"""When an operator that is replaced may be called after all."""


def operator(op: str) -> Callable[..., Any]:
    _, name, overload = op.split(".")
    return getattr(getattr(torch.ops.aten, name), overload)


def form(op: str) -> Callable[..., Any]:
    found = equal_form(op, CUDA)
    assert found is not None
    return found


def with_gradients(op: str, args: Sequence[Any]) -> list[Any]:
    """Let gradients be asked of every argument that can have one."""
    return [
        arg.detach().clone().requires_grad_()
        if isinstance(arg, torch.Tensor) and arg.is_floating_point() and not ("fractional" in op and place)
        else arg
        for place, arg in enumerate(args)
    ]


def outcome(op: str, call: Callable[..., Any], drawn: Drawn) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Run a call and its gradient: what it returns, and the gradients of its arguments."""
    args = with_gradients(op, drawn[0])
    made = call(*args, **drawn[1])
    outputs = list(made) if isinstance(made, tuple) else [made]
    weights = [torch.linspace(0.5, 2, out.numel(), dtype=out.dtype).reshape(out.shape) for out in outputs[:1]]
    (outputs[0] * weights[0]).sum().backward()
    return outputs, [arg.grad for arg in args if isinstance(arg, torch.Tensor) and arg.requires_grad]


def layouts(x: torch.Tensor) -> list[bool]:
    kinds = [torch.contiguous_format, torch.channels_last][: 2 if x.ndim == 4 else 1]
    return [x.is_contiguous(memory_format=kind) for kind in kinds]


def repeats(op: str, args: Any, kwargs: Any) -> bool:
    known = op in OPS and on_cuda(op) not in {"raises", "varies", "drawn"}
    return known or op.removeprefix("aten.") in BENEATH or (op in FINE and FINE[op](*args, **kwargs))


class Unrepeatable(TorchDispatchMode):
    """Collect the operators reaching a device, forward and backward, that CUDA does not repeat."""

    def __init__(self) -> None:
        super().__init__()
        self.ops: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op, kwargs = str(func), kwargs or {}
        if not any(repeats(name, args, kwargs) for name in (op, op.replace("_.", "."))):  # in place or not
            self.ops.add(op)
        return func(*args, **kwargs)


def test_whatever_is_replaced_is_tried_here():
    assert set(DRAWN) == set(REPLACED)


@pytest.mark.parametrize("op", DRAWN)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_a_form_has_the_values_the_gradient_and_the_layout_of_its_operator(algorithms, op, data):
    drawn = DRAWN[op](data.draw)
    with algorithms("default"):
        values, gradients = outcome(op, operator(op), drawn)
    same, same_gradients = outcome(op, form(op), drawn)
    for one, other in zip(values + gradients, same + same_gradients, strict=True):
        torch.testing.assert_close(other, one, equal_nan=True)
    assert layouts(same[0]) == layouts(values[0])


@pytest.mark.parametrize("op", DRAWN)
@settings(max_examples=1, deadline=None)
@given(data=st.data())
def test_the_gradient_of_a_form_is_the_slope_of_its_values(op, data):
    args, kwargs = DRAWN[op](data.draw)
    if op == "aten.grid_sampler.default":
        args = (*args[:2], 2, *args[3:])  # only the bicubic one has a slope everywhere

    def first(*given: Any) -> torch.Tensor:
        made = form(op)(*given, **kwargs)
        return made[0] if isinstance(made, tuple) else made

    assert torch.autograd.gradcheck(first, with_gradients(op, args), eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("op", DRAWN)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_a_form_reaches_a_device_through_operators_that_repeat(algorithms, op, data):
    drawn = DRAWN[op](data.draw)
    form(op)(*drawn[0], **drawn[1])  # what is kept from the first call is made on a CPU
    with algorithms("error"), Unrepeatable() as found:
        outcome(op, form(op), drawn)
    assert not found.ops


def test_an_operator_itself_is_found_to_be_unrepeatable():
    x = torch.rand(1, 1, 4, 4, requires_grad=True)
    with Unrepeatable() as found:
        torch.ops.aten.adaptive_avg_pool2d.default(x, [3, 3]).sum().backward()
    assert "aten._adaptive_avg_pool2d_backward.default" in found.ops


@pytest.mark.parametrize("op", REPLACED)
def test_on_a_cpu_an_operator_is_itself_unless_strict_mode_refuses_it_there(op):
    assert (equal_form(op, CPU) is None) == (op != "aten.max_unpool2d.default")


def test_half_precision_is_resized_in_float32_and_stays_half():
    x = torch.rand(2, 3, 8, 8, dtype=torch.bfloat16)
    args = ([13, 5], False, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        resized = form("aten.upsample_bilinear2d.vec")(x, *args)
    assert resized.dtype == torch.bfloat16
    exact = operator("aten.upsample_bilinear2d.vec")(x.double(), *args)
    torch.testing.assert_close(resized.double(), exact, rtol=2**-8, atol=0)


@pytest.mark.parametrize("op", ["aten.median.dim", "aten.nanmedian.dim"])
def test_what_is_not_a_number_has_the_rank_that_the_operator_gives_it(op):
    x = torch.rand(5, 4, dtype=torch.float64)
    x[1, 2] = x[3, 1:3] = x[4] = math.nan
    for one, other in zip(operator(op)(x, 1), form(op)(x, 1), strict=True):
        torch.testing.assert_close(other[:4], one[:4], equal_nan=True)
    assert form(op)(x, 1)[0][4].isnan()


def test_the_nearest_place_gives_a_grid_zeros_for_its_gradient_and_not_none():
    grid = torch.rand(1, 2, 2, 2, requires_grad=True)
    form("aten.grid_sampler.default")(torch.rand(1, 1, 3, 3), grid, 1, 0, False).sum().backward()
    assert grid.grad is not None
    assert not grid.grad.any()
