"""The commands that start the fork server: as it is, or inside bubblewrap.

In both, the process locks every child before it runs student code (`harness.sandbox.lock`). Bubblewrap puts
namespaces around that: the child then does not even see that other files, processes and networks exist.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

Backend = Literal["bwrap", "lock"]
BackendChoice = Literal["auto", "bwrap", "lock"]

PACKAGE = Path(__file__).resolve().parents[1]
HIDDEN = Path("/etc/passwd")
"""What no process inside bubblewrap can see to exist."""
_KEPT_CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL")
"""What the lock needs to become another user, whereupon it drops them, and the process to end a child."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_LINKER_CACHE = "/etc/ld.so.cache"
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin")


def command(backend: Backend, program: str, folder: Path, control: int) -> list[str]:
    """Return the command line of a fork server of `program` that sees `folder`, controlled by a socket.

    Raises:
        FileNotFoundError: it needs a program that is not there.
    """
    return COMMANDS[backend](program, folder, control)


def environment() -> Mapping[str, str]:
    """Return all the environment variables of a fork server."""
    return {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "USER": "student",
        # Else torch makes a folder to write to; this one is there, and it writes nothing.
        "TORCHINDUCTOR_CACHE_DIR": "/",
        "LANG": "C.UTF-8",
        # -P and -s keep the working directory and the user's packages off the path; this is the harness.
        "PYTHONPATH": str(PACKAGE.parent),
        # An initialisation that walks over a set must walk alike every time.
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NO_ALBUMENTATIONS_UPDATE": "1",
        # Every shape of a network is met once or twice: remembering them costs more than it saves.
        "TORCH_FAKE_TENSOR_DISPATCH_CACHE": "0",
    }


def fork_server(*arguments: str) -> list[str]:
    """Return the command line of `harness.sandbox.fork_server`."""
    return [sys.executable, "-P", "-s", "-B", "-m", "harness.sandbox.fork_server", *arguments]


# Private functions


def _lock(program: str, _: Path, control: int) -> list[str]:
    return fork_server(program, str(control))


def _bwrap(program: str, folder: Path, control: int) -> list[str]:
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise FileNotFoundError("not installed")
    options = [
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--die-with-parent", "--cap-drop", "ALL", *_privileges()),
        *("--hostname", "sandbox", "--proc", "/proc"),
        *chain.from_iterable(_mounts([PACKAGE, Path(sys.prefix), Path(sys.base_prefix), folder])),
        *("--remount-ro", "/", "--chdir", "/"),
    ]
    return [bubblewrap, *options, "--", *fork_server(program, str(control), str(HIDDEN))]


def _privileges() -> Iterator[str]:
    if os.geteuid() == 0:
        # In a user namespace root would stay root to the kernel: core_pattern could be written.
        yield from chain.from_iterable(("--cap-add", name) for name in _KEPT_CAPABILITIES)
    else:
        yield from ("--unshare-user", "--disable-userns")


def _mounts(folders: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """Yield the paths that are visible inside, all of them read-only, each at its own place."""
    # Importing torch wants a folder to write to; a locked child cannot.
    yield "--perms", "1777", "--size", "65536", "--tmpfs", "/tmp"  # noqa: S108
    # Root's bubblewrap makes the folders on the way so that only root may enter.
    places = [*folders, *map(Path, (*_DEVICES, _LINKER_CACHE))]
    for parent in sorted(
        {parent for place in places for parent in place.parents} - {Path("/"), Path("/tmp")}  # noqa: S108
    ):
        yield "--perms", "0755", "--dir", str(parent)
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield "--symlink", str(path.readlink()), str(path)
        elif path.exists():
            yield "--ro-bind", str(path), str(path)
    for device in _DEVICES:
        yield "--dev-bind", device, device
    yield "--ro-bind-try", _LINKER_CACHE, _LINKER_CACHE
    for folder in folders:
        yield "--ro-bind", str(folder), str(folder)


COMMANDS: Mapping[Backend, Callable[[str, Path, int], list[str]]] = {"bwrap": _bwrap, "lock": _lock}
"""The backends, the stronger first."""
