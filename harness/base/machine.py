"""The machine as it is now: processors, load, memory, disk, clock. It says nothing of what runs there."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["PASS", "CAUTION", "FAIL"]

ENOUGH_MEMORY_MIB, LEAST_MEMORY_MIB = 6_144, 3_072
"""A graded run of the reference networks stays below the first; importing torch twice needs the second."""
ENOUGH_DISK_MIB = 1_024
CPUINFO = Path("/proc/cpuinfo")
"""What the system says of its processors."""

FEATURES = (
    "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_bf16", "avx512_fp16",
    "avx512_vnni", "amx_tile", "amx_bf16", "asimd", "asimdhp", "bf16", "sve", "sve2",
)  # fmt: skip
"""Instructions by which a library chooses its kernels; more may be there, and do not matter."""

NATIVE_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instructions that multiply bfloat16; without them it takes 7 to 12 times as long as float32."""


@dataclass(frozen=True)
class Check:
    """The result of one check, and what to do about it if it did not pass.

    PASS: nothing to do. CAUTION: grades are right, but slower, weaker contained or other bytes than
    elsewhere. FAIL: nothing can be graded until it is mended.
    """

    name: str
    level: Level
    found: str
    fix: str = ""


def now(threads: int) -> tuple[Check, ...]:
    """Check what changes from hour to hour; a training will use `threads` processors."""
    return (_processors(threads), _load(), _memory(), _disk(), _clock())


def processor() -> str:
    """Return the processor's maker, family and model number, and the name it reports."""
    about = _cpuinfo()
    keys = ("vendor_id", "cpu family", "model", "model name")
    return " ".join(about[key] for key in keys if key in about) or platform.machine()


def cpu_features() -> set[str]:
    """Return which of `FEATURES` the processor has."""
    about = _cpuinfo()
    return set(FEATURES) & set((about.get("flags") or about.get("Features") or "").split())


def room(name: str, free_mib: int, enough: int, least: int, fix: str) -> Check:
    """Check that there is enough of something: short of `least` nothing can be graded."""
    level: Level = "PASS" if free_mib >= enough else "CAUTION" if free_mib >= least else "FAIL"
    return Check(name, level, f"{free_mib:,} MiB free, {enough:,} are enough", "" if level == "PASS" else fix)


def computes_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 by itself."""
    return not NATIVE_BFLOAT16.isdisjoint(cpu_features())


# Private functions


def _cpuinfo() -> dict[str, str]:
    try:
        first = CPUINFO.read_text().partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _processors(threads: int) -> Check:
    usable = len(os.sched_getaffinity(0))
    if usable < threads:
        fix = f"Grade on a machine with {threads} processors; the bytes are the same here."
        return Check("processors", "CAUTION", f"{usable} usable, {threads} threads", fix)
    return Check("processors", "PASS", f"{usable} usable, {threads} threads")


def _load() -> Check:
    busy, usable = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if busy > usable / 2:
        fix = "Wait for what else is running, or allow more time; the bytes are the same."
        return Check("load", "CAUTION", f"{busy:.1f} of {usable} processors busy", fix)
    return Check("load", "PASS", f"{busy:.1f} of {usable} processors busy")


def _memory() -> Check:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    free_mib = next(int(words[1]) for words in lines if words[0] == "MemAvailable:") // 1024
    return room("memory", free_mib, ENOUGH_MEMORY_MIB, LEAST_MEMORY_MIB, "Close other programs.")


def _disk() -> Check:
    about = os.statvfs(Path.cwd())
    free_mib = about.f_bavail * about.f_frsize // 2**20
    return room("disk", free_mib, ENOUGH_DISK_MIB, ENOUGH_DISK_MIB // 8, "Make room in this folder.")


def _clock() -> Check:
    newest = max(file.stat().st_mtime for file in Path(__file__).parents[1].rglob("*.py"))
    if time.time() < newest:
        return Check("clock", "CAUTION", "it is before the harness was installed", "Set it: timedatectl")
    return Check("clock", "PASS", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
