"""Stand in for what a student's file imports and a model does not need: plots, progress bars, summaries.

Importing such a module works, and so does what student code does with it while the file is imported. Using
one while the model is built or runs is an error that names it.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any, NoReturn

from harness.loader.packages import STUBBED, STUBBED_IF_MISSING, is_installed


class NotThereError(Exception):
    """Student code used a module that stands in for the real one."""


class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of `STUBBED`, unless the submission brings its own; `used` are those asked for.

    What models are made of stands in only where it is not installed. What is installed gets what it imports
    itself, never a module that stands in.
    """

    def __init__(self) -> None:
        self.used: list[str] = []
        self.importing = True
        self.folders: Sequence[Path] = ()

    def install(self) -> None:
        """Register before every other finder, and remove what the harness itself has imported."""
        sys.meta_path.insert(0, self)
        # One by one first: there are thousands of modules, and mostly none of these.
        if any(name in sys.modules for name in STUBBED):
            for name in [name for name in sys.modules if name.partition(".")[0] in STUBBED]:
                del sys.modules[name]

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,  # noqa: ARG002 - importlib's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec for a name of `STUBBED` and all below it."""
        top = name.partition(".")[0]
        if top not in STUBBED | STUBBED_IF_MISSING or any(
            (folder / f"{top}.py").exists() or (folder / top).is_dir() for folder in self.folders
        ):
            return None
        if top in STUBBED_IF_MISSING and is_installed(top):
            self._forget()
            return None
        # matplotlib cannot be imported without a folder to write to.
        if top != "matplotlib" and _is_asked_by_a_package() and is_installed(top):
            return None
        if self.importing and top not in self.used:
            self.used.append(top)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def _forget(self) -> None:
        """Make room for the real modules: a package would find those that stand in."""
        for name in [name for name, module in sys.modules.items() if isinstance(module, _Module)]:
            del sys.modules[name]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Make a module that has every attribute."""
        return _Module(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing: a stub has no code."""


class _Module(ModuleType):
    def __init__(self, name: str, stubs: Stubs) -> None:
        super().__init__(name)
        self._stubs = stubs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Thing(f"{self.__name__}.{name}", self._stubs)


class _Thing:
    """Something of a stubbed module."""

    def __init__(self, name: str, stubs: Stubs) -> None:
        self._name, self._stubs = name, stubs

    def __getattr__(self, name: str) -> "_Thing":
        if name.startswith("__"):
            raise AttributeError(name)
        return self._next(f".{name}")

    def __call__(self, *_: object, **__: object) -> "_Thing":
        return self._next("()")

    def __getitem__(self, _: object) -> "_Thing":
        return self._next("[]")

    def __iter__(self) -> Iterator["_Thing"]:
        self._next("")
        return iter(())

    def __enter__(self) -> "_Thing":
        return self._next("")

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None: ...

    def __mro_entries__(self, _: object) -> NoReturn:
        self._refuse()

    def _next(self, what: str) -> "_Thing":
        if not self._stubs.importing:
            self._refuse()
        return _Thing(self._name + what, self._stubs)

    def _refuse(self) -> NoReturn:
        raise NotThereError(f"{self._name} is not available while a submission is graded")


def _is_asked_by_a_package() -> bool:
    """Return whether the import that is going on is written in a file of an installed package.

    torch's own files do not count: what they import on the way is for plots and logs.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    _, found, inside = (frame.f_code.co_filename if frame is not None else "").partition("/site-packages/")
    return bool(found) and not inside.startswith(("torch/", "torchvision/"))
