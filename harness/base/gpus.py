"""The GPUs of this machine, and the slices of those that are cut up (MIG), as `nvidia-smi` lists them."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

QUERY = (
    "--query-gpu=index,uuid,name,driver_version,memory.free,mig.mode.current",
    "--format=csv,noheader,nounits",
)
LISTING = ("-L",)
MIB_OF_A_GB = 870
"""Usable memory of a slice, for each GB that its name says: 1g.5gb has 4,864 MiB, 1g.12gb 11,008."""
_PATIENCE_S = 20
_CARD = re.compile(r"GPU \d+: .*\(UUID: (GPU-[^)]+)\)")
_SLICE = re.compile(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)")
_GB = re.compile(r"\.(\d+)gb")


@dataclass(frozen=True)
class Gpu:
    """A device that one process can be given alone: a card, or a slice of one."""

    id: str
    """What CUDA_VISIBLE_DEVICES takes."""
    index: str
    """The number of the card."""
    name: str
    driver: str = ""
    """Version of the driver; "" where it is not known."""
    free_mib: int | None = None
    """Memory that nobody uses; None where it is not known."""


def gpus() -> tuple[Gpu, ...]:
    """Return the devices that this process may use, in the order of CUDA_VISIBLE_DEVICES if that is set.

    Without `nvidia-smi` they are what the driver or CUDA_VISIBLE_DEVICES names, with nothing known of them.
    """
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    table = _nvidia_smi(*QUERY)
    if table:
        found = listed(table, _nvidia_smi(*LISTING))
        return found if said is None else visible(found, said)
    if said is None:
        cards = Path("/proc/driver/nvidia/gpus")
        said = ",".join(str(i) for i, _ in enumerate(cards.iterdir())) if cards.is_dir() else ""
    return tuple(Gpu(name, name, "GPU", driver()) for name in _named(said))


def driver() -> str:
    """Return the version of the driver, "" where there is none, or none that can be asked."""
    said = _nvidia_smi("--query-gpu=driver_version", "--format=csv,noheader")
    if said:
        return said.splitlines()[0].strip()
    try:
        found = re.search(
            r"Module\s+(?:for \S+\s+)?([\d.]+)", Path("/proc/driver/nvidia/version").read_text()
        )
    except OSError:
        return ""
    return found[1] if found else ""


def listed(table: str, listing: str) -> tuple[Gpu, ...]:
    """Read what `nvidia-smi` says to `QUERY` and `LISTING`; a card in MIG mode is its slices."""
    slices = _slices(listing)
    found: list[Gpu] = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 6:
            continue
        index, uuid, name, version, free, mig = cells
        if mig == "Enabled":
            found += (
                Gpu(slice_id, index, f"{name} MIG {profile}", version, _size_mib(profile))
                for profile, slice_id in slices.get(uuid, ())
            )
        else:
            found.append(Gpu(uuid, index, name, version, int(free) if free.isdigit() else None))
    return tuple(found)


def visible(found: Sequence[Gpu], said: str) -> tuple[Gpu, ...]:
    """Choose as CUDA does: by number or by the beginning of an id, up to the first that is not there."""
    chosen: list[Gpu] = []
    for name in _named(said):
        these = [
            gpu for gpu in found if name == gpu.index or (not name.isdigit() and gpu.id.startswith(name))
        ]
        if not these:
            break
        chosen += (gpu for gpu in these if gpu not in chosen)
    return tuple(chosen)


# Private functions


def _named(said: str) -> list[str]:
    names: list[str] = []
    for name in said.split(","):
        if not name.strip() or name.strip() == "-1":
            break
        names.append(name.strip())
    return names


def _slices(listing: str) -> dict[str, list[tuple[str, str]]]:
    """Return the profile and the id of every slice, by the id of its card."""
    found: dict[str, list[tuple[str, str]]] = {}
    card = ""
    for line in listing.splitlines():
        if head := _CARD.match(line):
            card = head[1]
        elif (part := _SLICE.match(line)) and card:
            found.setdefault(card, []).append((part[1], part[2]))
    return found


def _size_mib(profile: str) -> int | None:
    size = _GB.search(profile)
    return int(size[1]) * MIB_OF_A_GB if size else None


def _nvidia_smi(*arguments: str) -> str:
    """Return what `nvidia-smi` says; "" where it is missing, fails or does not end."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
