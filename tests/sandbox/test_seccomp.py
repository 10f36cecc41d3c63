"""The filter on paper: what it answers to system calls of either architecture, by a small interpreter."""

import errno
import os
import signal
import struct

import pytest

from harness.sandbox.seccomp import ARCHITECTURES, Architecture, filter_program

PID = 4711
ALLOWED, KILLED, REFUSED, MISSING = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
CLONE = {"x86_64": 56, "aarch64": 220}
SOCKET = {"x86_64": 41, "aarch64": 198}
EXECVE = {"x86_64": 59, "aarch64": 221}


def answer(known: Architecture, number: int, *arguments: int, audit: int | None = None) -> int:
    """Run the filter on struct seccomp_data {int nr; u32 arch; u64 ip; u64 args[6]}."""
    program = list(struct.iter_unpack("HBBI", filter_program(known, PID)))
    given = struct.pack("iIQ6Q", number, audit or known.audit, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    at, loaded = 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("I", given, value)
            case 0x54:
                loaded &= value
            case 0x15:
                at += if_true if loaded == value else if_false
            case 0x06:
                return value
            case _:
                raise AssertionError(code)


@pytest.fixture(params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_computation_may_read_write_and_take_memory(machine: str) -> None:
    known = ARCHITECTURES[machine]
    narrowed = ("kill", "tgkill", "prlimit64", "ioctl", "fcntl", "open", "openat")
    assert {answer(known, number) for name, number in known.allowed.items() if name not in narrowed} == {
        ALLOWED
    }


def test_every_other_call_is_refused_and_clone3_seems_not_to_be_there(machine: str) -> None:
    known = ARCHITECTURES[machine]
    for number in set(range(600)) - set(known.allowed.values()) - {known.clone3}:
        assert answer(known, number) == REFUSED
    for table in (CLONE, SOCKET, EXECVE):
        assert answer(known, table[machine]) == REFUSED
    assert answer(known, known.clone3) == MISSING


def test_a_call_by_the_rules_of_another_architecture_ends_the_process(machine: str) -> None:
    known = ARCHITECTURES[machine]
    assert answer(known, known.allowed["read"], audit=0x40000003) == KILLED
    # The x32 calls of x86-64 are its own numbers with one bit more.
    assert answer(known, known.allowed["read"] | 0x40000000) == REFUSED


@pytest.mark.parametrize(
    ("name", "arguments", "verdict"),
    [
        ("kill", (PID, signal.SIGABRT), ALLOWED),
        ("kill", (PID, signal.SIGKILL), REFUSED),
        ("kill", (1, signal.SIGABRT), REFUSED),
        ("tgkill", (PID, PID, signal.SIGABRT), ALLOWED),
        ("tgkill", (PID + 1, PID, signal.SIGABRT), REFUSED),
        ("prlimit64", (0, 7, 0, 1), ALLOWED),
        ("prlimit64", (0, 7, 1, 0), REFUSED),
        ("prlimit64", (1, 7, 0, 1), REFUSED),
        ("ioctl", (1, 0x5401), ALLOWED),
        ("ioctl", (1, 0x5412), REFUSED),
        ("fcntl", (1, 3), ALLOWED),
        ("fcntl", (1, 4), REFUSED),
        ("openat", (3, 0, os.O_RDONLY | os.O_CLOEXEC), ALLOWED),
        ("openat", (3, 0, os.O_RDONLY | os.O_TRUNC), REFUSED),
        ("openat", (3, 0, os.O_ACCMODE), REFUSED),
    ],
)
def test_some_calls_are_allowed_with_certain_arguments_only(
    machine: str, name: str, arguments: tuple[int, ...], verdict: int
) -> None:
    known = ARCHITECTURES[machine]
    assert answer(known, known.allowed[name], *arguments) == verdict
