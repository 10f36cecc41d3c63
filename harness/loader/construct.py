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

from harness.loader.constructor_arguments import Values
from harness.loader.failures import StudentFailure, stage
from harness.loader.protocol import Request
from harness.settings.recipe import Scalar

CLASSES, CHANNELS, SIZE = "<classes>", "<channels>", "<size>"
"""In the table below: the number of classes of the assignment, of channels and of rows of its images."""
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
    r"(use_)?bias": (False,),
    r"device|dev": ("cpu",),
    r"(input|image|img)_?(size|dim|shape)": (SIZE,),
}
"""What a constructor's parameter without a default is given where its name, in lower case, is like this; the
next value where one fails. How wide or deep a network is is nowhere here: whoever built it is asked."""
_SETTLED: frozenset[Scalar] = frozenset({CLASSES, CHANNELS, SIZE, "cpu"})
"""Values that no call in a submission changes."""

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
    arguments: Mapping[str, object]


def seed_all(seed: int) -> None:
    """Seed every generator that an initialisation may draw from."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def construct(
    factory: Factory, request: Request, given: Mapping[str, Scalar], called: Mapping[str, Values]
) -> Built:
    """Construct a model with arguments for the parameters that have no default.

    They are those `given`, else those it is `called` with in the submission, else the usual ones.

    Raises:
        StudentFailure: it cannot be constructed, or an argument has to be asked for.
    """
    first: StudentFailure | None = None
    for usual in _usual_arguments(factory, request, given, called):
        try:
            return construct_with(factory, request, {**usual, **given}, request.init_seed)
        except StudentFailure as failure:
            first = first or failure
    assert first is not None
    raise first


def construct_with(factory: Factory, request: Request, arguments: Mapping[str, object], seed: int) -> Built:
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
    """Return which attribute of a model hides a method that torch calls; "" where none does."""
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
    factory: Factory, request: Request, given: Mapping[str, Scalar], called: Mapping[str, Values]
) -> Iterator[dict[str, object]]:
    """Yield what parameters without a default may be given: once nothing where there is none."""
    values: dict[str, Values] = {}
    for name in required(factory):
        if name not in given:
            values[name] = _choices(name, request, called.get(name, ()))
            if not values[name]:
                raise _question(factory, name, called.get(name, ()))
    attempts = max((len(value) for value in values.values()), default=1)
    for attempt in range(attempts):
        yield {name: value[min(attempt, len(value) - 1)] for name, value in values.items()}


def _choices(name: str, request: Request, called: Values) -> Values:
    """List what a parameter may be given, the likeliest first; nothing where its author has to be asked."""
    usual = next((values for pattern, values in USUAL.items() if re.fullmatch(pattern, name.lower())), ())
    channels, rows, _ = request.input_shape
    shape: Mapping[Scalar, Scalar] = {CLASSES: request.classes, CHANNELS: channels, SIZE: rows}
    known = [shape.get(value, value) for value in usual]
    if len(called) == 1 and not _SETTLED & set(usual):
        return called
    if called and not _SETTLED & set(usual):
        # It is called in several ways: the usual one of them.
        return [value for value in known if value in called]
    return known


def _question(factory: Factory, parameter: str, called: Values) -> StudentFailure:
    name = str(getattr(factory, "__name__", ""))
    found = "no call in the submission says which value it was trained with"
    if called:
        found = f"the submission calls it with {' and '.join(map(repr, called))}"
    return StudentFailure(
        "construct",
        f"{name}: what is `{parameter}`? The constructor needs it, and {found}. Write it "
        f"into submission.toml, as in arguments = {{ {parameter} = ... }}, or give --ctor {parameter}=...",
        class_name=name,
    )


def required(factory: Factory) -> list[str]:
    """List the parameters without a default."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        name for name, one in _signature(factory).items() if one.default is one.empty and one.kind in kinds
    ]


def defaults(factory: Factory) -> Mapping[str, object]:
    """Return the parameters that have a default, with it."""
    return {name: one.default for name, one in _signature(factory).items() if one.default is not one.empty}


def parameters(factory: Factory) -> list[str]:
    """List the parameters that a call may fill by their order."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [name for name, one in _signature(factory).items() if one.kind is kind]


def _signature(factory: Factory) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
