"""From what is named on the command line to a `Submission`: which file and class answer which variant."""

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.assignment.manifest import load_manifest
from harness.assignment.spec import AssignmentSpec
from harness.base.errors import UsageError
from harness.settings.recipe import RecipeOverride, Scalar
from harness.sources.archives import ARCHIVES, is_archive, is_other_archive, other_archive
from harness.sources.files import PROGRAMS, copy_sources, name_in_copy, on_disk, source_files
from harness.sources.packed import holds_program, names_below, nothing_to_judge, open_archives
from harness.sources.repository import fetch, is_address, split_commit
from harness.sources.requested import Requested
from harness.sources.unpack import unpack

MANIFEST = "submission.toml"
_HASHED = (*PROGRAMS, ".toml")


@dataclass(frozen=True)
class Answered:
    """The answer of a submission to one variant: what to build, what the recipe changes, where results go."""

    requested: Requested
    output: str
    """Name of the variant's folder under the results folder."""
    recipe: RecipeOverride = field(default_factory=RecipeOverride)


class Copy:
    """A folder that was copied, unpacked or fetched; it is removed when nothing holds this any more."""

    def __init__(self, folder: Path) -> None:
        weakref.finalize(self, _remove, folder)


@dataclass(frozen=True)
class Submission:
    """One submission on disk. `sha256` is over its Python, notebook and TOML files, by relative path."""

    root: Path
    """A copy of the sources that is the harness's own: what was hashed is what is graded."""
    sha256: str
    variants: Mapping[str, Answered]
    source: str = ""
    """The archive or repository it came from; "" for a folder or a file."""
    missing: tuple[str, ...] = ()
    """Variants that were asked for and not handed in."""
    copy: Copy | None = field(default=None, compare=False, repr=False)
    """Keeps `root` on disk as long as this submission, or what was made of it, is known."""


def open_submission(
    given: str | Path,
    assignment: AssignmentSpec,
    *,
    variants: Sequence[str] = (),
    class_name: str | None = None,
    arguments: Mapping[str, Scalar] | None = None,
) -> Submission:
    """Find out what a path, or a repository's address, holds.

    `variants` are the rule sets asked for; none means all that ``submission.toml`` names, or the
    assignment's default where there is no such file. `class_name` (``CLASS`` or ``FILE:CLASS``) and
    `arguments` override it. What is copied, unpacked or fetched is kept as long as the `Submission` is, or
    one that was made of it.

    Raises:
        UsageError: no such path, nothing that can be copied, unpacked or fetched, no source file, an
            unknown variant.
        AssignmentError: ``submission.toml`` is not valid.
    """
    path, source, temporary = _placed(str(given))
    try:
        submission = _opened(path, source, str(given), assignment, variants, class_name, arguments or {})
    except BaseException:
        _remove(temporary)
        raise
    return replace(submission, copy=Copy(temporary))


def missing_variants(
    assignment: AssignmentSpec, handed_in: Iterable[str], asked: Sequence[str]
) -> tuple[str, ...]:
    """List the variants that an assignment asks for and that were not submitted.

    None where somebody has asked for some of them by name: the others are not looked at, and not missing.
    """
    if asked or assignment.policy.variants != "all":
        return ()
    there = set(handed_in)
    return tuple(name for name in assignment.variants if name not in there)


def is_program(path: Path) -> bool:
    """Return whether a file, by its name, is Python or a notebook."""
    return name_in_copy(path).suffix in PROGRAMS


# Private functions


def _placed(given: str) -> tuple[Path, str, Path]:
    """Move the submission to where nobody else writes: the place, its source, a folder to remove later."""
    path = (on_disk(Path(), given) or Path(given)).resolve()
    is_here = _exists(path)
    is_packed = is_here and path.is_file() and is_archive(path)
    if is_here and not is_packed and not path.is_dir() and not (is_program(path) and path.is_file()):
        if is_other_archive(path):
            raise other_archive(path.name, path.name)
        raise UsageError(
            f"{path.name}: expected a .py file, a notebook, a folder or an archive "
            f"({', '.join(ARCHIVES)}), got {path.suffix or 'no suffix'}."
        )
    where, commit = split_commit(given)
    if not is_here and not is_address(where) and not (commit and Path(where).is_dir()):
        raise UsageError(
            f"{path}: no such file or folder. Give a model file, a submission's folder, an archive of it, "
            "or the "
            "address of a repository."
        )
    temporary = Path(tempfile.mkdtemp(prefix="harness-submission-")).resolve()
    try:
        if is_packed:
            return unpack(path, temporary), path.name, temporary
        if is_here:
            return _copied(path, temporary), "", temporary
        return temporary, f"{where} at commit {fetch(given, temporary)}", temporary
    except BaseException:
        _remove(temporary)
        raise


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than any file has
        return False


def _copied(path: Path, temporary: Path) -> Path:
    """Copy the sources of a folder, or of a file and those beside it; archives in a folder are opened."""
    to = temporary / "submission"
    manifest = path / MANIFEST
    if manifest.is_symlink() or (path.is_dir() and manifest.exists() and not manifest.is_file()):
        raise UsageError(
            f"{MANIFEST}: not a plain file; expected one, got a link, a pipe or a folder. "
            "Put the file itself into the submission."
        )
    copy_sources(path if path.is_dir() else path.parent, to)
    copy = to if path.is_dir() else to / name_in_copy(Path(path.name))
    if not copy.exists():
        raise UsageError(
            f"{path.name}: not a submission; expected a plain file whose name does not begin with a dot, got "
            "another. Rename it."
        )
    if path.is_dir() and not manifest.exists() and not holds_program(to):
        return open_archives(path, temporary / "opened") or copy
    return copy


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _opened(
    path: Path,
    source: str,
    given: str,
    assignment: AssignmentSpec,
    variants: Sequence[str],
    class_name: str | None,
    arguments: Mapping[str, Scalar],
) -> Submission:
    root = path if path.is_dir() else path.parent
    has_manifest = path.is_dir() and (root / MANIFEST).exists()
    named = _from_manifest(root, assignment, variants) if has_manifest else None
    if named is None:
        if path.is_dir() and not holds_program(root):
            there = Path(given) if Path(given).exists() else root
            raise nothing_to_judge(source or given, names_below(there))
        names = variants or (assignment.default_variant,)
        named = {name: Answered(Requested(file=path, class_name=None), name) for name in names}
    _check_known(variants, named, assignment)
    chosen = {name: named[name] for name in (variants or named)}
    answered = {name: _override(one, root, class_name, arguments) for name, one in chosen.items()}
    files = [path] if path.is_file() else [f for f in source_files(root) if f.suffix in _HASHED]
    missing = missing_variants(assignment, answered, variants)
    return Submission(root, _hash(files, root), answered, source, missing)


def _from_manifest(root: Path, assignment: AssignmentSpec, asked: Sequence[str]) -> dict[str, Answered]:
    manifest = load_manifest(root / MANIFEST)
    if not asked:
        # A manifest may answer variants of other editions too; judging all of it needs them all.
        _check_known(manifest.variants, assignment.variants, assignment)
    answered = {}
    for name, one in manifest.variants.items():
        file = root / name_in_copy(Path(one.file))
        if not file.is_file() or not file.resolve().is_relative_to(root):
            raise UsageError(
                f"{MANIFEST}: variants.{name}.file: no such file in the submission: {one.file!r}. "
                f"Name a Python file of this folder."
            )
        requested = Requested(file=file, class_name=one.class_name, arguments=dict(one.arguments))
        answered[name] = Answered(requested, one.folder(name), one.recipe)
    return answered


def _check_known(asked: Iterable[str], known: Iterable[str], assignment: AssignmentSpec) -> None:
    known = list(known)
    for name in asked:
        if name not in known or name not in assignment.variants:
            raise UsageError(
                f"variant {name!r}: not in this submission or not in assignment {assignment.id}; "
                f"expected one of {', '.join(n for n in known if n in assignment.variants)}."
            )


def _override(one: Answered, root: Path, class_name: str | None, arguments: Mapping[str, Scalar]) -> Answered:
    file, colon, name = (class_name or "").rpartition(":")
    update: dict[str, object] = {"arguments": {**one.requested.arguments, **arguments}}
    if colon:
        update["file"] = _inside(root, file)
    if name:
        update["class_name"] = name
    return Answered(one.requested.model_copy(update=update), one.output, one.recipe)


def _inside(root: Path, name: str) -> Path:
    """Find a file of the submission by its name in it."""
    file = root / name_in_copy(Path(name))
    if not file.is_file() or not file.resolve().is_relative_to(root) or not is_program(file):
        raise UsageError(
            f"--class {name}: no such file in the submission. Name a Python file or a notebook of it, "
            "as in --class model.py:Net."
        )
    return file


def _hash(files: Iterable[Path], root: Path) -> str:
    sha = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        sha.update(f"{file.relative_to(root).as_posix()}\0{content}\n".encode())
    return sha.hexdigest()
