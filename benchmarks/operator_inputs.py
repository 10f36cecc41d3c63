"""Small inputs for every operator of the allow-list: what its schema asks for, or what the table has."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from harness.graph.operators import OPS

Tensors = Callable[..., torch.Tensor]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]

SHAPES = ((2, 4, 8, 8), (4, 8, 8), (8, 8), (2, 4, 4, 4, 4), (8,), ())
"""Of the tensors of an operator, tried in this order until it takes them."""


def operators() -> list[str]:
    """Name the operators of the allow-list whose result is not what happens to lie in memory."""
    return sorted(name for name in OPS if name.startswith("aten.") and OPS[name] != "uninitialised")


def overload(name: str) -> Any:
    """Look up an operator by its name in the allow-list."""
    _, packet, which = name.split(".", 2)
    return getattr(getattr(torch.ops.aten, packet), which)


def arguments(name: str) -> list[Arguments]:
    """Return arguments on the CPU that an operator takes: all of the table, or the first that are found."""
    torch.manual_seed(0)
    call = overload(name)
    given = _GIVEN.get(name.removeprefix("aten.").removesuffix(".default"))
    if given is not None:
        return [(args, {}) for args in given()]
    if name.removeprefix("aten.") in _NAMED:
        return [_NAMED[name.removeprefix("aten.")]]
    for args, kwargs in _by_schema(call):
        try:
            call(*_copied(args), **kwargs)
        except Exception:  # noqa: BLE001, S112 - torch says in its own way that it does not take them
            continue
        return [(args, kwargs)]
    return []


def placed(value: Any, device: torch.device, memory_format: torch.memory_format) -> Any:
    """Move the tensors of arguments to a device, those of four dimensions in a memory format."""
    if isinstance(value, (tuple, list)):
        return type(value)(placed(one, device, memory_format) for one in value)
    if isinstance(value, torch.device):
        return device
    if not isinstance(value, torch.Tensor):
        return value
    moved = value.detach().clone().to(device)
    return moved.contiguous(memory_format=memory_format) if moved.ndim == 4 else moved


# Private functions


def _copied(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(map(_copied, value))
    return value.clone() if isinstance(value, torch.Tensor) else value


def _by_schema(call: Any) -> Iterator[Arguments]:
    """Try tensors of several kinds and shapes, lists of several lengths and several whole numbers."""
    for make in (_floats, _whole, _truths):
        for shape in SHAPES:
            for length in (2, 1, 3):
                for number in (1, 0, 2):
                    yield _filled(call, make, shape, [number] * length)


def _filled(call: Any, make: Tensors, shape: tuple[int, ...], numbers: list[int]) -> Arguments:
    """Give every argument without a default a value of its type, the optional ones too."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for argument in call._schema.arguments:
        if argument.has_default_value():
            continue
        value = _of_type(str(argument.type), make, shape, numbers)
        if argument.kwarg_only:
            kwargs[argument.name] = value
        else:
            args.append(value)
    return tuple(args), kwargs


def _of_type(kind: str, make: Tensors, shape: tuple[int, ...], numbers: list[int]) -> Any:
    if "List[Tensor]" in kind or "List[Optional[Tensor]]" in kind:
        return [make(*shape), make(*shape)]
    if "Tensor" in kind:
        return make(*shape)
    if "List[int]" in kind:
        return numbers
    return {"bool": False, "float": 0.5, "number": 0.5}.get(kind, numbers[0])


def _floats(*shape: int) -> torch.Tensor:
    return torch.rand(shape) * 0.9 + 0.05


def _whole(*shape: int) -> torch.Tensor:
    return torch.randint(0, 4, shape)


def _truths(*shape: int) -> torch.Tensor:
    return torch.rand(shape) > 0.5


r = _floats


def _cells(gates: int) -> list[torch.Tensor]:
    """Weights of a recurrent layer of 4 numbers in and out."""
    return [r(gates * 4, 4), r(gates * 4, 4), r(gates * 4), r(gates * 4)]


def _convolutions(dims: int) -> list[tuple[Any, ...]]:
    """Dense, with a stride, depthwise and dilated, grouped."""
    x, side = r(2, 4, *[8] * dims), [3] * dims
    return [
        (x, r(6, 4, *side), r(6), [1] * dims, [1] * dims),
        (x, r(6, 4, *side), None, [2] * dims, [1] * dims),
        (x, r(4, 1, *side), None, [1] * dims, [2] * dims, [2] * dims, 4),
        (x, r(8, 2, *side), r(8), [1] * dims, [0] * dims, [1] * dims, 2),
    ]


def _transposed(dims: int) -> list[tuple[Any, ...]]:
    x, side = r(2, 4, *[6] * dims), [3] * dims
    two, one = [2] * dims, [1] * dims
    return [(x, r(4, 6, *side), r(6), two, one, one), (x, r(4, 1, *side), None, one, one, [0] * dims, 4)]


def _windows(dims: int) -> list[tuple[Any, ...]]:
    x = r(2, 4, *[8] * dims)
    return [(x, [2] * dims, [2] * dims), (x, [3] * dims, [1] * dims, [1] * dims)]


def _to(dims: int) -> list[tuple[Any, ...]]:
    """To one place, to a divisor, and to a size that does not divide."""
    return [(r(2, 4, *[8] * dims), [size] * dims) for size in (1, 4, 3)]


def _resized(dims: int, *corners: tuple[bool, ...]) -> list[tuple[Any, ...]]:
    x = r(2, 4, *[8] * dims)
    return [(x, [size] * dims, *aligned, None) for aligned in corners for size in (16, 5)]


def _padded() -> list[tuple[Any, ...]]:
    return [(r(2, 4, 8, 8), [1, 2, 3, 1], mode) for mode in ("constant", "reflect", "replicate", "circular")]


def _norm(x: torch.Tensor, *, training: bool) -> tuple[Any, ...]:
    c = x.shape[1]
    return (x, r(c), r(c), r(c), r(c), training, 0.1, 1e-5, True)


def _places(*shape: int, below: int) -> torch.Tensor:
    return torch.randint(0, below, shape)


def _scattered(values: bool = True) -> list[tuple[Any, ...]]:  # noqa: FBT001, FBT002
    """Many to the same places, whose sum depends on the order."""
    return [(r(4, 8), 0, _places(64, 8, below=4), r(64, 8) if values else 0.5)]


def _clamped(*ends: Any) -> Callable[[], list[tuple[Any, ...]]]:
    return lambda: [(r(2, 4, 8, 8), *ends)]


def _reduced(*rest: Any) -> Callable[[], list[tuple[Any, ...]]]:
    return lambda: [(r(2, 4, 8, 8), [2, 3], *rest), (r(64, 512), [0], *rest)]


_GIVEN: dict[str, Callable[[], list[tuple[Any, ...]]]] = {
    **{f"conv{n}d": (lambda n=n: _convolutions(n)) for n in (1, 2, 3)},
    "conv_transpose1d": lambda: _transposed(1),
    "conv_transpose2d.input": lambda: _transposed(2),
    "conv_transpose3d.input": lambda: _transposed(3),
    **{f"{kind}_pool{n}d": (lambda n=n: _windows(n)) for kind in ("avg", "max") for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": (lambda n=n: _windows(n)) for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": (lambda n=n: _to(n)) for kind in ("avg", "max") for n in (1, 2, 3)},
    "fractional_max_pool2d": lambda: [(r(2, 4, 8, 8), [2, 2], [5, 5], r(2, 4, 2))],
    "fractional_max_pool3d": lambda: [(r(2, 4, 8, 8, 8), [2, 2, 2], [5, 5, 5], r(2, 4, 3))],
    "max_unpool2d": lambda: [(r(2, 4, 4, 4), _places(2, 4, 4, 4, below=64), [8, 8])],
    "upsample_linear1d.vec": lambda: _resized(1, (False,), (True,)),
    "upsample_nearest1d.vec": lambda: _resized(1, ()),
    "upsample_nearest2d.vec": lambda: _resized(2, ()),
    "_upsample_nearest_exact2d.vec": lambda: _resized(2, ()),
    **{
        f"{kind}.vec": (lambda: _resized(2, (False,), (True,)))
        for kind in (
            "upsample_bilinear2d",
            "upsample_bicubic2d",
            "_upsample_bilinear2d_aa",
            "_upsample_bicubic2d_aa",
        )
    },
    "pad": _padded,
    "grid_sampler": lambda: [(r(2, 4, 8, 8), r(2, 8, 8, 2) * 2 - 1, 0, mode, False) for mode in (0, 1, 2)],
    "affine_grid_generator": lambda: [(r(2, 2, 3), [2, 4, 8, 8], False)],
    "col2im": lambda: [(r(2, 36, 64), [8, 8], [3, 3], [1, 1], [1, 1], [1, 1])],
    "im2col": lambda: [(r(2, 4, 8, 8), [3, 3], [1, 1], [1, 1], [1, 1])],
    "batch_norm": lambda: [_norm(r(8, 4, 8, 8), training=True), _norm(r(8, 4, 8, 8), training=False)],
    "instance_norm": lambda: [_norm(r(2, 4, 8, 8), training=True)],
    "layer_norm": lambda: [(r(2, 4, 8, 8), [8, 8], r(8, 8), r(8, 8))],
    "rms_norm": lambda: [(r(2, 4, 8, 8), [8], r(8), 1e-5)],
    "matrix_exp": lambda: [(r(8, 8),)],
    "linalg_matrix_exp": lambda: [(r(8, 8),)],
    "_weight_norm": lambda: [(r(6, 4, 3, 3), r(6, 1, 1, 1), 0)],
    "group_norm": lambda: [(r(2, 4, 8, 8), 2, r(4), r(4))],
    "linear": lambda: [(r(32, 64), r(10, 64), r(10)), (r(2, 4, 8, 8), r(5, 8), None)],
    "einsum": lambda: [("nchw,nkhw->nck", [r(2, 4, 8, 8), r(2, 3, 8, 8)])],
    "gru.input": lambda: [(r(5, 2, 4), r(1, 2, 4), _cells(3), True, 1, 0.0, True, False, False)],
    "lstm.input": lambda: [
        (r(5, 2, 4), [r(1, 2, 4), r(1, 2, 4)], _cells(4), True, 1, 0.0, True, False, False)
    ],
    **{
        f"{kind}.input": (lambda: [(r(5, 2, 4), r(1, 2, 4), _cells(1), True, 1, 0.0, True, False, False)])
        for kind in ("rnn_relu", "rnn_tanh")
    },
    "addbmm": lambda: [(r(8, 8), r(4, 8, 8), r(4, 8, 8))],
    "addmv": lambda: [(r(8), r(8, 16), r(16))],
    "mv": lambda: [(r(8, 16), r(16))],
    "tensordot": lambda: [(r(2, 4, 8), r(4, 8, 3), [1, 2], [0, 1])],
    "cross": lambda: [(r(8, 3), r(8, 3), 1)],
    "linalg_cross": lambda: [(r(8, 3), r(8, 3))],
    "linalg_householder_product": lambda: [(r(8, 4), r(4))],
    "index.Tensor": lambda: [(r(8, 8), [_places(64, below=8)])],
    "index_select": lambda: [(r(8, 8), 0, _places(64, below=8))],
    "embedding": lambda: [(r(8, 4), _places(2, 64, below=8))],
    "gather": lambda: [(r(4, 8), 0, _places(64, 8, below=4))],
    "take_along_dim": lambda: [(r(4, 8), _places(64, 8, below=4), 0)],
    "take": lambda: [(r(8, 8), _places(512, below=64))],
    "index_put": lambda: [(r(8, 8), [_places(64, below=8)], r(64, 8), True)],
    "index_add": lambda: [(r(8, 8), 0, _places(64, below=8), r(64, 8))],
    "index_copy": lambda: [(r(8, 8), 0, torch.randperm(8), r(8, 8))],
    "scatter.src": _scattered,
    "scatter.value": lambda: _scattered(values=False),
    "scatter_add": _scattered,
    "scatter_reduce.two": lambda: [
        (*args, how) for how in ("sum", "prod", "mean", "amax", "amin") for args in _scattered()
    ],
    "select_scatter": lambda: [(r(2, 4, 8, 8), r(2, 8, 8), 1, 2)],
    "diagonal_scatter": lambda: [(r(8, 8), r(8))],
    "clamp": _clamped(0.2, 0.8),
    "clamp_": _clamped(0.2, 0.8),
    "clip": _clamped(0.2, 0.8),
    "clip_": _clamped(0.2, 0.8),
    **{
        f"{kind}.Tensor": (lambda: [(r(2, 4, 8, 8), r(8), None)])
        for kind in ("clamp", "clamp_", "clip", "clip_")
    },
    "flip": lambda: [(r(2, 4, 8, 8), [2, 3])],
    "roll": lambda: [(r(2, 4, 8, 8), [1, 2], [2, 3])],
    "permute": lambda: [(r(2, 4, 8, 8), [0, 2, 3, 1])],
    "movedim.intlist": lambda: [(r(2, 4, 8, 8), [1, 2], [2, 3])],
    "moveaxis.intlist": lambda: [(r(2, 4, 8, 8), [1, 2], [2, 3])],
    "squeeze.dims": lambda: [(r(2, 4, 1, 1), [2, 3])],
    "squeeze_.dims": lambda: [(r(2, 4, 1, 1), [2, 3])],
    "count_nonzero.dim_IntList": _reduced(),
    "mean.dim": _reduced(),
    "sum.dim_IntList": _reduced(),
    "std.dim": _reduced(),
    "var.dim": _reduced(),
    "std_mean.dim": _reduced(),
    "var_mean.dim": _reduced(),
    "logsumexp": _reduced(),
    "norm.ScalarOpt_dim": lambda: [(r(2, 4, 8, 8), 2, [2, 3])],
    "randint.low": lambda: [(0, 9, [4, 8])],
    "randint_like.low_dtype": lambda: [(r(4, 8), 0, 9)],
    "random_.from": lambda: [(r(4, 8), 0, 9)],
    "to.device": lambda: [(r(2, 4, 8, 8), torch.device("cpu"), torch.float64)],
    "view_as_real": lambda: [(torch.view_as_complex(r(4, 8, 2)),)],
    "imag": lambda: [(torch.view_as_complex(r(4, 8, 2)),)],
    "_assert_async.msg": lambda: [(torch.tensor(1), "said")],
    "_assert_scalar": lambda: [(1, "said")],
    "view_as_complex": lambda: [(r(4, 8, 2),)],
}
"""Of operators whose schema does not say what goes together, and of those with several kernels."""
_NAMED: dict[str, Arguments] = {
    "div.Scalar_mode": ((r(4, 8), 0.3), {"rounding_mode": "floor"}),
    "div.Tensor_mode": ((r(4, 8), r(8)), {"rounding_mode": "floor"}),
    "meshgrid.indexing": (([r(4), r(8)],), {"indexing": "ij"}),
}
