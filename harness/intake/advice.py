"""What the usual mistakes of students mean, and what to do about each: one sentence."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

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
PACKAGE = "_submission"
"""The package that a submission's folder is for relative imports."""
IMAGES = 2
"""How many images a model is run on as it is taken in."""
_CELL = re.compile(r"\.ipynb cell \d+(?::\d+)?$")
"""A place in a notebook."""
_MODULES = frozenset(name for name in vars(nn) if name[:1].isupper())


@dataclass(frozen=True)
class Mistake:
    """What student code raised: while what was done, at which place, on which line of source."""

    error: BaseException
    stage: str
    where: str
    line: str


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether Python or torch's allocator ran out of memory."""
    return isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error)


def advice(one: Mistake) -> str:
    """Say what an error of student code means and what to do."""
    if is_out_of_memory(one.error):
        return "It asked for more memory than the assignment allows: make the layers smaller."
    for advise in _ADVISERS:
        if found := advise(one):
            return found
    if one.stage == "export":
        return (
            "The forward pass must run the same operations for every image and every batch size: "
            "no `if` on the values of a tensor, no fixed batch size."
        )
    if one.stage == "import":
        return "Run `python` on the file to see the same error."
    if one.stage == "construct":
        return "Correct that line; constructing the class by itself shows the same error."
    return "Run the model on torch.zeros(2, 3, 32, 32) to see the same error."


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


def _missing_module(one: Mistake) -> str:
    error = one.error
    if isinstance(error, ModuleNotFoundError) and error.name:
        # A relative import is of a package that has been made up for the folder.
        name = error.name.rpartition(".")[2] if error.name.startswith(PACKAGE) else error.name
        return (
            f"There is no `{name}` here: hand in {name.replace('.', '/')}.py with the model if it is yours. "
            f"Remove the import of `{name}` if the model does not need it."
        )
    if isinstance(error, ImportError) and "relative import" in str(error):
        return "Hand in the whole folder, so that the files beside this one are there."
    if isinstance(error, ImportError) and "circular import" not in str(error):
        return "That name is not in the file it is imported from; define it there, or correct the import."
    return ""


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
    return "Python cannot read that line: correct it and what is just above it."


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


def _linear(one: Mistake) -> str:
    error = one.error
    found = re.search(
        r"mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)", str(error)
    )
    if not found:
        return ""
    rows, got, expected, out = map(int, found.groups())
    if rows > IMAGES:
        return (
            "Flatten before the Linear layer, as in x.flatten(1): it gets a map, and not one row of "
            "numbers for "
            "each image."
        )
    return (
        f"The Linear layer gets {got} numbers for each image and expects {expected}: write "
        f"nn.Linear({got}, {out})."
    )


def _convolution(one: Mistake) -> str:
    error = one.error
    found = re.search(
        r"weight of size \[(\d+), (\d+)[^\]]*\], expected input\[([\d, ]+)\] "
        r"to have (\d+) channels, but got (\d+)",
        str(error),
    )
    if not found:
        return ""
    called = re.findall(r"self\.(\w+)", one.line)
    layer = f"`{called[-1]}`" if len(set(called)) == 1 else "the convolution"
    if found[5] == "3" and found[4] == "1":
        return (
            f"In {layer}: the model is made for gray images (in_channels 1), the assignment's have 3 "
            "channels."
        )
    return (
        f"In {layer}: it is made for {found[4]} channels and gets {found[5]}; set its in_channels to "
        f"{found[5]}."
    )


def _other_shapes(one: Mistake) -> str:
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


def _arguments(one: Mistake) -> str:
    error, said = one.error, str(one.error)
    if not isinstance(error, TypeError):
        return ""
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


def _stand_in(one: Mistake) -> str:
    error = one.error
    if type(error).__name__ == "NotThereError":
        return "A model needs torch alone: remove it from the model's classes."
    return ""


def _files(one: Mistake) -> str:
    error, said = one.error, str(one.error)
    name = str(getattr(error, "filename", "") or "")
    if name.endswith((".pt", ".pth", ".bin", ".ckpt", ".pkl", ".tar", ".h5", ".safetensors", ".npy", ".npz")):
        return (
            f"A model is taken in untrained, and files of weights are not there: "
            f"do not load `{Path(name).name}` in it."
        )
    if (
        "urlopen error" in said
        or name == "/nonexistent"  # the home folder, where torch keeps what it downloads
        or "Connection" in type(error).__name__
        or type(error).__name__ in ("URLError", "gaierror")
    ):
        return (
            "Nothing can be downloaded while a submission is graded: build the model without it, untrained."
        )
    if "Dataset not found" in said:
        return (
            "The data set is not there while a model is taken in: load it below `if __name__ == '__main__':`."
        )
    if isinstance(error, FileNotFoundError):
        return f"`{Path(name).name}` is not part of the submission: hand it in, or do not read it."
    if isinstance(error, PermissionError) or getattr(error, "errno", None) in (1, 13, 30):
        return (
            "A model can read its own files and do nothing else: no other file, folder, download, process"
            " or thread. "
            "Do that below `if __name__ == '__main__':`."
        )
    return ""


def _cuda(one: Mistake) -> str:
    said = str(one.error)
    if "CUDA" in said or "NVIDIA driver" in said or "cuda" in said.lower().split("\n")[0]:
        return (
            "There is no GPU while a submission is graded: let the caller choose the device, with "
            "`.to(device)`."
        )
    return ""


def _ends(one: Mistake) -> str:
    error = one.error
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return "Remove the call that ends the program."
    if isinstance(error, RecursionError):
        return "A function calls itself without end: check what it calls."
    return ""


_ADVISERS: tuple[Callable[[Mistake], str], ...] = (
    _stand_in, _name, _missing_module, _syntax, _not_initialised, _attribute, _linear, _convolution,
    _other_shapes, _forward_missing, _arguments, _files, _cuda, _ends,
)  # fmt: skip
