"""Is this machine fit for reproducible grading? One check for each source of variability, with its fix.

PASS: nothing to do. CAUTION: grades are right, but slower, weaker contained or other bytes than elsewhere.
FAIL: nothing can be graded until it is mended.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from harness.assignment import REPOSITORY, AssignmentSpec
from harness.errors import HarnessError, SandboxError
from harness.intake.box import open_box
from harness.training import runner
from harness.training.jobs import DoctorEvent, DoctorJob

Level = Literal["PASS", "CAUTION", "FAIL"]

ENOUGH_MEMORY_MIB, LEAST_MEMORY_MIB = 6_144, 3_072
"""A graded run of the reference networks stays below the first; importing torch twice needs the second."""
ENOUGH_DISK_MIB = 1_024
_PINNED = ("torch", "torchvision", "albumentations", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class Check:
    """What one check found, and what to do about it if it did not pass."""

    name: str
    level: Level
    found: str
    fix: str = ""


def examine(assignment: AssignmentSpec, data: str | None) -> tuple[Check, ...]:
    """Look at everything a grade depends on besides the submission; `data` as in `harness grade`."""
    return (
        _versions(),
        _sandbox(),
        *_child(assignment, data),
        _processors(assignment.recipe.threads),
        _load(),
        _memory(),
        _disk(),
        _clock(),
    )


# Private functions


def _versions() -> Check:
    pins = dict(
        line.split("==", 1)
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    found = {name: version(name) for name in _PINNED}
    others = [f"{name} {found[name]} (pinned {pins[name]})" for name in _PINNED if found[name] != pins[name]]
    if others:
        return Check("versions", "CAUTION", f"other bytes than elsewhere: {', '.join(others)}", "make setup")
    return Check("versions", "PASS", ", ".join(f"{name} {found[name]}" for name in _PINNED))


def _sandbox() -> Check:
    try:
        with open_box() as box:
            backend = box.backend
    except SandboxError as error:
        return Check("sandbox", "FAIL", str(error), "Enable Landlock: lsm=landlock,... for the kernel.")
    if backend == "bwrap":
        return Check("sandbox", "PASS", "bwrap: locked, and in namespaces of its own")
    return Check("sandbox", "CAUTION", "lock: locked; sees that files exist", "apt-get install bubblewrap")


def _child(assignment: AssignmentSpec, data: str | None) -> tuple[Check, ...]:
    """Ask a training child what torch is and does there, and whether the data is the official one."""
    job = DoctorJob(threads=assignment.recipe.threads, data=data)
    try:
        found = runner.run(job, lambda _: None, assignment.limits.intake_s)
    except HarnessError as error:
        return (Check("torch", "FAIL", str(error), "make setup"),)
    assert isinstance(found, DoctorEvent)
    torch = found.fingerprint
    wrong = [name for name, ok in found.switches.items() if not ok]
    return (
        Check("torch", "PASS", f"{torch['torch']}, {torch['blas']}, {torch['cpu_kernels']} kernels"),
        Check("device", "PASS", f"{torch['device']}, {torch['cpu']}"),
        Check(
            "determinism",
            "FAIL" if wrong else "PASS",
            f"not set: {', '.join(wrong)}" if wrong else f"{len(found.switches)} switches are set",
            "Unset the environment variables that change torch, and run again." if wrong else "",
        ),
        _data(found),
    )


def _data(found: DoctorEvent) -> Check:
    if found.data_problem:
        return Check("data", "FAIL", found.data_problem, "Put the official CIFAR-10 batches in its place.")
    if not found.data:
        fix = "Set CIFAR10_ROOT or --data to the folder that holds cifar-10-batches-py."
        return Check("data", "CAUTION", "CIFAR-10 is not here; a grade will download it", fix)
    return Check("data", "PASS", f"{found.data}: every file has its official MD5")


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
    return _at_least("memory", free_mib, ENOUGH_MEMORY_MIB, LEAST_MEMORY_MIB, "Close other programs.")


def _disk() -> Check:
    about = os.statvfs(Path.cwd())
    free_mib = about.f_bavail * about.f_frsize // 2**20
    return _at_least("disk", free_mib, ENOUGH_DISK_MIB, ENOUGH_DISK_MIB // 8, "Make room in this folder.")


def _at_least(name: str, free_mib: int, enough: int, least: int, fix: str) -> Check:
    level: Level = "PASS" if free_mib >= enough else "CAUTION" if free_mib >= least else "FAIL"
    return Check(name, level, f"{free_mib:,} MiB free, {enough:,} are enough", "" if level == "PASS" else fix)


def _clock(now: Callable[[], float] = time.time) -> Check:
    newest = max(file.stat().st_mtime for file in Path(__file__).parent.glob("*.py"))
    if now() < newest:
        return Check("clock", "CAUTION", "it is before the harness was installed", "Set it: timedatectl")
    return Check("clock", "PASS", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now())))
