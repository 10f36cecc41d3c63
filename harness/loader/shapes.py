"""Advice on errors about the shapes of tensors: what to do, in one sentence, or "" for any other error."""

import math
import re

from torch import nn

from harness.loader.mistake import CONSTRUCTED_AT, IMAGES, Mistake


def linear(one: Mistake) -> str:
    """Return how many numbers for each image a linear layer gets."""
    error = one.error
    found = re.search(
        r"mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)", str(error)
    )
    if not found:
        return ""
    rows, got, expected, out = map(int, found.groups())
    if rows != IMAGES:
        return (
            f"The Linear layer gets {rows} rows for {IMAGES} images, and not one row of numbers for each "
            "image: flatten before it, as in x.flatten(1)."
        )
    return (
        f"The Linear layer gets {got} numbers for each image and expects {expected}: write "
        f"nn.Linear({got}, {out})."
    )


def convolution(one: Mistake) -> str:
    """Return which channels and groups a convolution needs."""
    error = one.error
    found = re.search(
        r"weight of size \[(\d+), (\d+)[^\]]*\], expected input\[([\d, ]+)\] "
        r"to have (\d+) channels, but got (\d+)",
        str(error),
    )
    if not found:
        return ""
    layer = _layer(one, "torch/nn/modules/conv.py", "the convolution")
    groups = re.search(r"Given groups=(\d+)", str(error))
    if found[5] == "3" and found[4] == "1":
        return (
            f"In {layer}: the model is made for gray images (in_channels 1), the assignment's have 3 "
            "channels."
        )
    made, gets = int(found[4]), int(found[5])
    wanted = f"in_channels to {gets}" + _groups(made, gets, int(groups[1]) if groups else 1, int(found[1]))
    return f"In {layer}: it is made for {made} channels and gets {gets}; set its {wanted}."


def others(one: Mistake) -> str:
    """Return the advice for other tensors of the wrong shape."""
    said = str(one.error)
    found = re.search(r"running_mean should contain (\d+) elements not (\d+)", said)
    if found:
        return (
            f"The batch-norm gets {found[1]} channels and is made for {found[2]}: write "
            f"nn.BatchNorm2d({found[1]})."
        )
    if "must match the size of tensor b" in said:
        return (
            "Two tensors that are added or multiplied differ in shape; give both branches the same "
            "channels and stride."
        )
    if "Sizes of tensors must match" in said:
        return (
            "Tensors that are concatenated differ in height or width; give all branches the same stride "
            "and padding."
        )
    if "is invalid for input of size" in said:
        return "The numbers in view(...) do not fit the map; write x.view(x.size(0), -1), or x.flatten(1)."
    if "Kernel size can't be greater than actual input size" in said or "Output size is too small" in said:
        return "The map has become smaller than the kernel: pad, or downsample less."
    return ""


# Private functions


def _groups(made: int, gets: int, groups: int, out: int) -> str:
    """Return which groups, and which output channels, a convolution can have with other input channels."""
    if groups == 1:
        return ""
    fitting = gets if groups == made else math.gcd(gets, groups)
    outs = out if out % fitting == 0 else gets * max(1, round(out / gets))
    changed = f" and groups to {fitting}" if fitting != groups else f" and keep groups={groups}"
    return changed + (f", and its out_channels to {outs}" if outs != out else "")


def _layer(one: Mistake, file: str, otherwise: str) -> str:
    """Return the name of torch's layer that an error passed through, with the line that constructs it."""
    called = re.findall(r"self\.(\w+)", one.line)
    layers = [frame.f_locals.get("self") for frame in one.frames(file)]
    models = [frame.f_locals.get("self") for frame in one.frames("torch/nn/modules/module.py")]
    names = {id(m): name for m in models[:1] if isinstance(m, nn.Module) for name, m in m.named_modules()}
    if layers and (name := names.get(id(layers[-1]))):
        line = vars(layers[-1]).get(CONSTRUCTED_AT)
        return f"`{name}` ({line})" if line else f"`{name}`"
    return f"`{called[-1]}`" if len(set(called)) == 1 else otherwise
