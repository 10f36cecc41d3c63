"""With which arguments a submission calls its own model: read from its text; nothing of it runs.

A call counts where its values are written in the submission: as literals, or by names that get one, through
settings (classes, dictionaries, `argparse` with its defaults) and through the parameters of functions.
"""

import ast
import operator
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from harness.loader.notebook_to_python import python_of
from harness.loader.protocol import NOTEBOOK
from harness.loader.search_order import sources
from harness.sources.notebook_file import code_cells

_MOST_VALUES = 16
"""Assignments of one name that are looked at."""
_DEEPEST = 4
"""How many names one may lead to the next."""
_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
}  # fmt: skip
_CASTS: Mapping[str, Callable[[Any], Any]] = {"int": int, "float": float, "str": str}
_HOLDERS = ("dict", "Namespace", "SimpleNamespace", "EasyDict", "DotDict", "AttrDict")

Values = Sequence[object]
"""What a parameter may be, each value once; none where nobody can tell."""


class Calls:
    """The calls in the files of one submission."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def _programs(self) -> Sequence["_Program"]:
        return [_program(file) for file in sources(self._root)]

    def values(self, name: str, parameters: Sequence[str], file: Path) -> Mapping[str, Values]:
        """List what `parameters`, in their order, are given where class or function `name` is called.

        `file` defines it; other files count where they import it. Tests count only where nothing else does.
        Parameters that no call gives are left out.
        """
        modules = {file.stem, file.parent.name}
        about = [one for one in self._programs if one.file == file or one.uses(name, modules)]
        trained = [one for one in about if "test" not in one.file.stem.lower()]
        for programs in (trained, about):
            if found := self._given(name, parameters, programs):
                return found
        return {}

    def _given(
        self, name: str, parameters: Sequence[str], programs: Sequence["_Program"]
    ) -> Mapping[str, Values]:
        given: dict[str, list[object]] = {}
        for program in programs:
            others = [one for one in self._programs if one is not program]
            for call in program.calls[program.aliases.get(name, name)]:
                for parameter, expression in _bound(call, parameters, program):
                    found = given.setdefault(parameter, [])
                    found += [v for v in _values(expression, [program, *others]) if v not in found]
        return {parameter: found for parameter, found in given.items() if found}


@dataclass
class _Program:
    """One file's assignments, calls and definitions."""

    file: Path
    given: dict[str, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))
    """By a variable or parameter, or by an attribute or key with a dot before it: what it is set to."""
    usual: dict[str, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))
    """The same, of defaults."""
    calls: dict[str, list[ast.Call]] = field(default_factory=lambda: defaultdict(list))
    parameters: dict[str, list[str]] = field(default_factory=dict)
    """Of its own functions."""
    classes: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)

    def uses(self, name: str, modules: Set[str]) -> bool:
        """Return whether it takes a class from elsewhere, and does not define its own of that name."""
        return name not in self.classes and bool({name, "*", *modules} & self.imported)


# Private functions


def _program(file: Path) -> _Program:
    program = _Program(file)
    try:
        is_notebook = file.suffix == NOTEBOOK
        if is_notebook:
            pieces = [python_of(cell).source for cell in code_cells(file)]
        else:
            pieces = [file.read_text(encoding="utf-8", errors="replace")]
    except (ValueError, OSError, RecursionError):
        pieces = []
    for source in pieces:
        try:
            nodes = list(ast.walk(ast.parse(source)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in nodes:
            _enter(node, program)
    for name, parameters in program.parameters.items():
        dot = "." if name in program.classes else ""
        for call in program.calls.get(name, ()):
            for parameter, expression in _bound(call, parameters, program):
                program.given[dot + parameter].append(expression)
    return program


def _enter(node: ast.AST, program: _Program) -> None:
    match node:
        case ast.Assign() | ast.AnnAssign() | ast.For() | ast.Dict():
            for name, value in _set(node):
                program.given[name].append(value)
        case ast.Call():
            _enter_call(node, program)
        case ast.FunctionDef(name=name, args=arguments):
            _enter_function(name, arguments, program)
        case ast.ClassDef():
            _enter_class(node, program)
        case ast.ImportFrom(module=module, names=names):
            program.imported |= {one.name for one in names} | {(module or "").rpartition(".")[2]}
            program.aliases |= {one.name: one.asname for one in names if one.asname}
        case ast.Import(names=names):
            program.imported |= {one.name.rpartition(".")[2] for one in names}


def _set(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a statement or a dictionary sets, with what it sets them to."""
    match node:
        case (
            ast.Assign(targets=[target], value=value)
            | ast.AnnAssign(target=target, value=ast.expr() as value)
        ):
            if name := _key(target):
                yield name, value
        case ast.For(target=ast.Name(id=name), iter=ast.List(elts=values) | ast.Tuple(elts=values)):
            yield from ((name, value) for value in values)
        case ast.For(target=ast.Name(id=name), iter=among):
            yield name, ast.Yield(among)  # nobody can tell
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield f".{key.value}", value


def _enter_call(call: ast.Call, program: _Program) -> None:
    name = _key(call.func).lstrip(".")
    keywords = {one.arg: one.value for one in call.keywords if one.arg}
    if name == "add_argument" and "default" in keywords:
        options = [one.value for one in call.args if isinstance(one, ast.Constant)]
        long = max((str(option) for option in options), key=len, default="")
        default, kind = keywords["default"], keywords.get("type")
        if isinstance(kind, ast.Name) and kind.id in _CASTS:
            default = ast.Call(kind, [default], [])
        program.usual["." + long.lstrip("-").replace("-", "_")].append(default)
    elif name in _HOLDERS:
        for key, value in keywords.items():
            program.given[f".{key}"].append(value)
    elif name:
        program.calls[name].append(call)


def _enter_function(name: str, arguments: ast.arguments, program: _Program) -> None:
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if not name.startswith("__"):
        program.parameters[name] = names
    for parameter, default in zip(reversed(names), reversed(arguments.defaults), strict=False):
        program.usual[parameter].append(default)
    for one, named in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if named is not None:
            program.usual[one.arg].append(named)


def _enter_class(node: ast.ClassDef, program: _Program) -> None:
    program.classes.add(node.name)
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            program.parameters.setdefault(node.name, []).append(one.target.id)  # as a dataclass has them
        if isinstance(one, ast.AnnAssign | ast.Assign):
            for name, value in _set(one):
                program.usual[f".{name}"].append(value)


def _key(expression: ast.expr) -> str:
    """Return what an expression reads or sets, as the tables of a program name it; "" for anything else."""
    match expression:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return f".{name}"
    return ""


def _bound(call: ast.Call, parameters: Sequence[str], program: _Program) -> Iterator[tuple[str, ast.expr]]:
    """Pair the arguments of a call with the parameters they are for."""
    if any(isinstance(one, ast.Starred) for one in call.args):
        return
    yield from zip(parameters, call.args, strict=False)
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
            continue
        settings = [keyword.value, *program.given.get(_key(keyword.value), ())]
        for one in settings:
            match one:
                case ast.Dict(keys=keys, values=values):
                    yield from (
                        (str(k.value), v)
                        for k, v in zip(keys, values, strict=True)
                        if isinstance(k, ast.Constant)
                    )
                case ast.Call(keywords=keywords):
                    yield from ((k.arg, k.value) for k in keywords if k.arg)


def _values(
    expression: ast.expr, programs: Sequence[_Program], through: frozenset[str] = frozenset()
) -> list[object]:
    """List what an expression may be, in the first of `programs` or else in the others.

    `through` are the names that have led to it.
    """
    if name := _key(expression):
        if name in through or len(through) > _DEEPEST:
            return []
        through |= {name}
        return _named(name, programs, through) or _named(name[1:], _modules(expression, programs), through)
    parts: list[ast.expr]
    match expression:
        case ast.Constant(value=value):
            return [value]
        case ast.List(elts=parts):
            return _combined(list, parts, programs, through)
        case ast.Tuple(elts=parts):
            return _combined(tuple, parts, programs, through)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _combined(lambda one: -one[0], [operand], programs, through)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _combined(lambda two: _ARITHMETIC[type(op)](*two), [left, right], programs, through)
        case ast.Call(func=ast.Name(id=cast), args=[one], keywords=[]) if cast in _CASTS:
            return _combined(lambda one: _CASTS[cast](one[0]), [one], programs, through)
    return []


def _modules(expression: ast.expr, programs: Sequence[_Program]) -> Sequence[_Program]:
    """List the files that `name` of ``name.attribute`` may be."""
    if not isinstance(expression, ast.Attribute) or not isinstance(expression.value, ast.Name):
        return []
    return [one for one in programs if one.file.stem == expression.value.id]


def _combined(
    make: Callable[[Any], object],
    parts: Sequence[ast.expr],
    programs: Sequence[_Program],
    through: frozenset[str],
) -> list[object]:
    """Make one value of several, where each of them can only be one."""
    found = [_values(part, programs, through) for part in parts]
    if not all(len(values) == 1 for values in found):
        return []
    try:
        return [make([values[0] for values in found])]
    except Exception:  # noqa: BLE001 - it would fail as well where it runs
        return []


def _named(name: str, programs: Sequence[_Program], through: frozenset[str]) -> list[object]:
    for scope in (programs[:1], programs[1:]):
        for table in ("given", "usual"):
            expressions = [*chain.from_iterable(getattr(one, table).get(name, ()) for one in scope)]
            found: list[object] = []
            for expression in expressions[:_MOST_VALUES]:
                found += [value for value in _values(expression, programs, through) if value not in found]
            if expressions:
                return found
    return []
