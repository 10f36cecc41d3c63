"""Find the model of a submission: the class that makes logits of images. Locked child only."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

import torch
from torch import nn

from harness.loader.construct import Built, Factory, construct, defaults, parameters, required
from harness.loader.constructor_arguments import Calls, Values
from harness.loader.failures import StudentFailure, failure, said, stage
from harness.loader.forward import first_result
from harness.loader.importing import Loader
from harness.loader.protocol import NOTEBOOK, Request
from harness.loader.search_order import tiers
from harness.loader.stubs import Stubs
from harness.sources.requested import Requested

_SHOWN = 8
"""Candidates, or reasons, that a message lists."""


@dataclass(frozen=True)
class Found:
    """The model of a submission, the file it is in, and what to know of how it was found."""

    built: Built
    file: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Misfit:
    """A file or class that is not the model, and why."""

    file: Path
    name: str
    why: StudentFailure | str
    part: bool = False
    """Another class of the file is made of it."""
    found: Found | None = None
    """What was built, where all that is wrong is what it gives."""


class Search:
    """Looks through the files of one submission; `notes` are what its author should know."""

    def __init__(self, request: Request, requested: Requested, stubs: Stubs) -> None:
        self._request, self._requested, self._stubs = request, requested, stubs
        self._root = requested.file if requested.file.is_dir() else request.root
        self._loader = Loader(self._root, request.root)
        self._misfits: list[_Misfit] = []
        self._calls = Calls(self._root if self._requested.file.is_dir() else request.root)

    def run(self) -> Found:
        """Find the one model.

        Raises:
            StudentFailure: there is none, and why; or several fit, and which.
        """
        groups = [[self._requested.file]]
        if self._requested.file.is_dir():
            groups = tiers(self._root, self._requested.class_name)
        for group in groups:
            found = [one for file in group for one in self._look(file)]
            if found:
                return self._only(found)
        if (one := self._only_network()) is not None:
            return one
        raise self._story()

    def _look(self, file: Path) -> list[Found]:
        """Find the models of one file: as it is imported, or else by its definitions."""
        failed: StudentFailure | None = None
        if file.suffix != NOTEBOOK:
            try:
                with self._importing(file):
                    module = self._loader.load(file)
            except StudentFailure as why:
                failed = why
            else:
                return self._fitting(file, module, ())
        try:
            with self._importing(file):
                module, ran = self._loader.load_definitions(file)
        except StudentFailure as why:
            self._misfits.append(_Misfit(file, "", failed or why))
            return []
        before = len(self._misfits)
        found = self._fitting(file, module, (self._left_out(file, failed, ran.used),))
        if not found and (failed or ran.errors):
            # What stopped the file is the story, not what is missing for that.
            self._misfits[before:] = [
                _Misfit(file, "", failed or self._first(ran.errors)),
                *(one for one in self._misfits[before:] if failed is None),
            ]
        return found

    def _importing(self, file: Path) -> "_Importing":
        return _Importing(self._stubs, file, self._request)

    def _left_out(self, file: Path, failed: StudentFailure | None, used: Sequence[int]) -> str:
        name = self._named(file)
        if failed is None:
            return f"{name}: used code cells {', '.join(map(str, used)) or 'none'}"
        return (
            f"{name}: used only what it imports and defines, for as a whole it does not run: {failed.message}"
        )

    def _fitting(self, file: Path, module: ModuleType, notes: tuple[str, ...]) -> list[Found]:
        factories = self._factories(file, module)
        parts = _parts([one for one in factories if inspect.isclass(one)])
        found = []
        for factory in factories:
            name = factory.__name__
            try:
                built = construct(
                    factory, self._request, self._requested.arguments, self._called(factory, file)
                )
                # Named, it is taken as it is: what it gives is for the rules to judge.
                why = "" if self._is_named else self._misshapen(built)
            except StudentFailure as failed:
                self._misfits.append(_Misfit(file, name, failed, name in parts))
                continue
            if why:
                self._misfits.append(_Misfit(file, name, why, name in parts, Found(built, file, notes)))
            else:
                found.append(Found(built, file, notes))
        functions = [one.built.factory for one in found if inspect.isfunction(one.built.factory)]
        parts |= {name for function in functions for name in function.__code__.co_names}
        return [one for one in found if one.built.name not in parts] or found

    def _called(self, factory: Factory, file: Path) -> Mapping[str, Values]:
        """Return the arguments with which the submission calls a class or function."""
        if not set(required(factory)) - set(self._requested.arguments):
            return {}
        return self._calls.values(factory.__name__, parameters(factory), file)

    def otherwise_called(self, found: Found) -> list[str]:
        """List the defaults that were used although the submission itself passes one other value."""
        built = found.built
        called = self._calls.values(built.name, parameters(built.factory), found.file)
        return [
            f"{built.name} is built with its default {name}={default!r}, and the submission calls it with "
            f"{values[0]!r}: if that is the one you hand in, write arguments = {{ {name} = {values[0]!r} }} "
            "into submission.toml"
            for name, default in defaults(built.factory).items()
            if name not in built.arguments
            and len(values := called.get(name, ())) == 1
            and values[0] != default
        ]

    def _first(self, errors: Sequence[BaseException]) -> StudentFailure:
        """Describe the first error of a program, and name the next ones."""
        first = failure(errors[0], "import", self._request.root)
        then = "; ".join(said(error, self._request.root) for error in errors[1:4])
        return self._with_more(first, f" Then: {then}." if then else "")

    @property
    def _is_named(self) -> bool:
        return self._requested.class_name is not None and self._requested.file.is_file()

    def _misshapen(self, built: Built) -> str:
        result = first_result(built.model, self._request, built.name)
        if isinstance(result, torch.Tensor):
            given = str(tuple(result.shape))
            return "" if result.shape == (2, self._request.classes) else f"gives {given} for two images"
        if result is None:
            return "forward gives nothing: end it with `return`"
        return f"gives a {type(result).__name__} for two images"

    def _factories(self, file: Path, module: ModuleType) -> list[Factory]:
        """List the classes that may be the model; functions that make one where no class can stand alone."""
        classes = [
            value for _, value in _own(module) if inspect.isclass(value) and issubclass(value, nn.Module)
        ]
        functions = [
            value for name, value in _own(module) if inspect.isfunction(value) and name == value.__name__
        ]
        if (name := self._requested.class_name) is not None:
            found = getattr(module, name, None)
            if not (inspect.isfunction(found) or (inspect.isclass(found) and issubclass(found, nn.Module))):
                names = ", ".join(one.__name__ for one in classes) or "none"
                self._misfits.append(_Misfit(file, name, StudentFailure(
                    "find",
                    f"{file.name}: no torch.nn.Module class named {name}; the file defines: {names}. "
                    "Name one of them in submission.toml or with --class.",
                )))  # fmt: skip
                return []
            return [found]
        whole = [one for one in classes if one.__name__ not in _parts(classes)]
        if whole and all(set(required(one)) - set(self._requested.arguments) for one in whole):
            made = {one.__name__ for one in whole}
            makers = [one for one in functions if not required(one)]
            return [*classes, *(one for one in makers if made & set(one.__code__.co_names))]
        # Where there is no class at all, functions that put a network together.
        return list(classes) or [one for one in functions if "Sequential" in one.__code__.co_names]

    def _named(self, file: Path) -> str:
        return file.relative_to(self._request.root).as_posix()

    def _only(self, found: Sequence[Found]) -> Found:
        if len(found) == 1:
            return found[0]
        several = self._requested.file.is_dir()
        listed = ", ".join(
            f"{self._named(one.file) + ':' if several else ''}{one.built.name} "
            f"({sum(p.numel() for p in one.built.model.parameters()):,} parameters)"
            for one in found[:_SHOWN]
        )
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        where = "the submission" if several else self._requested.file.name
        choose = "--class FILE:NAME" if several else "--class NAME"
        raise StudentFailure(
            "choose",
            f"{where}: several models fit: {listed}{more}. Choose one with {choose}, or name it in "
            "submission.toml.",
        )

    def _only_network(self) -> Found | None:
        """Return the one network there is, though it does not give logits: the rules will judge that."""
        whole = [one for one in self._misfits if not one.part]
        return whole[0].found if len(whole) == 1 else None

    def _story(self) -> StudentFailure:
        """Return why there is no model: what stopped the one network there is, or else everything."""
        whole = [one for one in self._misfits if not one.part]
        first = [one for one in whole if one.file == whole[0].file]
        if len(first) == 1 and isinstance(first[0].why, StudentFailure):
            return self._with_others(first[0].why, [self._named(one.file) for one in whole[1:]])
        where = self._named(self._requested.file) if self._requested.file.is_file() else "the submission"
        reasons = [
            f"{one.why.message if isinstance(one.why, StudentFailure) else f'{one.name}: {one.why}'}"
            for one in whole[:_SHOWN]
        ]
        name = self._requested.class_name
        none = f"no file defines a class or function {name}" if name else "it defines no torch.nn.Module"
        details = "; ".join(reasons) or none
        traceback = next((one.why.traceback for one in whole if isinstance(one.why, StudentFailure)), "")
        images = "(N, {}, {}, {})".format(*self._request.input_shape)
        return StudentFailure(
            "find",
            f"{where}: no class takes {images} images and gives (N, {self._request.classes}) logits "
            f"({details}). Name the class with --class and its arguments with --ctor.",
            traceback=traceback,
        )

    def _with_others(self, why: StudentFailure, files: Sequence[str]) -> StudentFailure:
        """Add to the story of one file that the others hold no model either."""
        if not files:
            return why
        more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        return self._with_more(why, f" There is no model in {', '.join(files[:_SHOWN])}{more} either.")

    def _with_more(self, why: StudentFailure, more: str) -> StudentFailure:
        return StudentFailure(
            why.stage,
            why.message + more,
            traceback=why.traceback,
            class_name=why.class_name,
            out_of_memory=why.out_of_memory,
        )


class _Importing:
    """While a file is imported: modules stand in, and what it raises is a failure of the import."""

    def __init__(self, stubs: Stubs, file: Path, request: Request) -> None:
        self._stubs = stubs
        self._stage = stage("import", request.root)
        stubs.folders = (file.parent, request.root)

    def __enter__(self) -> None:
        self._stubs.importing = True
        self._stage.__enter__()

    def __exit__(self, *error: object) -> bool | None:
        self._stubs.importing = False
        return self._stage.__exit__(*error)  # type: ignore[arg-type]


# Private functions


def _own(module: ModuleType) -> Iterator[tuple[str, Factory]]:
    """Yield what a module defines itself, by the name that it has there."""
    for name, value in list(vars(module).items()):
        defined = inspect.isclass(value) or inspect.isfunction(value)
        if defined and value.__module__ == module.__name__:
            yield name, value


def _parts(classes: Sequence[type]) -> set[str]:
    """Return the names of the classes that others of them are made of."""
    return {
        one.__name__
        for one in classes
        for other in classes
        if other is not one and (one in other.__mro__ or one.__name__ in _names_used(other))
    }


def _names_used(cls: type) -> set[str]:
    codes = [value.__code__ for value in vars(cls).values() if inspect.isfunction(value)]
    names: set[str] = set()
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return names
