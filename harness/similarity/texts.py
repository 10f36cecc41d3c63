"""The sources of a submission as texts to compare: Python files, and the code cells of notebooks."""

from collections.abc import Iterator
from pathlib import Path

from harness.base.errors import UsageError
from harness.loader.protocol import NOTEBOOK
from harness.similarity.tokens import Text, read_text
from harness.sources.files import source_files
from harness.sources.notebook_file import NotebookError, code_cells

MAX_TEXTS = 100
MAX_CHARACTERS = 1024 * 1024
"""Of one submission; files beyond either are not compared."""
MAX_NOTEBOOK_BYTES = 16 * 2**20
"""A larger notebook is left out; pictures among its outputs make it large, and code does not."""


def texts_below(folder: Path) -> tuple[Text, ...]:
    """Read the sources below a folder, in the order of their names.

    Nothing in them can raise: what is no Python is compared as far as it is.
    """
    found: list[Text] = []
    left = MAX_CHARACTERS
    for text in _texts(folder):
        left -= sum(map(len, text.lines))
        if left < 0 or len(found) == MAX_TEXTS:
            break
        if text.tokens:
            found.append(text)
    return tuple(found)


# Private functions


def _texts(folder: Path) -> Iterator[Text]:
    try:
        for file in source_files(folder):
            name = file.relative_to(folder).as_posix()
            if file.suffix == NOTEBOOK:
                yield read_text(name, _cells(file))
            elif file.suffix == ".py":
                yield read_text(name, [file.read_text(encoding="utf-8", errors="replace")])
    except UsageError:  # more than a submission may hold: it was refused, and there is little to compare
        return


def _cells(file: Path) -> Iterator[str]:
    """Read the code cells of a notebook, each under a comment that numbers it; magics are blank lines."""
    if file.stat().st_size > MAX_NOTEBOOK_BYTES:
        return
    try:
        cells = code_cells(file)
    except NotebookError:
        return
    for number, source in enumerate(cells, 1):
        kept = ("" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines())
        yield "\n".join([f"# cell {number}", *kept]) + "\n"
