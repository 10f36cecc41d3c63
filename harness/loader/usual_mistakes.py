"""Advice on the usual mistakes of students: what each means and what to do, in one sentence."""

import re
import sys
from collections.abc import Callable, Mapping

from torch import nn

from harness.loader import mistake
from harness.loader.mistake import IMAGES, Mistake, is_out_of_memory

USUAL_IMPORTS = {
    "F": "import torch.nn.functional as F",
    "nn": "from torch import nn",
    "torch": "import torch",
    "np": "import numpy as np",
    "math": "import math",
    "random": "import random",
    "os": "import os",
    "partial": "from functools import partial",
    "reduce": "from functools import reduce",
    "OrderedDict": "from collections import OrderedDict",
    "Tensor": "from torch import Tensor",
    "Variable": "from torch.autograd import Variable",
    "optim": "from torch import optim",
    "init": "from torch.nn import init",
    "torchvision": "import torchvision",
    "transforms": "from torchvision import transforms",
    "datasets": "from torchvision import datasets",
    "List": "from typing import List",
    "Optional": "from typing import Optional",
}
"""Names that are used without an import more often than others, and the import of each."""
_CELL = re.compile(r"\.ipynb cell \d+(?::\d+)?$")
"""A place in a notebook."""
_MODULES = frozenset(name for name in vars(nn) if name[:1].isupper())
_OTHERWISE: Mapping[str, str] = {
    "import": "Correct that line; what the model does not need can go below `if __name__ == '__main__':`.",
    "construct": "Correct that line: the class is constructed as the message says.",
    "forward": f"Correct that line: the model is run on {IMAGES} black images, in eval mode.",
    "export": "torch.export cannot follow that line: write it with torch's own layers and functions.",
}
"""What is said of an error that nobody here knows, by what was done as it was raised."""
_NEW_SYNTAX: Mapping[str, tuple[int, int]] = {
    r"type\s+\w+\s*(\[.*\])?\s*=": (3, 12),
    r"(async\s+)?(def|class)\s+\w+\s*\[": (3, 12),
    r"except\s+\w[\w.]*(\s*,\s*\w[\w.]*)+\s*:": (3, 14),
    r".*\b[tT][rR]?[\"']": (3, 14),
}
"""How a line begins that older versions of Python cannot read, and the first version that can."""


def advice(one: Mistake) -> str:
    """Return what an error of student code means and what to do."""
    if is_out_of_memory(one.error):
        return "It asked for more memory than the assignment allows: make the layers smaller."
    for advise in _ADVISERS:
        if found := advise(one):
            return found
    return _OTHERWISE[one.stage]


# Private functions: each knows one mistake, and answers "" for any other


def _name(one: Mistake) -> str:
    error = one.error
    if isinstance(error, UnboundLocalError):
        found = re.search(r"local variable '(\w+)'", str(error))
        name = f"`{found[1]}`" if found else "A variable"
        return f"{name} is used before it has a value in this function; set it first, on every path."
    if not isinstance(error, NameError):
        return ""
    if error.name in USUAL_IMPORTS:
        return f"`{error.name}` is used at {one.where} but never imported; add `{USUAL_IMPORTS[error.name]}`."
    if error.name in _MODULES:
        return (
            f"`{error.name}` is a layer of torch: write `nn.{error.name}`, or add `from torch.nn import "
            f"{error.name}`."
        )
    if error.name == "get_ipython" and _CELL.search(one.where):
        return (
            "What a line with `!` or `%` gives is not there while a submission is graded: write the value "
            "itself."
        )
    if error.name == "get_ipython":
        return "`get_ipython` is there in a notebook only; remove the line, or hand in the notebook itself."
    return f"`{error.name}` is used but never defined; define or import it before that line."


def _syntax(one: Mistake) -> str:
    error = one.error
    if not isinstance(error, SyntaxError):
        return ""
    text = (error.text or "").strip()
    if isinstance(error, TabError):
        return "Indent with spaces only, or with tabs only."
    if isinstance(error, IndentationError):
        return "Indent the lines of a block alike, and below the line that opens it."
    if "call to 'print'" in str(error):
        return "That is Python 2: write print(...) with parentheses."
    if text.startswith(("!", "%")) and not _CELL.search(one.where):
        return "That is a line for notebooks: remove it from the file, or hand in the notebook itself."
    if "__future__" in str(error):
        return "Move that import to the top of the file, or remove it: Python 3 does not need it."
    if "<<<<<<<" in text or ">>>>>>>" in text:
        return "That is left from a merge of git: keep one of the two versions."
    here = _version(*sys.version_info[:2])
    otherwise = f"Python {here} cannot read that line: correct it and what is just above it."
    return _newer(text, str(error)) or otherwise


def _newer(text: str, said: str) -> str:
    """Return which version of Python a line is written for, where it is a newer one than this."""
    here = sys.version_info[:2]
    if said.startswith("f-string") and here < (3, 12):
        return (
            f"In Python {_version(*here)}, which runs here, the quotes inside the braces of an f-string must "
            "differ from those around it: use the other kind."
        )
    since = [least for begins, least in _NEW_SYNTAX.items() if re.match(begins, text) and here < least]
    if not since:
        return ""
    return (
        f"That is syntax of Python {_version(*since[0])}, and Python {_version(*here)} runs here: write it "
        "in the older way."
    )


def _version(major: int, minor: int) -> str:
    return f"{major}.{minor}"


def _not_initialised(one: Mistake) -> str:
    error, said = one.error, str(one.error)
    if "before Module.__init__() call" in said:
        return "Call `super().__init__()` in the first line of `__init__`."
    if one.stage == "construct" and isinstance(error, TypeError) and "super(type, obj)" in said:
        return "The class named in super(...) is not this one: write `super().__init__()`."
    found = re.search(
        r"'(\w+)' object has no attribute '(_modules|_parameters|_buffers|_forward_hooks|training)'", said
    )
    return (
        f"`{found[1]}` was never initialised: call `super().__init__()` in the first line of its `__init__`."
        if found
        else ""
    )


def _attribute(one: Mistake) -> str:
    error = one.error
    if "training mode is expected to be boolean" in str(error):
        return "`train` is a method of every nn.Module: give the layer of that name another one."
    if not isinstance(error, AttributeError):
        return ""
    found = re.search(r"'(\w+)' object has no attribute '(\w+)'", str(error))
    if found and found[1] == "NoneType":
        return f"A function returned None where `.{found[2]}` is used; check that it ends with `return`."
    if found:
        return (
            f"`{found[2]}` is used at {one.where}, but no line gives `{found[1]}` one; set "
            f"`self.{found[2]}` in `__init__`."
        )
    found = re.search(r"module '([\w.]+)' has no attribute '(\w+)'", str(error))
    return f"`{found[1]}` has no `{found[2]}` in the installed version; check the spelling." if found else ""


def _arguments(one: Mistake) -> str:
    error, said = one.error, str(one.error)
    if not isinstance(error, TypeError):
        return ""
    if "missing" in said and "required" in said and one.line:
        return "That call lacks an argument: give it there, or give the parameter a default."
    if "missing" in said and "required" in said and one.stage == "construct":
        return "Give the constructor's arguments in submission.toml or with --ctor name=value."
    if "unexpected keyword argument" in said or "positional argument" in said:
        if one.stage == "construct":
            return (
                "Compare the call with the parameters of what it calls; --ctor name=value gives the "
                "constructor's."
            )
        return (
            "The call does not fit the parameters of what it calls; `forward` takes `self` and one batch "
            "of images."
        )
    if "found element of type float" in said or "'float' object cannot be interpreted as an integer" in said:
        return "A number of channels is a whole number: divide with //, not with /."
    if "'NoneType'" in said:
        return "A function returned None where a value is needed; check that it ends with `return`."
    return ""


def _forward_missing(one: Mistake) -> str:
    error = one.error
    unknown = isinstance(error, NotImplementedError) and "forward" in str(error)
    if unknown or "_forward_unimplemented()" in str(error):
        return (
            "A class has no method `forward`: define it, with that spelling, indented as its other methods."
        )
    return ""


def _capture(one: Mistake) -> str:
    """Return why a model that runs could not be captured."""
    if one.stage != "export":
        return ""
    said = f"{type(one.error).__name__}: {one.error}"
    if any(
        getattr(frame.f_locals.get("self"), "momentum", 0) is None for frame in one.frames("batchnorm.py")
    ):
        return (
            "A batch-norm with momentum=None averages over all batches so far, which no graph can hold: give "
            "it a number, as in momentum=0.1."
        )
    if "Generator" in said or "generator" in one.line:
        return (
            "A graph holds no torch.Generator: draw without `generator=` (the seed is set before), or once "
            "in `__init__`."
        )
    if re.search(r"data-dependent|DataDependent|aten\.(item|_local_scalar_dense|nonzero)", said):
        return (
            "The forward pass must run the same operations for every image: no `if`, loop or index on the "
            "values of a tensor, no .item()."
        )
    if re.search(r"Constraints violated|specializ|inferred to be a constant", said):
        return "The forward pass must take any number of images: write x.size(0) where a batch size is fixed."
    return ""


def _script(one: Mistake) -> str:
    if any(one.frames("torch/jit/_script.py")) or "ScriptModule" in str(one.error):
        return (
            "A model needs no TorchScript: remove torch.jit from it, and derive its classes from nn.Module."
        )
    return ""


def _types(one: Mistake) -> str:
    """Return what became of half precision without autocast."""
    said = str(one.error)
    if re.search(r"Half|BFloat16", said) and re.search(r"be the same|same dtype|but (got|found)", said):
        return (
            "The model is loaded in float32: remove .half() and .bfloat16() (torch.autocast does nothing "
            "here), and the types agree."
        )
    return ""


_ADVISERS: tuple[Callable[[Mistake], str], ...] = (
    mistake.stand_in, _name, mistake.missing_module, _syntax, _not_initialised, _script, _attribute,
    _capture, _types, mistake.linear, mistake.convolution, mistake.others, _forward_missing, _arguments,
    mistake.files, mistake.device, mistake.ends,
)  # fmt: skip
