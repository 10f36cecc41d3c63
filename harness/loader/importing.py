"""Import a file of a submission as its author does: beside its siblings. Locked child only."""

import builtins
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.loader.definitions import Definitions
from harness.loader.failures import StudentFailure
from harness.loader.mistake import PACKAGE
from harness.loader.notebook_to_python import modules_of, python_of
from harness.loader.protocol import NOTEBOOK
from harness.loader.search_order import sources
from harness.loader.stubs import is_installed, is_package
from harness.sources.notebook_file import NotebookError, code_cells

_DOTTED = re.compile(r"^[ \t]*(?:from|import)[ \t]+(\w+(?:\.\w+)+)", re.MULTILINE)
_RELATIVE = re.compile(r"^[ \t]*from[ \t]+\.", re.MULTILINE)


class Elsewhere(importlib.abc.MetaPathFinder):
    """Finds a module that is not beside the file that imports it, but elsewhere in the submission.

    Notebooks and scripts add folders to the path by hand, or are started from another one. Of several modules
    of that name none is taken. A folder that was submitted under another name than it had is found by
    what is imported from it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._entries: dict[str, list[Path]] = {}
        for folder, folders, names in os.walk(root):
            for name in (*folders, *(name[:-3] for name in names if name.endswith(".py"))):
                self._entries.setdefault(name, []).append(Path(folder) / name)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,  # noqa: ARG002 - importlib's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module that nobody else has found."""
        top, dot, _ = name.partition(".")
        found = self._entries.get(top, [])
        if not dot and len(found) == 1:
            return importlib.machinery.PathFinder.find_spec(name, [str(found[0].parent)])
        return None if found or is_package(top) or is_installed(top) else self._renamed(name.split("."))

    def _renamed(self, name: list[str]) -> importlib.machinery.ModuleSpec | None:
        """Make a package of the one folder that holds what the submission imports from a package `name`.

        One that is empty where a package in it is such a folder.
        """
        inside, deeper = set[Path](), False
        for path in self._imported:
            if path[: len(name)] == name:
                inside |= self._holding(path[len(name) :])
                deeper |= any(self._holding(path[begin:]) for begin in range(len(name) + 1, len(path)))
        if len(inside) != 1 and not (deeper and not inside):
            return None
        spec = importlib.machinery.ModuleSpec(".".join(name), None, is_package=True)
        spec.submodule_search_locations = [str(folder) for folder in inside]
        return spec

    def _holding(self, path: Sequence[str]) -> set[Path]:
        """List the folders in which there is a module of that path."""
        found = self._entries.get(path[0], []) if path else []
        folders = {entry.parent for entry in found}
        return {
            one
            for one in folders
            if one.joinpath(*path).is_dir() or one.joinpath(*path[:-1], f"{path[-1]}.py").is_file()
        }

    @cached_property
    def _imported(self) -> list[list[str]]:
        """List the modules in packages that the submission imports, by their paths."""
        paths: set[str] = set()
        for file in sources(self._root):
            # In a notebook a line begins after a quote, and ends with \\n.
            text = file.read_text(encoding="utf-8", errors="replace")
            paths.update(_DOTTED.findall(re.sub(r'\\n|^\s*"', "\n", text, flags=re.MULTILINE)))
        return [path.split(".") for path in sorted(paths)]


class Loader:
    """Imports files of one submission, one after another, each as if it were alone and run by itself.

    What is opened by a relative path is looked for beside that file too, and in the submission's folder.
    """

    def __init__(self, root: Path, submission: Path) -> None:
        """Import from `root` and below; `submission` is it, or a folder around it."""
        self._root, self._submission = root, submission
        self._path = [entry for entry in sys.path if not Path(entry).is_relative_to(submission)]
        sys.meta_path[:] = [
            *(one for one in sys.meta_path if not isinstance(one, Elsewhere)),
            Elsewhere(root),
        ]
        self._newest = _newest_of_ours()
        self._beside: Sequence[Path] = ()
        builtins.open = io.open = self._opening(builtins.open)

    def load(self, file: Path) -> ModuleType:
        """Import a Python file.

        Raises:
            BaseException: whatever its own code raises.
        """
        self._forget(file)
        if _RELATIVE.search(file.read_text(encoding="utf-8", errors="replace")):
            name = f"{self._package(file.parent)}.{file.stem}"
        else:
            name = _name(file)
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise StudentFailure("import", f"{file.name}: not a Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    def load_definitions(self, file: Path) -> tuple[ModuleType, Definitions]:
        """Run the definitions of a notebook or a Python file, and nothing else of it.

        Raises:
            StudentFailure: not a notebook.
        """
        self._forget(file)
        module = sys.modules[_name(file)] = ModuleType(_name(file))
        module.__file__ = str(file)
        if file.suffix == NOTEBOOK:
            return module, Definitions(self._cells(file, module), module)
        module.__package__ = self._package(file.parent)
        source = file.read_text(encoding="utf-8-sig", errors="replace")
        return module, Definitions([(str(file), source)], module)

    def _cells(self, file: Path, module: ModuleType) -> list[tuple[str, str]]:
        """Read a notebook's cells: the name of each in messages ("model.ipynb cell 4"), and its Python.

        A module that a cell writes to a file is the notebook itself: its cells define all that is in it.
        """
        try:
            cells = [python_of(source) for source in code_cells(file)]
        except NotebookError as error:
            name = file.relative_to(self._submission).as_posix()
            raise StudentFailure("import", f"{name}: {error}") from None
        for name in (name for cell in cells if cell.writes for name in modules_of(cell.writes)):
            if sys.modules.setdefault(name, module) is module:
                setattr(module, name.rpartition(".")[2], module)
        return [(f"{file} cell {number}", cell.source) for number, cell in enumerate(cells, start=1)]

    def _opening(self, opened: Callable[..., Any]) -> Callable[..., Any]:
        def opening(file: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return opened(file, *args, **kwargs)
            except FileNotFoundError:
                if not isinstance(file, (str, os.PathLike)):
                    raise
                found = [folder / file for folder in self._beside if (folder / file).is_file()]
                if not found:
                    raise
            return opened(found[0], *args, **kwargs)

        return opening

    def _forget(self, file: Path) -> None:
        """Remove what another file has imported, and look beside this one first."""
        sys.argv[:] = [str(file)]
        self._beside = (file.parent, self._root)
        sys.path[:] = [str(file.parent), str(self._root), *self._path]
        inside = f"{self._submission}/"
        # The newest modules come last; there are thousands that were there before.
        for name in list(takewhile(lambda name: name != self._newest, reversed(sys.modules))):
            known = getattr(sys.modules[name], "__dict__", {})
            # A folder without __init__.py has a path and no file.
            places = (str(known.get("__file__")), str(known.get("__path__")))
            if name.startswith(PACKAGE) or any(inside in place for place in places):
                del sys.modules[name]
        importlib.invalidate_caches()

    def _package(self, folder: Path) -> str:
        """Make a package of every folder from the submission's down to this one, for relative imports."""
        if folder == self._root:
            name = PACKAGE
        else:
            name = f"{self._package(folder.parent)}.{folder.name.replace('.', '_')}"
        if name not in sys.modules:
            module = sys.modules[name] = ModuleType(name)
            module.__path__ = [str(folder)]
            module.__package__ = name
        return name


# Private functions


@cache
def _newest_of_ours() -> str:
    """Return the newest module there is before any of a submission; first called when none is loaded."""
    return next(reversed(sys.modules))


def _name(file: Path) -> str:
    return file.stem if file.stem.isidentifier() and file.stem not in sys.modules else f"_{file.stem}"
