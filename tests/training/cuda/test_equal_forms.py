"""What is run on CUDA in place of an operator has its values and its gradient, by operators that repeat."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from harness.graph.cuda import REPLACED, on_cuda
from harness.graph.operators import OPS
from harness.training.cuda.equal_forms import equal_form

EXAMPLES = 10

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
Drawn = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of one call."""

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


# What is drawn for each operator: no two equal elements, sizes that do not divide, both layouts.


def distinct(draw: Any, *shape: int) -> torch.Tensor:
    """Draw a tensor without ties, of four dimensions in either layout."""
    seed = draw(st.integers(0, 2**16))
    order = torch.randperm(math.prod(shape), generator=torch.Generator().manual_seed(seed))
    x = (order.double() / len(order) + 0.25).reshape(shape)
    return x.contiguous(memory_format=torch.channels_last) if len(shape) == 4 and draw(st.booleans()) else x


def sizes(draw: Any, count: int, least: int = 3, most: int = 7) -> list[int]:
    return draw(st.lists(st.integers(least, most), min_size=count, max_size=count))


def resized(dims: int) -> Callable[[Any], Drawn]:
    def arguments(draw: Any) -> Drawn:
        x = distinct(draw, draw(st.integers(1, 2)), 2, *sizes(draw, dims))
        aligned = draw(st.booleans())
        if draw(st.booleans()):
            return (x, sizes(draw, dims, 1, 13), aligned, None), {}
        return (x, None, aligned, [draw(st.floats(0.4, 2.5)) for _ in range(dims)]), {}

    return arguments


def smoothed(draw: Any) -> Drawn:
    """Resize with antialiasing: not to one column, nor by a factor that changes no size.

    Torch's kernel for a CPU makes other values of the one, and of the other a gradient that is not its slope.
    """
    (x, size, aligned, scales), _ = resized(2)(draw)
    after = size or [math.floor(n * by) for n, by in zip(x.shape[2:], scales, strict=True)]
    assume(after[1] > 1 and all(n != m for n, m in zip(x.shape[2:], after, strict=True)))
    return (x, size, aligned, scales), {}


def adaptive(dims: int) -> Callable[[Any], Drawn]:
    return lambda draw: ((distinct(draw, 2, 2, *sizes(draw, dims)), sizes(draw, dims, 1, 9)), {})


def average_of_volumes(draw: Any) -> Drawn:
    kernel = sizes(draw, 3, 1, 3)
    padding = [draw(st.integers(0, side // 2)) for side in kernel]
    flags = draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from([None, 5]))
    return (distinct(draw, 2, 2, *sizes(draw, 3, 4)), kernel, sizes(draw, 3, 1, 3), padding, *flags), {}


def maximum_of_volumes(draw: Any) -> Drawn:
    kernel = sizes(draw, 3, 1, 3)
    padding = [draw(st.integers(0, side // 2)) for side in kernel]
    dilation = [draw(st.integers(1, 2)) for _ in range(3)]
    x = distinct(draw, 2, 2, *sizes(draw, 3, 5))
    return (x, kernel, sizes(draw, 3, 1, 3), padding, dilation, draw(st.booleans())), {}


def padded(draw: Any) -> Drawn:
    dims = draw(st.integers(1, 3))
    mode = draw(st.sampled_from(["reflect", "replicate", "constant", "circular"]))
    sides = draw(st.lists(st.integers(0, 2), min_size=2 * dims, max_size=2 * dims))
    return (distinct(draw, 2, 2, *sizes(draw, dims)), sides, mode), {}


def fractional(dims: int) -> Callable[[Any], Drawn]:
    def arguments(draw: Any) -> Drawn:
        samples = distinct(draw, 2, 3, dims).sub(0.25).contiguous()
        return (distinct(draw, 2, 3, *sizes(draw, dims, 5)), [2] * dims, sizes(draw, dims, 2, 3), samples), {}

    return arguments


def unpooled(draw: Any) -> Drawn:
    height, width = sizes(draw, 2, 4, 9)
    maxima, places = torch.nn.functional.max_pool2d(
        distinct(draw, 2, 3, height, width), 2, return_indices=True
    )
    return (maxima.detach(), places, [height, width]), {}


def ranked(*before: int) -> Callable[[Any], Drawn]:
    def arguments(draw: Any) -> Drawn:
        x = distinct(draw, *sizes(draw, draw(st.integers(1, 4)), 1, 6))
        return (x, *before, draw(st.integers(-x.ndim, x.ndim - 1)), draw(st.booleans())), {}

    return arguments


def taken(draw: Any) -> Drawn:
    index = draw(st.lists(st.integers(-24, 23), min_size=6, max_size=6))
    return (distinct(draw, 2, 3, 2, 2), torch.tensor(index).reshape(2, 3)), {}


def reduced(draw: Any) -> Drawn:
    shape, dim = sizes(draw, 3, 1, 4), draw(st.integers(-3, 2))
    into = [size if place == dim % 3 else shape[place] for place, size in enumerate(sizes(draw, 3, 1, 4))]
    places = draw(
        st.lists(st.integers(0, into[dim] - 1), min_size=math.prod(shape), max_size=math.prod(shape))
    )
    reduce = draw(st.sampled_from(["prod", "sum", "mean", "amax", "amin"]))
    return (
        (distinct(draw, *into), dim, torch.tensor(places).reshape(shape), distinct(draw, *shape), reduce),
        {"include_self": draw(st.booleans())},
    )


def scanned(draw: Any) -> Drawn:
    shape = draw(st.sampled_from([[7], [1, 7], [3, 1], [2, 3, 4]]))
    return (distinct(draw, *shape), draw(st.integers(-len(shape), len(shape) - 1))), {}


def multiplied(draw: Any) -> Drawn:
    x = distinct(draw, 2, 3)
    x[0, 0] *= draw(st.integers(0, 1))
    return (x,), {}


def sampled(draw: Any) -> Drawn:
    grid = distinct(draw, 2, *sizes(draw, 2, 1, 5), 2).contiguous() * 2.6 - 1.95
    mode, padding = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    return (distinct(draw, 2, 3, *sizes(draw, 2)), grid, mode, padding, draw(st.booleans())), {}


DRAWN: dict[str, Callable[[Any], Drawn]] = {
    "aten.adaptive_avg_pool1d.default": adaptive(1),
    "aten.adaptive_avg_pool2d.default": adaptive(2),
    "aten.adaptive_avg_pool3d.default": adaptive(3),
    "aten.avg_pool3d.default": average_of_volumes,
    "aten.upsample_linear1d.vec": resized(1),
    "aten.upsample_bilinear2d.vec": resized(2),
    "aten.upsample_bicubic2d.vec": resized(2),
    "aten._upsample_bilinear2d_aa.vec": smoothed,
    "aten._upsample_bicubic2d_aa.vec": smoothed,
    "aten.pad.default": padded,
    "aten.adaptive_max_pool1d.default": adaptive(1),
    "aten.adaptive_max_pool2d.default": adaptive(2),
    "aten.adaptive_max_pool3d.default": adaptive(3),
    "aten.max_pool3d.default": maximum_of_volumes,
    "aten.max_pool3d_with_indices.default": maximum_of_volumes,
    "aten.fractional_max_pool2d.default": fractional(2),
    "aten.fractional_max_pool3d.default": fractional(3),
    "aten.max_unpool2d.default": unpooled,
    "aten.median.dim": ranked(),
    "aten.nanmedian.dim": ranked(),
    "aten.kthvalue.default": ranked(1),
    "aten.take.default": taken,
    "aten.scatter_reduce.two": reduced,
    "aten.cumprod.default": scanned,
    "aten.logcumsumexp.default": scanned,
    "aten.prod.default": multiplied,
    "aten.grid_sampler.default": sampled,
}


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
