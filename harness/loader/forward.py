"""Run a built model on black images, in eval mode. Locked child only."""

from collections.abc import Iterator
from types import CodeType, FunctionType

import torch
from torch import nn

from harness.loader.failures import StudentFailure, stage
from harness.loader.made_harmless import in_mode
from harness.loader.mistake import IMAGES
from harness.loader.protocol import Request

_LARGEST_BATCH = 1024
_TRIED = 8
"""How many batch sizes are tried of those that a class names."""


def eager_forward(model: nn.Module, request: Request, images: int = IMAGES) -> object:
    """Run a model on `images` black images, in eval mode; with gradients: some models hook on to them."""
    training = model.training
    result: object = in_mode(model, training=False)(torch.zeros(images, *request.input_shape))
    in_mode(model, training=training)
    return result


def first_result(model: nn.Module, request: Request, name: str) -> object:
    """Run a model on two images for the first time; `name` is that of its class.

    Raises:
        StudentFailure: it cannot be run; where it runs on another number of images, that is said.
    """
    try:
        with stage("forward", request.root, name):
            return eager_forward(model, request)
    except StudentFailure as failure:
        if failure.out_of_memory or not (size := _only_size(model, request)):
            raise
        raise StudentFailure(
            "forward",
            f"{failure.message.partition(': ')[0]}: forward takes batches of {size} images and no others; "
            f"expected any number of them, got {IMAGES}. Write x.size(0) in place of {size}, or x.flatten(1) "
            "in place of the view.",
            traceback=failure.traceback,
            class_name=name,
        ) from None


# Private functions


def _only_size(model: nn.Module, request: Request) -> int | None:
    """Find a number of images that a model is written for, among the numbers that its classes name."""
    for size in sorted(set(_numbers(model)))[:_TRIED]:
        try:
            result = eager_forward(model, request, size)
        except BaseException:  # noqa: BLE001, S112 - student code may raise anything, SystemExit too
            continue
        if isinstance(result, torch.Tensor) and len(result) == size:
            return size
    return None


def _numbers(model: nn.Module) -> Iterator[int]:
    """Yield the whole numbers in the methods of a model's classes, their settings, and globals they read."""
    for module in model.modules():
        values = [*vars(module).values()]
        for method in vars(type(module)).values():
            if isinstance(method, FunctionType) and not method.__module__.startswith("torch."):
                values += _named(method.__code__, method.__globals__)
        for value in values:
            if type(value) is int and IMAGES < value <= _LARGEST_BATCH:
                yield value


def _named(code: CodeType, known: dict[str, object]) -> Iterator[object]:
    for value in code.co_consts:
        yield from value if isinstance(value, tuple) else (value,)
    yield from (known.get(name) for name in code.co_names)
