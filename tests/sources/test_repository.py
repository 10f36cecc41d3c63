"""One commit of a repository, from a folder, a file:// address or a web server on this machine."""

import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.sources import repository as fetching
from harness.sources.repository import is_address, split_commit
from harness.sources.submission import open_submission

AUTHOR = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder: Path, *arguments: str) -> str:
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env={"PATH": os.environ["PATH"], **AUTHOR, **settings},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "work")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    return folder


def sources(submission) -> dict[str, str]:
    return {
        str(p.relative_to(submission.root)): p.read_text() for p in submission.root.rglob("*") if p.is_file()
    }


@pytest.mark.parametrize("length", [40, 8])
def test_a_folder_at_a_commit_is_that_commit_and_its_files_stay_as_they_are(
    repository, assignment, length
) -> None:
    first = commit(repository, model="x = 1")
    commit(repository, model="x = 2", other="y = 1")
    (repository / "model.py").write_text("x = 3")
    submission = open_submission(f"{repository}@{first[:length]}", assignment)
    assert sources(submission) == {"model.py": "x = 1"}
    assert submission.source == f"{repository} at commit {first}"
    assert (repository / "model.py").read_text() == "x = 3"
    assert sources(open_submission(repository, assignment)) == {"model.py": "x = 3", "other.py": "y = 1"}


@pytest.mark.parametrize("named", ["", "@main", "@v1.0"])
def test_an_address_is_its_newest_commit_or_the_one_that_is_named(repository, assignment, named) -> None:
    commit(repository, model="x = 1")
    git(repository, "tag", "v1.0")
    git(repository, "checkout", "--quiet", "-b", "other")
    submission = open_submission(f"file://{repository}{named}", assignment)
    assert sources(submission) == {"model.py": "x = 1"}
    root = submission.root
    del submission
    assert not root.exists()


@pytest.fixture
def served(tmp_path: Path, repository: Path) -> Iterator[str]:
    """The address of the repository on a web server that hands out files and knows nothing of git."""
    commit(repository, model="x = 1")
    git(tmp_path, "clone", "--quiet", "--bare", "repository", "served.git")
    git(tmp_path / "served.git", "update-server-info")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/served.git"
        server.shutdown()


def test_a_repository_on_a_web_server_is_fetched(served, repository, assignment) -> None:
    for address in (f"{served}@main", f"{served}@{git(repository, 'rev-parse', 'HEAD')}"):
        assert sources(open_submission(address, assignment)) == {"model.py": "x = 1"}


def test_nothing_of_a_repository_runs_and_no_link_or_submodule_of_it_is_followed(
    repository, assignment
) -> None:
    traces = repository.parent / "traces"
    traces.mkdir()
    for hook in ("post-checkout", "post-merge", "pre-auto-gc", "reference-transaction", "post-index-change"):
        (repository / ".git" / "hooks").mkdir(exist_ok=True)
        (repository / ".git" / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {traces}/{hook}\n")
    for name in ("smudge", "process", "clean"):
        git(repository, "config", f"filter.lfs.{name}", f"touch {traces}/{name}; cat")
    git(repository, "config", "core.fsmonitor", f"touch {traces}/fsmonitor")
    git(repository, "config", "uploadpack.packObjectsHook", f"touch {traces}/pack; exec git pack-objects")
    (repository / ".gitattributes").write_text("*.py filter=lfs\n")
    (repository / "linked.py").symlink_to("/etc/passwd")
    (repository / ".gitmodules").write_text(f'[submodule "sub"]\n\tpath = sub\n\turl = file://{repository}\n')
    git(repository, "-c", "filter.lfs.clean=cat", "-c", "filter.lfs.process=", "add", "--all")
    (repository / "model.py").write_text("x = 1")
    blob = git(repository, "hash-object", "-w", "--no-filters", "model.py")
    git(repository, "update-index", "--add", "--cacheinfo", f"100644,{blob},model.py")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(
        repository,
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=",
        "commit",
        "--quiet",
        "-m",
        "work",
    )
    for hook in (repository / ".git" / "hooks").iterdir():
        hook.chmod(0o755)
    for trace in traces.iterdir():
        trace.unlink()
    assert sources(open_submission(f"{repository}@main", assignment)) == {"model.py": "x = 1"}
    assert list(traces.iterdir()) == []


def test_a_repository_that_lies_elsewhere_is_not_followed(repository, assignment, tmp_path) -> None:
    """A folder that points to another student's work, in each way that git would follow."""
    secret = tmp_path / "secret"
    secret.mkdir()
    git(secret, "init", "--quiet", "--initial-branch", "main")
    theirs = commit(secret, model="theirs")
    commit(repository, model="mine")
    objects = repository / ".git" / "objects" / "info" / "alternates"
    objects.write_text(f"{secret}/.git/objects\n")
    (tmp_path / "word").mkdir()
    (tmp_path / "word" / ".git").write_text(f"gitdir: {secret}/.git\n")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / ".git").symlink_to(secret / ".git")
    (tmp_path / "bare").mkdir()
    git(tmp_path, "clone", "--quiet", "--bare", "secret", "bare/.git")
    (tmp_path / "bare" / ".git" / "objects").rename(tmp_path / "away")
    (tmp_path / "bare" / ".git" / "objects").symlink_to(secret / ".git" / "objects")
    git(secret, "worktree", "add", "--quiet", str(tmp_path / "worktree"), "-b", "other")
    (tmp_path / "common").mkdir()
    git(tmp_path / "common", "init", "--quiet")
    (tmp_path / "common" / ".git" / "commondir").write_text(f"{secret}/.git\n")
    for folder in (repository, *(tmp_path / name for name in ("word", "link", "bare", "worktree", "common"))):
        with pytest.raises(
            UsageError, match=r"the repository does not lie in the folder; .* points elsewhere"
        ):
            open_submission(f"{folder}@{theirs}", assignment)


def test_a_folder_without_a_repository_is_not_looked_for_beside_it(repository, assignment, tmp_path) -> None:
    commit(repository, model="theirs")
    (tmp_path / "work").mkdir()
    repository.rename(tmp_path / "work.git")
    with pytest.raises(UsageError, match="got: no repository in the folder"):
        open_submission(f"{tmp_path}/work@main", assignment)


def test_what_a_partial_clone_lacks_is_not_fetched_by_its_own_commands(
    repository, assignment, tmp_path
) -> None:
    commit(repository, model="x = 1")
    blob = git(repository, "rev-parse", "HEAD:model.py")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": f"file://{tmp_path}",
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": f"touch {tmp_path}/trace; git-upload-pack",
    }.items():
        git(repository, "config", key, value)
    with pytest.raises(UsageError, match="cannot be fetched"):
        open_submission(f"{repository}@main", assignment)
    assert not (tmp_path / "trace").exists()


def test_an_address_is_never_an_option_of_git(assignment) -> None:
    with pytest.raises(UsageError, match=r"cannot be fetched.*strange hostname '-u@host' blocked"):
        open_submission("-u@host:trace", assignment)


@pytest.mark.parametrize("named", ["nowhere", "0" * 40, "abcdef", "-x"])
def test_a_commit_that_is_not_there_is_refused(repository, assignment, named) -> None:
    commit(repository, model="x = 1")
    with pytest.raises(
        UsageError, match=r"cannot be fetched; expected a git repository|no such file or folder"
    ):
        open_submission(f"{repository}@{named}", assignment)


def test_an_address_where_nothing_is_asks_nobody_for_a_password(assignment) -> None:
    with pytest.raises(
        UsageError, match=r"http://127\.0\.0\.1:9/x\.git: cannot be fetched.*Check the address"
    ) as error:
        open_submission("http://127.0.0.1:9/x.git", assignment)
    assert str(error.value).isprintable()


def test_a_way_to_fetch_that_could_run_a_program_is_no_address(assignment, tmp_path) -> None:
    for given in (f"ext::sh -c touch% {tmp_path}/trace", "-oProxyCommand=x", "git://a/b", "ftp://a/b"):
        assert not is_address(given)
        with pytest.raises(UsageError, match="no such file or folder"):
            open_submission(given, assignment)
    assert not (tmp_path / "trace").exists()


def test_a_server_that_never_answers_is_left(repository, assignment, monkeypatch) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.001)
    with pytest.raises(UsageError, match=r"got: no end after 0\.001 s"):
        open_submission(f"file://{repository}", assignment)


def test_a_pack_that_is_too_large_is_not_stored(repository, assignment, monkeypatch) -> None:
    (repository / "data.bin").write_bytes(os.urandom(2**20))
    commit(repository, model="x = 1")
    monkeypatch.setattr(fetching, "MAX_PACK_BYTES", 2**18)
    with pytest.raises(UsageError, match="cannot be fetched"):
        open_submission(f"file://{repository}", assignment)


def test_without_git_the_message_says_so(repository, assignment, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UsageError, match=r"^git is not installed: install it and try again\.$"):
        open_submission(f"file://{repository}", assignment)


@pytest.mark.parametrize(
    ("given", "where", "named"),
    [
        ("https://host/a/b", "https://host/a/b", ""),
        ("https://user@host/a/b", "https://user@host/a/b", ""),
        ("https://host/a/b@3fa9c1e", "https://host/a/b", "3fa9c1e"),
        ("ssh://git@host/a/b.git@v1.0", "ssh://git@host/a/b.git", "v1.0"),
        ("git@host:a/b.git", "git@host:a/b.git", ""),
        ("git@host:a/b.git@main", "git@host:a/b.git", "main"),
        ("work@HEAD", "work", "HEAD"),
    ],
)
def test_an_at_sign_before_the_host_is_no_commit(given, where, named) -> None:
    assert split_commit(given) == (where, named)
