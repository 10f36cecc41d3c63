"""Make a module of a notebook: imports, definitions and constants, in the order of the cells.

Magics, shell lines, training loops, plots and every other statement are left out. Locked child only.
"""

import ast
import json
import linecache
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

MAX_BYTES = 32 * 2**20
MAX_CELLS = 5_000

_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_NOT_CONSTANT = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)


def run_notebook(path: Path, module: ModuleType) -> list[int]:
    """Run what defines something in a notebook; returns the cells used, counted from 1 over code cells.

    A cell's place in messages is "model.ipynb cell 4:12".

    Raises:
        ValueError: not a notebook, or too large for one.
        Exception: whatever the notebook's own code raises.
    """
    used = []
    for number, source in enumerate(_code_cells(path), start=1):
        name = f"{path} cell {number}"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        tree = ast.parse(source, name)
        tree.body = [statement for statement in tree.body if _defines(statement)]
        if tree.body:
            used.append(number)
            exec(compile(tree, name, "exec"), module.__dict__)  # noqa: S102 - this is what the lock is for
    return used


# Private functions


def _code_cells(path: Path) -> Iterator[str]:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES // 2**20} MiB; clear the outputs and save it again")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or len(cells) > MAX_CELLS:
        raise ValueError(f"not a notebook of format 4 with at most {MAX_CELLS:,} cells")
    for cell in cells:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", "")
            yield _without_magics(source if isinstance(source, str) else "".join(map(str, source)))


def _without_magics(source: str) -> str:
    """Blank the lines that are IPython's, so that the others keep their numbers."""
    if source.lstrip().startswith("%%"):
        return ""
    lines = source.splitlines()
    return "\n".join(_kept(line) for line in lines)


def _kept(line: str) -> str:
    stripped = line.lstrip()
    if not stripped.startswith(("!", "%", "?")) and not stripped.endswith("?"):
        return line
    # An indented magic may be all there is in a block.
    return line[: len(line) - len(stripped)] + "pass" if line[:1].isspace() else ""


def _defines(statement: ast.stmt) -> bool:
    if isinstance(statement, _DEFINITIONS):
        return True
    if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = all(isinstance(part, (ast.Name, ast.Tuple)) for part in targets)
        return names and not any(isinstance(part, _NOT_CONSTANT) for part in ast.walk(statement.value))
    return False
