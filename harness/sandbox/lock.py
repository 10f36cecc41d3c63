"""Lock the process it is called in: from then on it can compute, read its libraries and its input, and write
to the descriptors it has. Nothing else, and there is no way back.

Four layers of the Linux kernel, each of which stops what the others let through: resource limits, Landlock
(files, TCP, signals), another user without capabilities, and a seccomp filter that knows only the system
calls of a computation: no process, no thread, no program, no socket. See docs/security.md.
"""

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.sandbox.canaries import escapes
from harness.sandbox.seccomp import ARCHITECTURES, filter_program

NOBODY = 65_534
CAP_DAC_READ_SEARCH = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


class LockError(Exception):
    """The process could not be locked; it must not run anything that is not trusted."""


@dataclass(frozen=True)
class Bounds:
    """The limits of the locked process; `memory_mib` is counted from what it has mapped already."""

    cpu_s: int
    memory_mib: int
    file_mib: int


def lock(bounds: Bounds, readable: Iterable[Path], hidden: Path | None = None) -> None:
    """Lock this process and check that it is locked; below `readable` it can still read.

    The check asks the kernel first, and then tries in earnest (`harness.sandbox.canaries`); `hidden` is a
    path that must not even be seen to exist, where something around the lock promises that.

    As root it becomes user `NOBODY`. A library folder that this user could not reach (Python in root's
    home) stays readable by the one capability for it; what can be read at all is Landlock's decision.

    Raises:
        LockError: this kernel cannot, a step failed, or the check found a hole.
    """
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise LockError("the process has more than one thread; expected one before it is locked")
    readable = [path for path in readable if path.exists()]
    parent = os.getppid()
    status = os.open("/proc/self/status", os.O_RDONLY)
    _limit(bounds)
    rules = _landlock_rules(readable)
    kept = _become_nobody(readable) if os.geteuid() == 0 else 0
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    # After the change of user, which would clear it.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise LockError("the parent is gone")
    _system("landlock_restrict_self", _LANDLOCK_RESTRICT_SELF, rules, 0)
    os.close(rules)
    _filter_system_calls()
    _check(status, kept)
    os.close(status)
    if holes := escapes(hidden):
        raise LockError(f"a locked process could {', '.join(holes)}")


# Resource limits


def _limit(bounds: Bounds) -> None:
    # Relative to what torch has already mapped: its address space differs from build to build.
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    budget = mapped + bounds.memory_mib * 2**20
    limits = {
        resource.RLIMIT_AS: budget,
        resource.RLIMIT_CPU: bounds.cpu_s,
        resource.RLIMIT_FSIZE: bounds.file_mib * 2**20,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_MEMLOCK: 0,
    }
    for which, value in limits.items():
        hard = resource.getrlimit(which)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # Processor time ends with a signal that says so; who ignores it has one second more.
        most = least + 1 if which == resource.RLIMIT_CPU and least != hard else least
        resource.setrlimit(which, (least, most))


# Another user, without capabilities

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS = 1, 4, 8
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_LAST_CAPABILITY = 63


def _become_nobody(readable: Sequence[Path]) -> int:
    """Drop root; returns the capabilities that are kept, as a bit set."""
    kept = 0 if all(_reachable_by_all(path) for path in readable) else 1 << CAP_DAC_READ_SEARCH
    for capability in range(_LAST_CAPABILITY + 1):
        # Unknown to this kernel: EINVAL. What is kept needs no place in the bounding set, which is for exec.
        _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # struct __user_cap_header_struct {u32 version; int pid}; twice {u32 effective, permitted, inheritable}.
    header = struct.pack("Ii", 0x20080522, 0)
    data = struct.pack("6I", kept, kept, 0, 0, 0, 0)
    if _LIBC.capset(header, data) != 0:
        raise LockError(f"capset: {_reason()}")
    return kept


def _reachable_by_all(path: Path) -> bool:
    """Return whether any user may enter every folder up to `path`, links followed, and read it."""
    real = path.resolve()
    need = 0o5 if real.is_dir() else 0o4
    return real.stat().st_mode & need == need and all(p.stat().st_mode & 0o1 for p in real.parents)


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise LockError(f"prctl {option}: {_reason()}")


# Landlock: <linux/landlock.h>; the numbers of its system calls are the same on every architecture

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_RULE_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many kinds of access each version of Landlock can forbid, in bits from 0."""
_ALL_NETWORK = 0b11
_ALL_SCOPES = 0b11
_LEAST_ABI = 1
DEVICES = (Path("/dev/null"), Path("/dev/zero"), Path("/dev/urandom"))


def _landlock_rules(readable: Sequence[Path]) -> int:
    """Make a rule set that forbids all it knows but to read below `readable`; returns its descriptor."""
    abi = _LIBC.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1)
    if abi < _LEAST_ABI:
        raise LockError(f"Landlock is not there ({_reason()}); it came with Linux 5.13")
    handled = (1 << next(bits for since, bits in reversed(_FILE_RIGHTS.items()) if abi >= since)) - 1
    # struct landlock_ruleset_attr {u64 handled_access_fs, handled_access_net (ABI 4), scoped (ABI 6)}.
    fields = [handled, *([_ALL_NETWORK] if abi >= 4 else []), *([_ALL_SCOPES] if abi >= 6 else [])]
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    rules = _system("landlock_create_ruleset", _LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    for path in readable:
        _allow(rules, path, _READ_FILE | _READ_DIR if path.is_dir() else _READ_FILE)
    for device in DEVICES:
        _allow(rules, device, _READ_FILE | (_WRITE_FILE if device.name == "null" else 0))
    return rules


def _allow(rules: int, path: Path, access: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    # struct landlock_path_beneath_attr {u64 allowed_access; s32 parent_fd}, packed.
    rule = struct.pack("=Qi", access, descriptor)
    _system("landlock_add_rule", _LANDLOCK_ADD_RULE, rules, _LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    os.close(descriptor)


def _system(name: str, number: int, *arguments: object) -> int:
    result: int = _LIBC.syscall(number, *arguments)
    if result < 0:
        raise LockError(f"{name}: {_reason()}")
    return result


def _reason() -> str:
    return os.strerror(ctypes.get_errno())


# seccomp

_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1


def _filter_system_calls() -> None:
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        raise LockError(f"no table of system calls for {machine}; expected {' or '.join(ARCHITECTURES)}")
    known = ARCHITECTURES[machine]
    program = filter_program(known, os.getpid())
    # struct sock_fprog {u16 len; struct sock_filter *filter}.
    instructions = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    _system("seccomp", known.seccomp, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, fprog)


# The check


def _check(status: int, kept: int) -> None:
    """Check with the kernel that the process is locked."""
    text = os.pread(status, 1 << 16, 0).decode()
    said = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    requested = {"NoNewPrivs": "1", "Seccomp": "2", "Threads": "1"}
    for name, value in requested.items():
        if said.get(name, "").strip() != value:
            raise LockError(f"{name} is {said.get(name, 'unknown').strip()}; expected {value}")
    if "0" in said["Uid"].split():
        raise LockError("the process still is root")
    for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        if int(said[name], 16) & ~kept:
            raise LockError(f"{name} is {said[name].strip()}; expected no capability but {kept:x}")
