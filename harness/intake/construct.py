"""Construct a model from its class, with the arguments that its author would give. Locked child only."""

import inspect
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.intake.exchange import Request
from harness.intake.failures import StudentFailure, stage
from harness.recipe import Scalar

CLASSES, CHANNELS = "<classes>", "<channels>"
"""In the table below: the number of classes of the assignment, of channels of its images."""
USUAL: Mapping[str, tuple[Scalar, ...]] = {
    r"(num|n|no|out|output)_?(of_?)?(class|classes|labels|outputs)|classes|output_(size|dim)|out_dim": (
        CLASSES,
    ),
    r"(in|input|image|img|n|num|inp)_?(channel|channels|chans|ch|c|planes|dim)|channels|c(h|hannels?)?_?in": (
        CHANNELS,
    ),
    r"(use|is|with|has|apply)_?\w*(drop|bn|batch|norm)\w*|bn|batch_?norm": (True,),
    r"\w*drop\w*|p": (0.1,),
    r"\w*norm\w*|nt": ("BN", "bn", "batch", "batch_norm", "BatchNorm", "batchnorm"),
    r"base_?(channels|ch|width|planes|filters)|init_channels": (32,),
    r"(use_)?bias": (False,),
    r"device|dev": ("cpu",),
    r"(input|image|img)_?(size|dim|shape)": (32,),
}
"""What a constructor's parameter without a default is given where its name, in lower case, is like this; the
next value where one fails."""

_METHODS = frozenset({
    "train", "eval", "modules", "named_modules", "children", "named_children", "parameters",
    "named_parameters", "buffers", "named_buffers", "state_dict", "load_state_dict", "apply", "zero_grad",
    "requires_grad_",
})  # fmt: skip
"""Methods of a module that torch calls itself, or that every training calls."""

Factory = Callable[..., Any]
"""A class of models, or a function that makes one."""


@dataclass(frozen=True)
class Built:
    """A constructed model and what it took."""

    name: str
    model: nn.Module
    factory: Factory
    arguments: Mapping[str, Scalar]


def seed_all(seed: int) -> None:
    """Seed every generator that an initialisation may draw from."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def construct(factory: Factory, request: Request, given: Mapping[str, Scalar]) -> Built:
    """Construct a model; parameters that have no default and are not given get their usual value.

    Raises:
        StudentFailure: it cannot be constructed.
    """
    first: StudentFailure | None = None
    for usual in _usual_arguments(factory, request, given):
        try:
            return construct_with(factory, request, {**usual, **given}, request.init_seed)
        except StudentFailure as failure:
            first = first or failure
    assert first is not None
    raise first


def construct_with(factory: Factory, request: Request, arguments: Mapping[str, Scalar], seed: int) -> Built:
    """Construct a model with exactly these arguments.

    Raises:
        StudentFailure: it cannot be constructed, or is no model.
    """
    name = str(getattr(factory, "__name__", ""))
    with stage("construct", request.root, name):
        seed_all(seed)
        model = factory(**arguments)
    if not isinstance(model, nn.Module):
        raise StudentFailure(
            "construct", f"{name}: gives {type(model).__name__}; expected a torch.nn.Module."
        )
    if hidden := _hidden(model):
        raise StudentFailure("construct", f"{name}: {hidden}", class_name=name)
    return Built(name, model, factory, arguments)


# Private functions


def _hidden(model: nn.Module) -> str:
    """Say which attribute of a model hides a method that torch calls; "" where none does."""
    waiting, seen = [model], set[int]()
    while waiting:
        module = waiting.pop()
        seen.add(id(module))
        for name in sorted(_METHODS & vars(module).keys()):
            if not callable(vars(module)[name]):
                return (
                    f"`self.{name}` is given a value in {type(module).__name__}, which hides the method "
                    f"{name}() of every nn.Module. Give it another name."
                )
        waiting += [one for one in module._modules.values() if one is not None and id(one) not in seen]
    return ""


def _usual_arguments(
    factory: Factory, request: Request, given: Mapping[str, Scalar]
) -> Iterator[dict[str, Scalar]]:
    """Yield what parameters without a default may be given: once nothing where none has a usual value."""
    values = {name: _usual(name, request) for name in required(factory) if name not in given}
    values = {name: usual for name, usual in values.items() if usual}
    attempts = max((len(value) for value in values.values()), default=1)
    for attempt in range(attempts):
        yield {name: value[min(attempt, len(value) - 1)] for name, value in values.items()}


def _usual(name: str, request: Request) -> tuple[Scalar, ...]:
    shape: Mapping[Scalar, Scalar] = {CLASSES: request.classes, CHANNELS: request.input_shape[0]}
    for pattern, values in USUAL.items():
        if re.fullmatch(pattern, name.lower()):
            return tuple(shape.get(value, value) for value in values)
    return ()


def required(factory: Factory) -> list[str]:
    """Name the parameters without a default."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, one in parameters.items() if one.default is one.empty and one.kind in kinds]
