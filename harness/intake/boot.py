"""The intake process: warm up once, then fork a child for every submission, which locks itself and runs it.

Started by `harness.intake.box` as ``python -m harness.intake.boot SOCKET [HIDDEN]``. It answers on SOCKET
with ``READY``, or with ``UNFIT`` and why no process can be locked here. Then, for every submission, it is
sent ``RUN`` with three descriptors: the `Request` to read, the pipe for what the child has to say, and the
file for what it prints. It forks, and answers ``ENDED``, the child's wait status and its processor seconds;
``KILL`` ends the child before its time. Nothing of a submission reaches this process: the child reads the
request, after the fork.

What the child says: the line ``LOCKED`` (or ``UNLOCKED`` and why), then for every variant three blocks, each
an 8-byte length and as many bytes: the answer, ``architecture.json``, ``initial.safetensors``; the last two
are empty where the variant could not be exported.

As ``python -m harness.intake.boot --self-check FILE`` it runs the submission on its standard input without a
lock, for students who check their own code, and says the same to FILE.
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
from pathlib import Path
from typing import NoReturn

import harness
from harness.intake.exchange import ENDED, KILL, LOCKED, READY, SELF_CHECK, UNFIT, UNLOCKED, Request

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo")
_PACKAGE = Path(harness.__path__[0])
_NOT_LOCKED = 3


def main() -> int:
    """Serve until the socket is closed; returns the exit code, 3 where no process can be locked."""
    if sys.argv[1] == SELF_CHECK:
        return _check_oneself(Path(sys.argv[2]))
    # A checkout holds the assignment; the package alone is needed from here on.
    checkout = {str(_PACKAGE.parent)} - set(site.getsitepackages())
    sys.path[:] = [entry for entry in sys.path if entry and entry not in checkout]
    hidden = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with socket.socket(fileno=int(sys.argv[1])) as control:
        # Before torch is imported: where no process can be locked, that is known at once.
        if why := _trial(hidden):
            control.send(UNFIT + why.encode()[:4096])
            return _NOT_LOCKED
        _warm_up()
        gc.freeze()
        control.send(READY)
        while descriptors := _next(control):
            _serve(control, descriptors, hidden)
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
    return "" if said == LOCKED.decode() else said.removeprefix(UNLOCKED.decode()) or "no word from it"


def _warm_up() -> None:
    """Import torch and load all that an export loads as it goes along."""
    import torch

    from harness.intake import tracer

    torch.set_num_threads(1)
    tracer.warm_up()


def _next(control: socket.socket) -> list[int]:
    """Wait for the next submission's descriptors; none when the parent is gone."""
    message = KILL
    descriptors: list[int] = []
    while message == KILL:  # it came when the child had ended by itself
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 16, 3)
        except ConnectionError:
            return []
    return descriptors


def _serve(control: socket.socket, descriptors: list[int], hidden: Path | None) -> None:
    child = os.fork()
    if child == 0:
        _run(descriptors, hidden)
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


# The child of one submission


def _run(descriptors: list[int], hidden: Path | None) -> NoReturn:
    code = _NOT_LOCKED
    try:
        gc.set_threshold(100_000)  # an export makes much that stays, and a collection looks at all of it
        request, out, printed = descriptors
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        with os.fdopen(request, "rb") as file:
            told = Request.model_validate_json(file.read())
        _close_all_but({0, 1, 2, out})
        bounds = (told.cpu_s, told.memory_mib, told.output_mib)
        os.chdir(told.root)  # where its author runs it
        code = _locked(out, bounds, [told.root], hidden) or _answer(out, told)
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
    from harness.intake.lock import Bounds, LockError, lock

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


def _answer(out: int, request: Request) -> int:
    from harness.intake import tracer

    for wanted in request.variants.values():
        for block in tracer.answer(request, wanted):
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


def _check_oneself(said: Path) -> int:
    import torch

    torch.set_num_threads(1)
    request = Request.model_validate_json(sys.stdin.buffer.read())
    out = os.open(said, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    return _answer(out, request)


if __name__ == "__main__":
    _end(main())
