"""Fetch one commit of a git repository that a stranger made.

Nothing is checked out: the commit is fetched into an empty bare repository and handed on by `git archive`,
so that no hook, filter (LFS), submodule or link of it is ever followed. The user's git settings are not read,
and nobody is asked for a password; ssh keys, an ssh agent and a token within the address work.
"""

import contextlib
import os
import re
import resource
import signal
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.base.errors import UsageError
from harness.sources.unpack import unpack_tar

TIMEOUT_S = 300
MAX_PACK_BYTES = 2 * 2**30
_ADDRESS = re.compile(r"(?:https?|ssh|file)://.+|[\w.-]+@[\w.-]+:(?!//).+")
_COMMIT = re.compile(r"(?P<where>.+)@(?P<commit>[A-Za-z0-9][\w.+-]*)")
_SHORTENED = re.compile(r"[0-9a-f]{4,39}")
# What is refused by a server that hands out tips of branches only.
_EVERYTHING = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def is_address(given: str) -> bool:
    """Return whether the text is the address of a remote repository."""
    return _ADDRESS.fullmatch(given) is not None


def split_commit(given: str) -> tuple[str, str]:
    """Split ``REPOSITORY@COMMIT``; the commit (or branch, or tag) is "" where none is named."""
    found = _COMMIT.fullmatch(given)
    # The last @ of ssh://git@host/... is not one.
    return (found["where"], found["commit"]) if found else (given, "")


def fetch(given: str, to: Path) -> str:
    """Fetch the sources of ``ADDRESS[@COMMIT]`` or ``FOLDER@COMMIT`` into `to`; returns the full commit.

    Raises:
        UsageError: no git, no such repository or commit, too large, too slow; a folder that holds links to
            objects elsewhere.
    """
    where, commit = split_commit(given)
    address = where if is_address(where) else f"file://{_git_folder(Path(where).resolve(), given)}"
    with tempfile.TemporaryDirectory(prefix="harness-git-") as place, tempfile.TemporaryFile() as tar:
        (Path(place) / "settings").write_text(_SETTINGS)
        git = _Git(given, Path(place))
        git.run("init", "--quiet", "--bare", "--template=", str(git.repository))
        _fetch_commit(git, address, commit)
        full = git.run("rev-parse", "--verify", "--quiet", f"{_REQUESTED}^{{commit}}").strip()
        git.run("archive", "--format=tar", full, out=tar)
        try:
            unpack_tar(tar, to, given, without_links=True)
        except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
            raise UsageError(_message(given, ascii(str(error)))) from None
    return full


# Private functions

_REQUESTED = "refs/harness/requested"
# The folders of other users are served too: a repository's own settings start nothing when it is only read.
_SETTINGS = "[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n[gc]\n\tauto = 0\n"


def _git_folder(folder: Path, given: str) -> Path:
    """Find the repository in a folder, all of which must lie in it: git would follow a word to anywhere.

    Raises:
        UsageError: it is none, or only points to one.
    """
    inside = folder / ".git"
    found = inside if os.path.lexists(inside) else folder
    elsewhere = [found] if found.is_symlink() or not found.is_dir() else _pointers(found)
    if name := next((str(path.relative_to(folder)) for path in elsewhere), ""):
        raise UsageError(
            f"{given}: the repository does not lie in the folder; expected all of it there, got {name!a}, "
            "which points elsewhere. Hand in a clone of it: git clone --no-hardlinks FOLDER CLONE."
        )
    if not (found / "HEAD").is_file():
        raise UsageError(_message(given, "no repository in the folder"))
    return found


def _pointers(repository: Path) -> Iterator[Path]:
    """Find what makes git read objects, or a whole repository, of another place."""
    words = (".git", "commondir", "objects/info/alternates", "objects/info/http-alternates")
    yield from (path for word in words if os.path.lexists(path := repository / word))
    for folder, folders, names in os.walk(repository):
        yield from (path for name in (*folders, *names) if (path := Path(folder) / name).is_symlink())


def _fetch_commit(git: "_Git", address: str, commit: str) -> None:
    """Fetch a commit and call it `_REQUESTED`; all branches, where a server gives no single commit."""
    options = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance")
    if not _SHORTENED.fullmatch(commit):
        with contextlib.suppress(_FailedError):
            git.run("fetch", *options, "--depth=1", "--", address, f"+{commit or 'HEAD'}:{_REQUESTED}")
            return
    git.run("fetch", *options, "--", address, f"+HEAD:{_REQUESTED}", *_EVERYTHING)
    if commit:
        git.run("update-ref", _REQUESTED, f"{commit}^{{commit}}")


class _FailedError(UsageError):
    """Git ended with an error."""


@dataclass(frozen=True)
class _Git:
    """Runs git apart from the user's settings, in a repository of its own below `place`."""

    given: str
    place: Path

    @property
    def repository(self) -> Path:
        return self.place / "repository"

    def run(self, *arguments: str, out: IO[bytes] | None = None) -> str:
        """Run git; returns what it prints, unless that goes to `out`.

        Raises:
            UsageError: git is not there, fails, or takes too long.
        """
        try:
            with (
                tempfile.TemporaryFile() as said,
                subprocess.Popen(
                    ["git", *arguments],  # noqa: S607 - the one on the path
                    stdin=subprocess.DEVNULL,
                    stdout=out or subprocess.PIPE,
                    stderr=said,
                    env=self._environment(),
                    cwd=self.place,
                    start_new_session=True,
                    preexec_fn=_limit_files,
                ) as running,
            ):
                printed = self._end(running)
                said.seek(0)
                words = said.read(2_000).decode(errors="replace")
        except FileNotFoundError:
            raise UsageError("git is not installed: install it and try again.") from None
        if running.returncode != 0:
            why = " ".join("".join(c if c.isprintable() else " " for c in words).split())
            raise _FailedError(_message(self.given, why or f"git ended with {running.returncode}"))
        return printed.decode(errors="replace")

    def _end(self, running: "subprocess.Popen[bytes]") -> bytes:
        try:
            return running.communicate(timeout=TIMEOUT_S)[0] or b""
        except subprocess.TimeoutExpired:
            raise UsageError(_message(self.given, f"no end after {TIMEOUT_S} s")) from None
        finally:
            # Helpers of a transport too, however this ended.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)

    def _environment(self) -> Mapping[str, str]:
        return {name: os.environ[name] for name in _PASSED if name in os.environ} | {
            "LC_ALL": "C",
            "GIT_DIR": str(self.repository),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.place / "settings"),
            "GIT_ALLOW_PROTOCOL": "https:http:ssh:file",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            # What a partial clone lacks would be fetched with commands that its own settings name.
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        }


_PASSED = (
    "PATH", "HOME", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
)  # fmt: skip


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_PACK_BYTES, MAX_PACK_BYTES))


def _message(given: str, why: str) -> str:
    return (
        f"{given}: cannot be fetched; expected a git repository that anybody may read, and a commit, "
        "branch or tag "
        f"of it after @, got: {why}. Check the address, or hand in a folder or an archive."
    )
