"""The window of a convolution or pool, read from its arguments and checked."""

from dataclasses import dataclass
from typing import Any

from harness.graph.ir import Node
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.layout import MALFORMED, Shape, Unmeasurable


@dataclass(frozen=True)
class Window:
    """Kernel, stride, padding and dilation, one number per dimension the window slides along."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    @property
    def makes_sense(self) -> bool:
        """Whether every number is one that torch would accept."""
        positive = (*self.kernel, *self.stride, *self.dilation, self.groups)
        sizes = {len(self.kernel), len(self.stride), len(self.padding), len(self.dilation)}
        return (
            len(sizes) == 1
            and all(type(number) is int and number > 0 for number in positive)
            and all(type(number) is int and number >= 0 for number in self.padding)
        )

    @property
    def rank(self) -> int:
        """Number of dimensions the window slides along."""
        return len(self.kernel)


def window_of(node: Node, weight_shape: Shape | None) -> Window:
    """Read the window of a convolution (its kernel is in the weight's shape) or of a pool.

    Raises:
        Unmeasurable: the kernel's size is not a number, or the arguments make no sense.
    """
    try:
        window = _window(node, weight_shape)
    except MALFORMED:
        raise Unmeasurable("it is called in an unusual way") from None
    if not window.makes_sense:
        raise Unmeasurable("it is called in an unusual way")
    return window


def each(value: Any, rank: int, default: Any) -> tuple[Any, ...]:
    """Spread one number over all dimensions, as torch does; an empty list stands for the default."""
    if value is None or value == []:
        return () if default is None else (default,) * rank
    values = value if isinstance(value, list) else [value]
    return tuple(values) if len(values) == rank else tuple(values) * rank


# Private functions


def _window(node: Node, weight_shape: Shape | None) -> Window:
    rank = int(short_name(node.op).removesuffix("_with_indices").removesuffix("d")[-1])
    if OPS[node.op] in ("conv", "conv_transpose"):
        kernel = tuple(k for k in (weight_shape or ())[2:] if isinstance(k, int))
        if len(kernel) != rank:
            raise Unmeasurable("the shape of its weight is not known")
        return _convolution(node, kernel, rank)
    size: tuple[int, ...] = each(node.arg(1, "kernel_size"), rank, 1)
    dilation = each(node.arg(4, "dilation"), rank, 1) if OPS[node.op] == "max_pool" else (1,) * rank
    return Window(
        kernel=size,
        stride=each(node.arg(2, "stride"), rank, None) or size,
        padding=each(node.arg(3, "padding"), rank, 0),
        dilation=dilation,
    )


def _convolution(node: Node, kernel: tuple[int, ...], rank: int) -> Window:
    if OPS[node.op] == "conv_transpose":
        groups, dilation = node.arg(6, "groups", 1), each(node.arg(7, "dilation"), rank, 1)
    else:
        groups, dilation = node.arg(6, "groups", 1), each(node.arg(5, "dilation"), rank, 1)
    padding = node.arg(4, "padding")
    if padding == "same":
        # What is left over goes to the end, as in torch.
        around = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    else:
        around = each(0 if padding == "valid" else padding, rank, 0)
    return Window(kernel, each(node.arg(3, "stride"), rank, 1), around, dilation, groups)
