"""From a path on the command line to a `Submission`: which file and class answer which variant."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.assignment import AssignmentSpec
from harness.errors import UsageError
from harness.intake.exchange import NOTEBOOK, Wanted
from harness.manifest import load_manifest
from harness.recipe import RecipeOverride, Scalar

MANIFEST = "submission.toml"
SOURCES = (".py", NOTEBOOK)
_NOT_SOURCE = frozenset({"__pycache__", "site-packages", "venv"})
CONVENTIONAL = ("model.py", "models.py", "network.py", "net.py", "models/model.py", "src/model.py")


@dataclass(frozen=True)
class Answered:
    """How one variant is answered: what to build, what the recipe changes, where results go."""

    wanted: Wanted
    output: str
    """Name of the variant's folder under the results folder."""
    recipe: RecipeOverride = field(default_factory=RecipeOverride)


@dataclass(frozen=True)
class Submission:
    """One submission on disk. `sha256` is over its Python and TOML files, by relative path."""

    root: Path
    sha256: str
    variants: Mapping[str, Answered]


def open_submission(
    path: Path,
    assignment: AssignmentSpec,
    *,
    variants: Sequence[str] = (),
    class_name: str | None = None,
    arguments: Mapping[str, Scalar] | None = None,
) -> Submission:
    """Find out what a path holds.

    `variants` are the rule sets asked for; none means all that ``submission.toml`` names, or the
    assignment's default where there is no such file. `class_name` and `arguments` override it.

    Raises:
        UsageError: no such path, no model file, an unknown variant.
        AssignmentError: ``submission.toml`` is not valid.
    """
    path = path.resolve()
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder. Give a model file or a submission's folder.")
    if path.is_file() and path.suffix not in SOURCES:
        raise UsageError(
            f"{path.name}: expected a .py file, a notebook or a folder, got {path.suffix or 'no suffix'}."
        )
    root = path if path.is_dir() else path.parent
    has_manifest = path.is_dir() and (root / MANIFEST).exists()
    named = _from_manifest(root, assignment, variants) if has_manifest else None
    if named is None:
        file = path if path.is_file() else _model_file(root)
        names = variants or (assignment.default_variant,)
        named = {name: Answered(Wanted(file=file, class_name=None), name) for name in names}
    _check_known(variants, named, assignment)
    chosen = {name: named[name] for name in (variants or named)}
    answered = {name: _override(one, class_name, arguments or {}) for name, one in chosen.items()}
    files = [path] if path.is_file() else _source_files(root)
    return Submission(root, _hash(files, root), answered)


def _from_manifest(root: Path, assignment: AssignmentSpec, asked: Sequence[str]) -> dict[str, Answered]:
    manifest = load_manifest(root / MANIFEST)
    if not asked:
        # A manifest may answer variants of other editions too; judging all of it needs them all.
        _check_known(manifest.variants, assignment.variants, assignment)
    answered = {}
    for name, one in manifest.variants.items():
        file = root / one.file
        if not file.is_file() or not file.resolve().is_relative_to(root):
            raise UsageError(
                f"{MANIFEST}: variants.{name}.file: no such file in the submission: {one.file!r}. "
                f"Name a Python file of this folder."
            )
        wanted = Wanted(file=file, class_name=one.class_name, arguments=dict(one.arguments))
        answered[name] = Answered(wanted, one.folder(name), one.recipe)
    return answered


def _check_known(asked: Iterable[str], known: Iterable[str], assignment: AssignmentSpec) -> None:
    known = list(known)
    for name in asked:
        if name not in known or name not in assignment.variants:
            raise UsageError(
                f"variant {name!r}: not in this submission or not in assignment {assignment.id}; "
                f"expected one of {', '.join(n for n in known if n in assignment.variants)}."
            )


def _model_file(root: Path) -> Path:
    for name in CONVENTIONAL:
        if (root / name).is_file():
            return root / name
    found = sorted(root.glob("*.py")) or sorted(root.glob(f"*{NOTEBOOK}"))
    if len(found) == 1:
        return found[0]
    listed = ", ".join(file.name for file in found) or "no .py file and no notebook"
    raise UsageError(
        f"{root}: cannot tell which file holds the model; expected {MANIFEST}, one of "
        f"{', '.join(CONVENTIONAL)}, or a single .py file or notebook, got {listed}. Give the file's path."
    )


def _override(one: Answered, class_name: str | None, arguments: Mapping[str, Scalar]) -> Answered:
    wanted = one.wanted.model_copy(
        update={
            "class_name": class_name or one.wanted.class_name,
            "arguments": {**one.wanted.arguments, **arguments},
        }
    )
    return Answered(wanted, one.output, one.recipe)


def _source_files(root: Path) -> list[Path]:
    files = (f for pattern in ("*.py", "*.ipynb", "*.toml") for f in root.rglob(pattern))
    return sorted(f for f in files if f.is_file() and not _is_hidden(f.relative_to(root)))


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") or part in _NOT_SOURCE for part in relative.parts)


def _hash(files: Iterable[Path], root: Path) -> str:
    sha = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        sha.update(f"{file.relative_to(root).as_posix()}\0{content}\n".encode())
    return sha.hexdigest()
