"""The fork server: warm a program up once, then fork a child for every request, which locks itself.

Started by `harness.sandbox.client` as ``python -m harness.sandbox.fork_server PROGRAM SOCKET [HIDDEN]``.
PROGRAM is a module with two functions: ``warm_up()`` loads all that an answer needs, and
``answers(request)`` turns the bytes of a request into blocks of bytes. It is imported once it is known that
processes can be locked.

The server answers on SOCKET with ``READY``, or with ``UNFIT`` and why no process can be locked here. Then,
for every request, it is sent ``RUN`` with three descriptors: the request to read (see
`harness.sandbox.protocol.Confined`), the pipe for what the child has to say, and the file for what it prints.
It forks, and answers ``ENDED``, the child's wait status and its processor seconds; ``KILL`` ends the child
before its time. Nothing of a submission reaches this process: the child reads the request, after the fork.

What the child says: the line ``LOCKED`` (or ``UNLOCKED`` and why), then the blocks, each an 8-byte length and
as many bytes.

As ``python -m harness.sandbox.fork_server PROGRAM --self-check FILE`` it answers the request on its standard
input without a lock, for students who check their own code, and says the same to FILE.
"""

import gc
import os
import select
import signal
import site
import socket
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import harness
from harness.sandbox.protocol import ENDED, KILL, LOCKED, READY, SELF_CHECK, UNFIT, UNLOCKED, Confined

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo")
_PACKAGE = Path(harness.__path__[0])
_NOT_LOCKED = 3


def main() -> int:
    """Serve until the socket is closed; returns the exit code, 3 where no process can be locked."""
    program = sys.argv[1]
    if sys.argv[2] == SELF_CHECK:
        return _check_oneself(program, Path(sys.argv[3]))
    # A checkout holds the assignment; the package alone is needed from here on.
    checkout = {str(_PACKAGE.parent)} - set(site.getsitepackages())
    sys.path[:] = [entry for entry in sys.path if entry and entry not in checkout]
    hidden = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    with socket.socket(fileno=int(sys.argv[2])) as control:
        # Before the program is imported: where no process can be locked, that is known at once.
        if why := _trial(hidden):
            control.send(UNFIT + why.encode()[:4096])
            return _NOT_LOCKED
        import_module(program).warm_up()
        gc.freeze()
        control.send(READY)
        while descriptors := _next(control):
            _serve(program, control, descriptors, hidden)
    return 0


def _trial(hidden: Path | None) -> str:
    """Lock a child that runs nothing; returns why it could not be locked, "" if it could."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        _end(_locked(writing, (10, 1024, 1), [], hidden))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return "" if said == LOCKED.decode() else said.removeprefix(UNLOCKED.decode()) or "no answer from it"


def _next(control: socket.socket) -> list[int]:
    """Wait for the next request's descriptors; none when the parent is gone."""
    message = KILL
    descriptors: list[int] = []
    while message == KILL:  # it came when the child had ended by itself
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 16, 3)
        except ConnectionError:
            return []
    return descriptors


def _serve(program: str, control: socket.socket, descriptors: list[int], hidden: Path | None) -> None:
    child = os.fork()
    if child == 0:
        _run(program, descriptors, hidden)
    for descriptor in descriptors:
        os.close(descriptor)
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, control.fileno()], [], [])
    if control.fileno() in ready:  # told to, or the parent is gone
        os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    os.close(ended)
    with suppress(BrokenPipeError):
        control.send(ENDED + f"{status} {used.ru_utime + used.ru_stime}".encode())


# The child of one request


def _run(program: str, descriptors: list[int], hidden: Path | None) -> NoReturn:
    code = _NOT_LOCKED
    try:
        gc.set_threshold(100_000)  # an export makes much that stays, and a collection looks at all of it
        request, out, printed = descriptors
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        with os.fdopen(request, "rb") as file:
            said = file.read()
        told = Confined.model_validate_json(said)
        _close_all_but({0, 1, 2, out})
        bounds = (told.cpu_s, told.memory_mib, told.output_mib)
        os.chdir(told.root)  # where its author runs it
        code = _locked(out, bounds, [told.root], hidden) or _answer(program, out, said)
    finally:
        # A fork must never return into the code it was forked from, whatever happened.
        _end(code)


def _close_all_but(kept: set[int]) -> None:
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor not in kept:
            with suppress(OSError):  # the listing's own is closed already
                os.close(descriptor)


def _locked(out: int, bounds: tuple[int, int, int], readable: Iterable[Path], hidden: Path | None) -> int:
    """Lock this process and say so; returns 0, or the exit code where it could not be locked."""
    from harness.sandbox.lock import Bounds, LockError, lock

    libraries = [
        _PACKAGE,
        Path(sys.prefix),
        Path(sysconfig.get_path("stdlib")),
        Path(sys.base_prefix) / "lib",
    ]
    try:
        lock(Bounds(*bounds), [*readable, *libraries, *map(Path, _LIBRARIES)], hidden)
    except (LockError, OSError) as error:
        _write(out, UNLOCKED + str(error).encode())
        return _NOT_LOCKED
    _write(out, LOCKED)
    return 0


def _answer(program: str, out: int, request: bytes) -> int:
    for block in import_module(program).answers(request):
        _write(out, len(block).to_bytes(8, "big"))
        _write(out, block)
    return 0


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _end(code: int) -> NoReturn:
    # Not sys.exit: what student code registered to run at the end does not run.
    try:
        sys.stdout.flush()
    finally:
        os._exit(code)


def _check_oneself(program: str, said: Path) -> int:
    out = os.open(said, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    return _answer(program, out, sys.stdin.buffer.read())


if __name__ == "__main__":
    _end(main())
