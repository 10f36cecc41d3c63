"""A mistake in student code, and advice on two kinds: shapes of tensors, and what it looks for around it.

Each function of advice returns one sentence, or "" for any other error; see `harness.loader.usual_mistakes`.
"""

import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from torch import nn

from harness.loader.stubs import STUBBED, is_package
from harness.sources.files import SUFFIXES

PACKAGE = "_submission"
"""The package that a submission's folder is for relative imports."""
CONSTRUCTED_AT = "_constructed_at"
"""Where a module keeps the line that constructs it: among its own attributes, so that a copy has it too."""
IMAGES = 2
"""How many images a model is run on as it is loaded."""


@dataclass(frozen=True)
class Mistake:
    """An error of student code: while what was done, at which place, on which line of source."""

    error: BaseException
    stage: str
    where: str
    line: str

    def frames(self, module: str) -> Iterator[FrameType]:
        """Yield the frames it passed through in a file of a library, as in "argparse.py", outermost first."""
        traceback = self.error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename.endswith(module):
                yield traceback.tb_frame
            traceback = traceback.tb_next


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python or torch's allocator ran out of memory."""
    return isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error)


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


_WEIGHTS = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".tar", ".h5", ".safetensors", ".npy", ".npz")
_REFUSED = (
    r"can't start new thread|strerror: (Read-only|Permission|Operation not)|Parent directory .* not exist"
)
"""What is said where a thread is not let begin, or torch itself cannot write."""
_OFFLINE = ("URLError", "gaierror")
_HOME = "/nonexistent"
"""The home folder, where torch keeps what it downloads."""


def missing_module(one: Mistake) -> str:
    """Return what to do about a module that is not found: a missing file, or a package not installed."""
    error = one.error
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing(error.name, one.line)
    if isinstance(error, ImportError) and "relative import" in str(error):
        return "Hand in the whole folder, so that the files beside this one are there."
    if isinstance(error, ImportError) and "circular import" not in str(error):
        return "That name is not in the file it is imported from; define it there, or correct the import."
    return ""


def stand_in(one: Mistake) -> str:
    """Return the advice for a module which stands in for a package."""
    if type(one.error).__name__ != "NotThereError":
        return ""
    package = str(one.error).partition(".")[0].partition(" ")[0]
    if package in STUBBED:
        return f"A model needs torch alone: remove {package} from the model's classes."
    return f"{_not_installed(package)} Remove it from the model's classes."


def files(one: Mistake) -> str:
    """Return why a file, a folder or an address cannot be read."""
    error, said = one.error, str(one.error)
    name = str(getattr(error, "filename", "") or "")
    if name.endswith(_WEIGHTS):
        return (
            "A model is loaded untrained, and files of weights are not there: "
            f"do not load `{Path(name).name}` in it."
        )
    kind = type(error).__name__
    if "urlopen error" in said or name == _HOME or "Connection" in kind or kind in _OFFLINE:
        return (
            "Nothing can be downloaded while a submission is graded: build the model without it, untrained."
        )
    if "Dataset not found" in said:
        return (
            "The data set is not there while a model is loaded: load it below `if __name__ == '__main__':`."
        )
    if isinstance(error, FileNotFoundError):
        return _missing_file(Path(name))
    refused = isinstance(error, PermissionError) or getattr(error, "errno", None) in (1, 13, 30)
    if refused or re.search(_REFUSED, said):
        return _refused(one, name)
    return ""


def device(one: Mistake) -> str:
    """Return the advice where there is no GPU."""
    said = str(one.error)
    first = said.lower().split("\n")[0]
    if "NVIDIA driver" in said or re.search(r"cuda|\b(mps|xpu|hpu|xla)\b", first):
        return (
            "There is no GPU while a submission is graded: let the caller choose the device, with "
            "`.to(device)`."
        )
    return ""


def ends(one: Mistake) -> str:
    """Return what ended the program, or kept it from ending."""
    error = one.error
    for frame in one.frames("argparse.py"):
        if frame.f_code.co_name == "error" and isinstance(error, SystemExit):
            return (
                f"The command line is empty while a submission is loaded ({frame.f_locals['message']}): "
                "give every argument a default, as in default=16."
            )
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        return "That line ends the program: move it below `if __name__ == '__main__':`, or remove it."
    if isinstance(error, RecursionError):
        return "A function calls itself without end: check what it calls."
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


def _missing(module: str, line: str) -> str:
    # A relative import is of a package that has been made up for the folder.
    name = module.rpartition(".")[2] if module.startswith(PACKAGE) else module
    whole = re.search(rf"\b{re.escape(name)}(\.\w+)*", line)
    file = f"{(whole[0] if whole else name).replace('.', '/')}.py"
    top, dot, below = name.partition(".")
    if module.startswith(PACKAGE):
        return f"There is no `{name}` here: hand in {file} with the model."
    if dot and _is_installed(top):
        return f"`{top}` has no module `{below}` in the installed version; check the spelling."
    if is_package(top):
        return f"{_not_installed(top)} Remove the import of `{name}` if the model does not need it."
    return (
        f"There is no `{name}` here: if it is a file of yours, hand in {file} with the model; if it is a "
        "package, this course does not install it: write the model without it."
    )


def _is_installed(package: str) -> bool:
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return file.startswith((sys.prefix, sys.base_prefix))


def _not_installed(package: str) -> str:
    return f"{package} is a package that this course does not install: write the model with torch alone."


def _missing_file(file: Path) -> str:
    if file.suffix.lower() in SUFFIXES:
        return f"`{file.name}` is not part of the submission: hand it in, or do not read it."
    kinds = ", ".join(sorted(SUFFIXES))
    what = f"{file.suffix} files are" if file.suffix else f"`{file.name}` is"
    return (
        f"{what} never loaded, submitted or not (only {kinds} are): write what `{file.name}` holds into the "
        "code, or into a .json file."
    )


def _refused(one: Mistake, name: str) -> str:
    what = f"cannot open `{name}`" if name else "does nothing else"
    place = "below `if __name__ == '__main__':`" if one.stage == "import" else "into the script that trains"
    return (
        f"While a submission is loaded, it reads its own files and {what}: it writes no file or folder, "
        f"downloads nothing and starts no process or thread. Move that {place}, or remove it."
    )
