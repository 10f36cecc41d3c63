"""Make harmless what submissions ask of torch that is no part of a network. Locked child only.

Where it runs (a GPU, threads), how fast (compiled, scripted, in lower precision) and in how much memory
(checkpoints) is the grader's to say: such a call is let pass and does nothing, and what the network computes
stays as it is written. Every kind is told once, in a sentence.
"""

import contextlib
import functools
import inspect
import logging
import os
from collections.abc import Callable
from typing import Any, TextIO

import torch
from torch import nn
from torch.utils import checkpoint

Note = Callable[[str], None]
"""Tells the student once what has been let pass."""

GPU = "moves to a GPU do nothing: there is none while a submission is graded"
THREADS = "torch.set_num_threads does nothing: how many threads there are is no part of a model"
AUTOCAST = "torch.autocast does nothing: the precision is chosen by the recipe"
COMPILED = "torch.compile and torch.jit do nothing: the model is loaded as it is written"
LOGGED = "log files are not written: a submission writes nothing while it is loaded"
_DEVICES = frozenset({"cuda", "mps", "xpu", "hpu", "xla", "npu", "mtia", "privateuseone"})
"""Kinds of accelerators, as torch calls them."""
_OPTIONS = {*inspect.signature(checkpoint.checkpoint).parameters, "preserve_rng_state"} - {"args", "kwargs"}
"""Arguments of a checkpoint that are not its function's."""


def install(note: Note) -> None:
    """Ignore these calls from now on, in this process; `note` is called with one of the sentences above."""
    _stay_on_the_cpu(note)
    _keep_threads(note)
    _keep_precision(note)
    _keep_python(note)
    _keep_activations()
    _know_no_inference_mode()
    _write_no_logs(note)


def in_mode(model: nn.Module, *, training: bool) -> nn.Module:
    """Set a model to train or eval mode.

    Some classes have a method `train` that runs a whole training: then only the flag of every module is set.
    """
    if all(map(_has_usual_train, model.modules())):
        return model.train(training)
    for module in model.modules():
        module.training = training
    return model


# Private functions


def _has_usual_train(module: nn.Module) -> bool:
    """Return whether a module has nn.Module's kind of `train`, with one argument that is a mode."""
    method = type(module).train
    if method is nn.Module.train:
        return "train" not in vars(module)
    parameters = list(inspect.signature(method).parameters.values())[1:]
    return len(parameters) == 1 and (parameters[0].name == "mode" or parameters[0].default is True)


def _stay_on_the_cpu(note: Note) -> None:
    def stay(self: object, *_: object, **__: object) -> object:
        note(GPU)
        return self

    for owner in (nn.Module, torch.Tensor):
        if not torch.cuda.is_available():
            owner.cuda = stay  # type: ignore[method-assign, assignment]
        owner.to = _to_cpu(owner.to, note)  # type: ignore[method-assign]


def _to_cpu(to: Callable[..., Any], note: Note) -> Callable[..., Any]:
    def stay(value: object) -> object:
        if isinstance(value, (str, torch.device)) and _is_elsewhere(str(value)):
            note(GPU)
            return torch.device("cpu")
        return value

    @functools.wraps(to)
    def run(self: object, *args: object, **kwargs: object) -> Any:
        return to(self, *map(stay, args), **{key: stay(one) for key, one in kwargs.items()})

    return run


def _is_elsewhere(device: str) -> bool:
    kind = device.partition(":")[0]
    return kind in _DEVICES and not (kind == "cuda" and torch.cuda.is_available())


def _keep_threads(note: Note) -> None:
    # The lock lets no thread begin: torch would die of it.
    def keep(_: int) -> None:
        note(THREADS)

    torch.set_num_threads = torch.set_num_interop_threads = keep  # type: ignore[assignment]


def _keep_precision(note: Note) -> None:
    def enter(self: Any) -> Any:
        if self._enabled:
            note(AUTOCAST)
        return self

    def leave(*_: object) -> bool:
        return False

    torch.autocast.__enter__ = enter  # type: ignore[method-assign]
    torch.autocast.__exit__ = leave  # type: ignore[method-assign]


def _keep_python(note: Note) -> None:
    def keep(one: Any = None, *_: object, **__: object) -> Any:
        note(COMPILED)
        # As a decorator with options it is called without what it decorates.
        return keep if one is None else one

    def keep_itself(*_: object, **__: object) -> None:
        note(COMPILED)

    torch.compile = keep  # type: ignore[assignment]
    nn.Module.compile = keep_itself  # type: ignore[method-assign]
    for name in ("script", "script_method", "trace", "freeze", "optimize_for_inference"):
        setattr(torch.jit, name, keep)


def _keep_activations() -> None:
    """Run a checkpointed function as any other: it computes the same, with the same gradients."""

    def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **{name: value for name, value in kwargs.items() if name not in _OPTIONS})

    checkpoint.checkpoint = run  # type: ignore[assignment]


def _know_no_inference_mode() -> None:
    """Replace `torch.inference_mode` by `torch.no_grad`, which an export follows."""

    def inference_mode(mode: Any = True) -> Any:  # noqa: FBT002 - torch's signature
        if callable(mode):
            return torch.no_grad()(mode)
        return torch.no_grad() if mode else contextlib.nullcontext()

    torch.inference_mode = inference_mode  # type: ignore[assignment, misc]


def _write_no_logs(note: Note) -> None:
    def nowhere(_: logging.FileHandler) -> TextIO:
        note(LOGGED)
        return open(os.devnull, "a", encoding="utf-8")  # noqa: PTH123 - the handler closes it

    logging.FileHandler._open = nowhere  # type: ignore[method-assign, assignment]
