"""Read the code cells of a notebook. Locked child only."""

import json
from pathlib import Path

MAX_BYTES = 64 * 2**20
MAX_CELLS = 5_000


def code_cells(path: Path) -> list[tuple[str, str]]:
    """Read a notebook's code: of each code cell its name in messages ("model.ipynb cell 4") and its source.

    Lines that are IPython's (magics, shell, help) are blank, so that the others keep their numbers.

    Raises:
        ValueError: not a notebook, or too large for one.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES // 2**20} MiB; clear the outputs and save it again")
    notebook = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or len(cells) > MAX_CELLS:
        raise ValueError(f"not a notebook of format 4 with at most {MAX_CELLS:,} cells")
    sources = [cell.get("source", "") for cell in cells if isinstance(cell, dict) and _is_code(cell)]
    return [
        (
            f"{path} cell {number}",
            _without_magics(source if isinstance(source, str) else "".join(map(str, source))),
        )
        for number, source in enumerate(sources, start=1)
    ]


# Private functions


def _is_code(cell: dict[str, object]) -> bool:
    return cell.get("cell_type") == "code" and isinstance(cell.get("source", ""), (str, list))


def _without_magics(source: str) -> str:
    """Blank the lines that are IPython's, so that the others keep their numbers."""
    if source.lstrip().startswith("%%") and not source.lstrip().startswith(("%%time", "%%capture")):
        return ""
    return "\n".join(map(_kept, source.splitlines()))


def _kept(line: str) -> str:
    stripped = line.lstrip()
    if not stripped.startswith(("!", "%", "?")) and not stripped.endswith("?"):
        return line
    # An indented magic may be all there is in a block.
    return line[: len(line) - len(stripped)] + "pass" if line[:1].isspace() else ""
