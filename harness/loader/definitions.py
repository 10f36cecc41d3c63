"""Run of a program what defines something: imports, classes, functions, constants. Locked child only.

It is how notebooks are loaded, and scripts that train, plot or download as they are imported: all of that
is left out. A statement that fails is passed over, for a model may not need it; its error is kept, for a
model may.
"""

import ast
import linecache
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType

_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_NOT_CONSTANT = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)


class Definitions:
    """The parts of a program that ran: the numbers of the pieces, counted from 1, and what failed in them."""

    def __init__(self, pieces: Sequence[tuple[str, str]], module: ModuleType) -> None:
        """Run the definitions of `pieces`, each a name for messages and a source, in `module`."""
        self.used: list[int] = []
        self.errors: list[BaseException] = []
        trees = [self._parsed(name, source) for name, source in pieces]
        needed = _needed(statement for tree in trees for statement in tree)
        for number, ((name, _), tree) in enumerate(zip(pieces, trees, strict=True), start=1):
            kept = [statement for statement in tree if _defines(statement) or _assigned(statement) & needed]
            for statement in kept:
                self._run(statement, name, module)
            if kept:
                self.used.append(number)

    def _parsed(self, name: str, source: str) -> list[ast.stmt]:
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        try:
            # More than it parses: some mistakes are found only as code is made of it.
            compile(source, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            return ast.parse(source, name).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.errors.append(error)
            return []

    def _run(self, statement: ast.stmt, name: str, module: ModuleType) -> None:
        try:
            code = compile(ast.Module([statement], []), name, "exec")
            exec(code, module.__dict__)  # noqa: S102 - this is what the lock is for
        except BaseException as error:  # noqa: BLE001 - student code may raise anything
            self.errors.append(error)


# Private functions


def _defines(statement: ast.stmt) -> bool:
    """Return whether a statement is a definition: it makes names, and calls nothing to do so."""
    match statement:
        case ast.If() | ast.Try():
            inner = [one for one in ast.iter_child_nodes(statement) if isinstance(one, ast.stmt)]
            inner += [one for handler in getattr(statement, "handlers", ()) for one in handler.body]
            return all(_defines(one) or isinstance(one, ast.Pass) for one in inner)
        case ast.Assign() | ast.AnnAssign():
            value = statement.value
            return value is not None and not any(isinstance(part, _NOT_CONSTANT) for part in ast.walk(value))
        case _:
            return isinstance(statement, _DEFINITIONS)


def _assigned(statement: ast.stmt) -> set[str]:
    """Return the names that an assignment gives a value to."""
    match statement:
        case ast.Assign(targets=targets):
            return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return {name}
        case _:
            return set()


def _needed(statements: Iterable[ast.stmt]) -> set[str]:
    """Return the names that the classes of a program read, and what these are made of in turn."""
    readers: dict[str, set[str]] = {}
    waiting: list[str] = []
    for statement in statements:
        reads = set(_read(statement))
        if isinstance(statement, ast.ClassDef):
            waiting += reads
        names = {statement.name} if isinstance(statement, ast.FunctionDef) else _assigned(statement)
        for name in names:
            readers.setdefault(name, set()).update(reads)
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += readers.get(name, ())
    return needed


def _read(statement: ast.stmt) -> Iterator[str]:
    for part in ast.walk(statement):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            yield part.id
