"""What is known of every operator on CUDA agrees with what this torch says of itself."""

import re
from collections.abc import Iterator

import pytest

from harness.graph.cuda import REPLACED, not_on_cuda, on_cuda
from harness.graph.operators import OPS

torch = pytest.importorskip("torch")

WITHOUT_OPERATOR = {
    "NLLLoss", "CTCLoss", "EmbeddingBag", "put_", "histc", "bincount", "resize_", "interpolate trilinear",
}  # fmt: skip
"""What torch lists and no graph may contain."""
NAMED_OTHERWISE = {
    "__getitem__": ["index.Tensor"],
    "scatter_add_": ["scatter_add"],
    "scatter": ["scatter.src"],
    "scatter_reduce": ["scatter_reduce.two"],
    "repeat_interleave": ["repeat_interleave.self_int"],
    "median": ["median.dim", "nanmedian.dim"],
    "grid_sample": ["grid_sampler"],
    "ConvTranspose2d": ["conv_transpose2d.input"],
    "ConvTranspose3d": ["conv_transpose3d.input"],
    "MaxUnpool1d": ["max_unpool2d"],
    "MaxUnpool3d": ["max_unpool2d"],
    "MaxPool3d": ["max_pool3d", "max_pool3d_with_indices"],
    "AdaptiveAvgPool2d": ["adaptive_avg_pool1d", "adaptive_avg_pool2d"],
    "AdaptiveMaxPool2d": ["adaptive_max_pool1d", "adaptive_max_pool2d"],
    "interpolate linear": ["upsample_linear1d.vec"],
    "interpolate bilinear": ["upsample_bilinear2d.vec", "_upsample_bilinear2d_aa.vec"],
    "interpolate bicubic": ["upsample_bicubic2d.vec", "_upsample_bicubic2d_aa.vec"],
}
"""Operators of a graph, by the names that torch's list has for them."""


def listed(heading: str) -> Iterator[str]:
    """Read the names below one of the two headings of torch's own list; a mode follows its function."""
    text = torch.use_deterministic_algorithms.__doc__ or ""
    part = re.split(r"operations will|In addition,", text.partition(f"operations will {heading}")[2])[0]
    for entry in re.split(r"^        \* ", part, flags=re.MULTILINE)[1:]:
        name = re.search(r"`([\w.]+)`", entry)
        assert name is not None
        short = name[1].rpartition(".")[2]
        modes = re.findall(r"^          - ``(\w+)``", entry, flags=re.MULTILINE)
        yield from (f"{short} {mode}" for mode in modes) if modes else (short,)


def operators(name: str) -> list[str]:
    """Find the operators that a name of the list stands for."""
    if re.fullmatch(r"(Reflection|Replication)Pad[123]d", name):
        short = ["pad"]
    else:
        short = NAMED_OTHERWISE.get(name, [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()])
    found = [f"aten.{one}" if "." in one else f"aten.{one}.default" for one in short]
    assert set(found) <= set(OPS), name
    return found


def test_whatever_torch_says_raises_is_replaced():
    named = set(listed("throw a"))
    assert {"AvgPool3d", "grid_sample", "interpolate bicubic"} <= named
    for name in named - WITHOUT_OPERATOR:
        assert all(on_cuda(op) == "raises" for op in operators(name)), name


def test_whatever_torch_says_it_replaces_itself_is_not_called_fixed():
    named = set(listed("act"))
    assert {"Conv2d", "index_add", "Embedding"} <= named
    for name in named - WITHOUT_OPERATOR:
        assert all(on_cuda(op) in {"switched", "raises", "workspace"} for op in operators(name)), name


def test_every_operator_of_the_list_has_a_word_for_what_it_does_on_cuda():
    assert {on_cuda(op) for op in OPS} == {
        "fixed", "switched", "workspace", "drawn", "number", "raises", "varies",
    }  # fmt: skip
    assert set(REPLACED) <= set(OPS)


def test_a_volume_sampled_by_a_grid_is_named_with_its_line(sketch):
    volume = sketch.call("unsqueeze", sketch.conv("x", 4), 2, shape=("batch", 4, 1, 32, 32))
    out = sketch.call("grid_sampler", volume, "x", 0, 0, False, layer="look", shape=("batch", 4, 1, 8, 8))
    assert not_on_cuda(sketch.architecture(out)) == (
        "look (model.py:3) samples volumes by a grid, which has no repeatable gradient on CUDA"
    )


def test_a_map_sampled_by_a_grid_can_be_trained_on_cuda(sketch):
    out = sketch.call("grid_sampler", sketch.conv("x", 4), "x", 0, 0, False, shape=("batch", 4, 8, 8))
    assert not_on_cuda(sketch.architecture(out)) is None
