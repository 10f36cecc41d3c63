"""In which order the files of a submission are searched for its model. Locked child only."""

import re
from pathlib import Path

from harness.loader.protocol import NOTEBOOK

_CLASS = re.compile(r"\bclass\s+(\w+)\s*\(")
_DEFINITION = re.compile(r"\b(?:class|def)\s+(\w+)")
_MODEL = re.compile(r"model|net(?!work_)|network|cnn|arch", re.IGNORECASE)
_ASIDE = re.compile(
    r"test|train|util|data|augment|main|helper|loss|plot|visual|summary|grad_?cam", re.IGNORECASE
)
MAX_SEARCHED = 200
"""Files that define classes; a submission with more has to name the one it means."""


def tiers(root: Path, class_name: str | None) -> list[list[Path]]:
    """Group the files that may define the model; a group is searched only if those before it have none.

    First files of the submission's own folder that are named like a model, then such files and folders below
    it, then every other Python file, then notebooks. With a class's name, only files that define it.
    """
    files = sources(root)
    defining = [file for file in files if _defines(file, class_name)]
    if not defining and not class_name:
        defining = [file for file in files if "Sequential(" in _text(file)]
    groups: list[list[Path]] = [[], [], [], []]
    # Where no file has the text of a class, whatever stops the first of them is the story.
    for file in defining[:MAX_SEARCHED] or ([] if class_name else files[:1]):
        groups[_group(file.relative_to(root))].append(file)
    return [group for group in groups if group]


def sources(root: Path) -> list[Path]:
    """List the Python files and notebooks of a submission, those near its folder first."""
    files = [file for file in root.rglob("*") if file.suffix in (".py", NOTEBOOK) and file.is_file()]
    return sorted(files, key=lambda file: (len(file.parts), str(file)))


# Private functions


def _defines(file: Path, class_name: str | None) -> bool:
    """Return whether a file holds the text of a class, or the definition of that name; nothing of it runs."""
    # In a notebook the end of a line is written \\n.
    text = _text(file).replace("\\n", "\n")
    return class_name in _DEFINITION.findall(text) if class_name else _CLASS.search(text) is not None


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _group(relative: Path) -> int:
    if relative.suffix == NOTEBOOK:
        return 3
    aside = _ASIDE.search(relative.stem) or not _MODEL.search(relative.parent.name)
    if aside and not _MODEL.search(relative.stem):
        return 2
    return 0 if len(relative.parts) == 1 else 1
