import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.training.depthwise import grouped
from harness.training.measure import arithmetic

CONV2D = torch.ops.aten.conv2d.default
CPU = torch.device("cpu")
Tensors = list[torch.Tensor]


def gradients(
    channels: int, size: int, dilation: int, groups: int
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Output and gradients under autocast, and in double precision of the same bfloat16 numbers."""
    torch.manual_seed(0)
    image = torch.randn(16, channels, size, size).bfloat16().contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(channels, channels // groups, 3, 3).bfloat16().float(), torch.randn(channels)
    sent = torch.randn(16, channels, size, size).bfloat16()
    settings = ([1, 1], [dilation, dilation], [dilation, dilation], groups)
    results = []
    for exact in (False, True):
        x, w, b = (t.double() if exact else t for t in (image, weight, bias))
        leaves = [t.detach().clone(memory_format=torch.preserve_format).requires_grad_() for t in (x, w, b)]
        with arithmetic("float32" if exact else "bfloat16", CPU):
            out = (CONV2D if exact else grouped(CONV2D))(*leaves, *settings)
        results.append([out, *torch.autograd.grad(out, leaves, sent.to(out.dtype))])
    return results[0], results[1]


@pytest.mark.parametrize(
    ("channels", "size", "dilation", "groups"),
    [
        (32, 32, 2, 32),
        (96, 32, 8, 96),
        (96, 24, 8, 96),
        (96, 16, 8, 96),
        (7, 12, 3, 7),
        (8, 15, 2, 8),
        (8, 16, 2, 4),
    ],
    ids=["2", "8", "8 at 24 px", "8 at 16 px", "odd channels", "odd size", "two channels a group"],
)
def test_output_and_gradients_are_those_of_the_convolution(
    channels: int, size: int, dilation: int, groups: int
) -> None:
    found, exact = gradients(channels, size, dilation, groups)
    for ours, theirs in zip(found, exact, strict=True):
        assert ours.shape == theirs.shape
        assert (ours.double() - theirs).norm() / theirs.norm() < 0.006


@pytest.mark.parametrize(
    "settings",
    [
        ([2, 2], [2, 2], [2, 2]),
        ([1, 1], [1, 1], [2, 2]),
        ([1, 1], [2, 4], [2, 4]),
        ([1, 1], [8, 8], [8, 8]),
    ],
    ids=["stride", "padding", "not square", "folds smaller than the kernel"],
)
def test_what_does_not_fold_stays_in_float32(settings: tuple[list[int], ...]) -> None:
    image, weight = torch.randn(2, 8, 16, 16), torch.randn(8, 1, 3, 3)
    with arithmetic("bfloat16", CPU):
        out = grouped(CONV2D)(image, weight, None, *settings, 8)
    assert torch.equal(out, F.conv2d(image, weight, None, *settings, groups=8))


def test_without_autocast_it_is_the_operator_itself() -> None:
    image, weight = torch.randn(2, 8, 16, 16), torch.randn(8, 1, 3, 3)
    arguments = (image, weight, None, [1, 1], [2, 2], [2, 2], 8)
    assert torch.equal(grouped(CONV2D)(*arguments), CONV2D(*arguments))
