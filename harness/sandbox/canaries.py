"""Attempts by which a locked process finds out that it is locked: every one of them must be refused.

Nothing here is tried before the kernel itself has said that the process is locked (`harness.sandbox.lock`),
and each is the mildest form of its kind: should one succeed, the process ends without having done harm.
"""

import ctypes
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_HOLE = "/tmp/harness-hole"  # noqa: S108 - nothing is written there, or the lock is a failure
_PR_SET_DUMPABLE = 4
_CLONE_NEWNS = 0x20000
_IO_URING_SETUP = 425
_RDONLY, _CREATE = os.O_RDONLY, os.O_CREAT | os.O_WRONLY
_VSOCK = 40


def escapes(hidden: Path | None) -> list[str]:
    """Try every canary; returns what was not refused, in words. `hidden` must not even be seen to exist."""
    attempts = {**_ATTEMPTS, **({f"see {hidden}": hidden.stat} if hidden else {})}
    return [what for what, attempt in attempts.items() if not _refused(attempt)]


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, RuntimeError, ValueError, MemoryError):
        return True
    return False


def _open(path: str, flags: int) -> Callable[[], int]:
    return lambda: os.open(path, flags)


def _libc(function: str, *arguments: object) -> Callable[[], None]:
    def call() -> None:
        if getattr(_LIBC, function)(*arguments) < 0:
            raise OSError(ctypes.get_errno(), function)

    return call


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _thread() -> None:
    threading.Thread(target=int).start()


def _more_memory() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (soft + 1, hard + 1))


_ATTEMPTS: Mapping[str, Callable[[], object]] = {
    "list /": lambda: list(Path("/").iterdir()),
    "list /tmp": lambda: list(Path("/tmp").iterdir()),  # noqa: S108
    "read the list of users": _open("/etc/passwd", _RDONLY),
    "read its own memory map": _open("/proc/self/maps", _RDONLY),
    "read the environment of its parent": lambda: os.open(f"/proc/{os.getppid()}/environ", _RDONLY),
    "read the memory of its parent": lambda: os.open(f"/proc/{os.getppid()}/mem", _RDONLY),
    "write a file": _open(_HOLE, _CREATE),
    "write shared memory": _open("/dev/shm/harness-hole", _CREATE),  # noqa: S108
    "write beside the program": _open(f"{sys.prefix}/harness-hole", _CREATE),
    # Landlock lets it write to this device, which nothing can harm.
    "empty a file that it opens to read": _open(os.devnull, os.O_RDONLY | os.O_TRUNC),
    "open a file for neither reading nor writing": _open(os.devnull, os.O_ACCMODE),
    "write a kernel setting": _open("/proc/sys/kernel/core_pattern", os.O_WRONLY),
    "make a folder": lambda: Path(_HOLE).mkdir(),
    "make a link": lambda: Path(_HOLE).symlink_to("/"),
    "make a named pipe": lambda: os.mkfifo(_HOLE),
    "make a socket": socket.socket,
    "make a local socket": lambda: socket.socket(socket.AF_UNIX),
    "make a kernel socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "make a socket to the host": lambda: socket.socket(_VSOCK),
    "make a pair of sockets": socket.socketpair,
    "start a process": _fork,
    "start a thread": _thread,
    "run a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606
    "spawn a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "signal its parent": lambda: os.kill(os.getppid(), 0),
    "signal its group": lambda: os.killpg(0, 0),
    "become root": lambda: os.setuid(0),
    "raise its limits": _more_memory,
    "limit its parent": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (10**6, 10**6)),
    "enter another namespace": _libc("unshare", _CLONE_NEWNS),
    "trace a process": _libc("ptrace", 16, 0, None, None),
    "make a file in memory": _libc("memfd_create", b"hole", 0),
    "make shared memory": _libc("shmget", 0, 4096, 0o1600),
    "be dumped": _libc("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0),
    "queue work for the kernel": _libc("syscall", _IO_URING_SETUP, 1, None),
}
