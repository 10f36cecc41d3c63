import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.settings.recipe import Precision
from harness.training.depthwise import grouped
from harness.training.measure import arithmetic

CONV2D = torch.ops.aten.conv2d.default
CPU = torch.device("cpu")
Tensors = list[torch.Tensor]


def gradients(
    precision: Precision, channels: int, size: int, dilation: int, groups: int
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Output and gradients in a precision, and in double precision of the same bfloat16 numbers."""
    torch.manual_seed(0)
    image = torch.randn(16, channels, size, size).bfloat16().contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(channels, channels // groups, 3, 3).bfloat16().float(), torch.randn(channels)
    sent = torch.randn(16, channels, size, size).bfloat16()
    settings = ([1, 1], [dilation, dilation], [dilation, dilation], groups)
    results = []
    for exact in (False, True):
        of = torch.float64 if exact else torch.float32 if precision == "float32" else None
        x, w, b = (t.to(of) if of else t for t in (image, weight, bias))
        leaves = [t.detach().clone(memory_format=torch.preserve_format).requires_grad_() for t in (x, w, b)]
        with arithmetic("float32" if exact else precision, CPU):
            out = (CONV2D if exact else grouped(CONV2D))(*leaves, *settings)
        results.append([out, *torch.autograd.grad(out, leaves, sent.to(out.dtype))])
    return results[0], results[1]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("channels", "size", "dilation", "groups"),
    [
        (32, 32, 2, 32),
        (96, 32, 8, 96),
        (96, 24, 8, 96),
        (96, 16, 8, 96),
        (7, 12, 3, 7),
        (8, 15, 2, 8),
        (8, 4, 2, 8),
        (8, 12, 8, 8),
        (8, 16, 2, 4),
    ],
    ids=[
        "2",
        "8",
        "8 at 24 px",
        "8 at 16 px",
        "odd channels",
        "odd size",
        "smaller than the kernel",
        "8 at 12 px",
        "two channels a group",
    ],
)
def test_output_and_gradients_are_those_of_the_convolution(
    precision: Precision, channels: int, size: int, dilation: int, groups: int
) -> None:
    found, exact = gradients(precision, channels, size, dilation, groups)
    for ours, theirs in zip(found, exact, strict=True):
        assert ours.shape == theirs.shape
        error = (ours.double() - theirs).norm() / theirs.norm()
        assert error < {"float32": 1e-5, "bfloat16": 0.006}[precision]


@pytest.mark.parametrize(
    "settings",
    [
        ([2, 2], [2, 2], [2, 2]),
        ([1, 1], [1, 1], [2, 2]),
        ([1, 1], [2, 4], [2, 4]),
    ],
    ids=["stride", "padding", "not square"],
)
def test_what_does_not_fold_stays_in_float32(settings: tuple[list[int], ...]) -> None:
    image, weight = torch.randn(2, 8, 16, 16), torch.randn(8, 1, 3, 3)
    with arithmetic("bfloat16", CPU):
        out = grouped(CONV2D)(image, weight, None, *settings, 8)
    assert torch.equal(out, F.conv2d(image, weight, None, *settings, groups=8))


@pytest.mark.parametrize("padding", [0, 4, 8, 12])
def test_a_folded_convolution_has_the_size_that_its_padding_gives_it(padding: int) -> None:
    image, weight = torch.randn(2, 8, 14, 18), torch.randn(8, 1, 3, 3)
    settings = ([1, 1], [padding, padding], [4, 4], 8)
    assert torch.allclose(
        grouped(CONV2D)(image, weight, None, *settings), CONV2D(image, weight, None, *settings), atol=1e-5
    )
