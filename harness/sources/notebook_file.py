"""Read the code cells of a notebook as they are written; `loader.notebook_to_python` makes Python of them."""

import json
from pathlib import Path
from typing import Any

MAX_BYTES = 64 * 2**20
MAX_CELLS = 5_000
_SAVE = "Save the notebook again from Jupyter or Colab, and hand in that file."
_MARK = "<<<<<<< "


class NotebookError(ValueError):
    """A file that is called a notebook and cannot be read as one: what it is instead, and what to do."""


def code_cells(path: Path) -> list[str]:
    """Read the source of each code cell, in their order.

    Raises:
        NotebookError: not a notebook, or too large for one.
    """
    if path.stat().st_size > MAX_BYTES:
        raise NotebookError(f"larger than {MAX_BYTES // 2**20} MiB: clear the outputs and save it again.")
    notebook = _parsed(path.read_bytes())
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if isinstance(notebook, dict) and cells is None and "worksheets" in notebook:
        raise NotebookError(f"a notebook of the old format {notebook.get('nbformat', 3)!s:.9}. {_SAVE}")
    if not isinstance(cells, list):
        raise NotebookError(f"not a notebook: it has no cells. {_SAVE}")
    if len(cells) > MAX_CELLS:
        raise NotebookError(f"more than {MAX_CELLS:,} cells: hand in the part that defines the model.")
    return [_source(cell) for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]


# Private functions


def _parsed(data: bytes) -> Any:
    if not data.strip():
        raise NotebookError(f"the file is empty. {_SAVE}")
    text = data.decode(json.detect_encoding(data), errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "it is nested too deep"
    if text.lstrip().startswith("<!") or text.lstrip().lower().startswith("<html"):
        raise NotebookError(
            "not a notebook but a web page: download the .ipynb file itself, and hand in that."
        )
    if _MARK in text:
        raise NotebookError(
            "it has the marks of a merge conflict of git (<<<<<<<): keep one of the two versions. " + _SAVE
        )
    raise NotebookError(f"not a notebook, or only a part of one: it is no JSON ({line}). {_SAVE}")


def _source(cell: dict[str, Any]) -> str:
    """Join the lines of a cell; what is no text is none."""
    source = cell.get("source", "")
    return (
        source if isinstance(source, str) else "".join(map(str, source)) if isinstance(source, list) else ""
    )
