"""The system calls of a computation, and the seccomp filter that refuses every other: <linux/filter.h>.

Data and an assembler; the filter takes effect in `harness.sandbox.lock`.
"""

import errno
import os
import signal
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _AND, _JUMP_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16


@dataclass(frozen=True)
class Architecture:
    """Numbers of the system calls that a computation needs."""

    audit: int
    seccomp: int
    clone3: int
    allowed: Mapping[str, int]


_X86_64 = Architecture(
    audit=0xC000003E,
    seccomp=317,
    clone3=435,
    allowed={
        "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8,
        "mmap": 9,
        "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
        "ioctl": 16, "pread64": 17, "readv": 19, "writev": 20, "access": 21, "sched_yield": 24, "mremap": 25,
        "madvise": 28, "dup": 32, "nanosleep": 35, "getpid": 39, "exit": 60, "kill": 62, "uname": 63,
        "fcntl": 72, "getdents": 78, "getcwd": 79, "readlink": 89, "gettimeofday": 96, "getrlimit": 97,
        "getrusage": 98, "sysinfo": 99, "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107,
        "getegid": 108, "getppid": 110, "sigaltstack": 131, "gettid": 186, "futex": 202,
        "sched_getaffinity": 204, "getdents64": 217, "fadvise64": 221, "clock_gettime": 228,
        "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "tgkill": 234, "openat": 257,
        "newfstatat": 262, "readlinkat": 267, "faccessat": 269, "set_robust_list": 273, "prlimit64": 302,
        "getrandom": 318, "statx": 332, "rseq": 334, "faccessat2": 439,
    },
)  # fmt: skip
_AARCH64 = Architecture(
    audit=0xC00000B7,
    seccomp=277,
    clone3=435,
    allowed={
        "getcwd": 17, "dup": 23, "fcntl": 25, "ioctl": 29, "faccessat": 48, "openat": 56, "close": 57,
        "getdents64": 61, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67,
        "readlinkat": 78, "newfstatat": 79, "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98,
        "set_robust_list": 99, "nanosleep": 101, "clock_gettime": 113, "clock_getres": 114,
        "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124, "kill": 129, "tgkill": 131,
        "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "times": 153,
        "uname": 160, "getrlimit": 163, "getrusage": 165, "gettimeofday": 169, "getpid": 172, "getppid": 173,
        "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177, "gettid": 178, "sysinfo": 179,
        "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222, "fadvise64": 223, "mprotect": 226,
        "madvise": 233, "prlimit64": 261, "getrandom": 278, "statx": 291, "rseq": 293, "faccessat2": 439,
    },
)  # fmt: skip
ARCHITECTURES = {"x86_64": _X86_64, "aarch64": _AARCH64}
"""By the names that uname gives to machines."""
_ALL_BITS = 0xFFFFFFFF
_OWN_SIGNALS = [signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL]
"""What abort() and faulthandler send to their own process. SIGKILL would look like a lack of memory."""
_OPEN_BITS = os.O_ACCMODE | os.O_TRUNC
_OPEN_MODES = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_TRUNC]
_TCGETS = 0x5401
_F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC = 1, 2, 3, 1030


def filter_program(known: Architecture, pid: int) -> bytes:
    """Assemble the filter: allowed calls, some with certain arguments only; every other is EPERM."""
    # Name: which arguments, the bits of each that are looked at, and the values these may have.
    narrowed: Mapping[str, Sequence[tuple[int, int, Sequence[int]]]] = {
        "kill": [(0, _ALL_BITS, [pid]), (1, _ALL_BITS, _OWN_SIGNALS)],
        "tgkill": [(0, _ALL_BITS, [pid]), (2, _ALL_BITS, _OWN_SIGNALS)],
        "prlimit64": [(0, _ALL_BITS, [0]), (2, _ALL_BITS, [0])],  # its own limits, to read them
        "ioctl": [(1, _ALL_BITS, [_TCGETS])],  # isatty
        "fcntl": [(1, _ALL_BITS, [_F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC])],
        # Before Linux 6.2 Landlock asked for no right to truncate, nor for the access mode 3.
        "open": [(1, _OPEN_BITS, _OPEN_MODES)],
        "openat": [(2, _OPEN_BITS, _OPEN_MODES)],
    }
    program = [
        _instruction(_LOAD, _OFFSET_ARCHITECTURE),
        _instruction(_JUMP_EQUAL, known.audit, 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _OFFSET_NUMBER),
    ]
    for name, number in known.allowed.items():
        verdict = [
            instruction
            for argument, bits, values in narrowed.get(name, [])
            for instruction in _must_be_one_of(argument, bits, values)
        ]
        verdict.append(_instruction(_RETURN, _ALLOW))
        program += [_instruction(_JUMP_EQUAL, number, 0, len(verdict)), *verdict]
    # So that the C library falls back to clone, which is refused.
    program += [
        _instruction(_JUMP_EQUAL, known.clone3, 0, 1),
        _instruction(_RETURN, _ERRNO | errno.ENOSYS),
        _instruction(_RETURN, _ERRNO | errno.EPERM),
    ]
    return b"".join(program)


def _must_be_one_of(argument: int, bits: int, values: Sequence[int]) -> list[bytes]:
    """Refuse the call unless these bits of the argument's lower half have one of the values."""
    checks = [
        _instruction(_JUMP_EQUAL, value, len(values) - position, 0) for position, value in enumerate(values)
    ]
    return [
        _instruction(_LOAD, _OFFSET_ARGUMENTS + 8 * argument),
        _instruction(_AND, bits),
        *checks,
        _instruction(_RETURN, _ERRNO | errno.EPERM),
    ]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    # struct sock_filter {u16 code; u8 jt, jf; u32 k}.
    return struct.pack("HBBI", code, if_true, if_false, value & 0xFFFFFFFF)
