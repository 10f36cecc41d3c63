"""Advice on what a submission looks for around it and does not find: what to do, in one sentence."""

import re
import sys
from pathlib import Path

from harness.loader.mistake import PACKAGE, Mistake
from harness.loader.packages import STUBBED, is_package
from harness.sources.files import SUFFIXES

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
