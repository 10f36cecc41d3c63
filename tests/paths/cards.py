"""A machine with two GPUs, one of them cut into slices, as `nvidia-smi` tells of it; and its processor."""

from pathlib import Path

import pytest

from harness.base import machine

H100, A100 = "GPU-950792bf-a01c-3f1a-e122-3473e67f54b2", "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
SMALL, LARGE = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"
TABLE = (
    f"0, {H100}, NVIDIA H100 80GB HBM3, 550.54.15, 80950, Disabled\n"
    f"1, {A100}, NVIDIA A100-SXM4-40GB, 550.54.15, [N/A], Enabled\n"
)
LISTING = (
    f"GPU 0: NVIDIA H100 80GB HBM3 (UUID: {H100})\n"
    f"GPU 1: NVIDIA A100-SXM4-40GB (UUID: {A100})\n"
    f"  MIG 3g.20gb     Device  0: (UUID: {LARGE})\n"
    f"  MIG 1g.5gb+me   Device  1: (UUID: {SMALL})\n"
)


def install_processor(folder: Path, monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    """Let the system say that its processors have these instructions."""
    file = folder / "cpuinfo"
    file.write_text(f"processor\t: 0\nmodel name\t: One of a test\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    monkeypatch.setattr(machine, "CPUINFO", file)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str | None = None) -> None:
    """Put an `nvidia-smi` first in the path, which tells of both cards or is another program."""
    answers = (
        f"case \"$1\" in -L) printf '%s' '{LISTING}';;\n"
        "--query-gpu=driver_version) printf '550.54.15\\n550.54.15\\n';;\n"
        f"--query-gpu=*) printf '%s' '{TABLE}';; esac\n"
    )
    script = folder / "nvidia-smi"
    script.write_text("#!/bin/sh\n" + (answers if program is None else program))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
