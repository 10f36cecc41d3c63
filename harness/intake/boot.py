"""The intake child: warm up, lock, and only then let student code run.

Started by `harness.intake.sandbox` as ``python -m harness.intake.boot DESCRIPTOR`` with a `Request` on
standard input. What it has to say goes to DESCRIPTOR: the line ``LOCKED`` (or ``UNLOCKED`` and why), then for
every variant three blocks, each an 8-byte length and as many bytes: the answer, ``architecture.json``,
``initial.safetensors``; the last two are empty where the variant could not be exported.
"""

import os
import sys
import sysconfig
from pathlib import Path

import torch
from torch import nn

import harness
from harness.intake import tracer
from harness.intake.exchange import LOCKED, UNLOCKED, Request
from harness.intake.lock import Bounds, LockError, lock

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo")


class _Warm(nn.Module):
    """Touches what an export imports as it goes along."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(nn.functional.dropout(self.norm(self.conv(x)), 0.1).mean((2, 3)))
        return logits


def main() -> int:
    """Answer the request; returns the exit code, 3 where the process could not be locked."""
    out = int(sys.argv[1])
    request = Request.model_validate_json(sys.stdin.buffer.read())
    torch.set_num_threads(1)
    tracer.exported("Warm", _Warm(), request)
    # The repository holds the assignment; the package alone is needed from here on.
    sys.path[:] = [entry for entry in sys.path if entry and Path(entry) != Path(harness.__path__[0]).parent]
    try:
        lock(Bounds(request.cpu_s, request.memory_mib, request.output_mib), _readable(request))
    except (LockError, OSError) as error:
        _write(out, UNLOCKED + str(error).encode())
        return 3
    _write(out, LOCKED)
    for wanted in request.variants.values():
        for block in tracer.answer(request, wanted):
            _write(out, len(block).to_bytes(8, "big"))
            _write(out, block)
    return 0


def _readable(request: Request) -> list[Path]:
    paths = [request.root, Path(harness.__path__[0]), Path(sys.prefix), Path(sysconfig.get_path("stdlib"))]
    return [*paths, Path(sys.base_prefix) / "lib", *map(Path, _LIBRARIES)]


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    # Not sys.exit: what student code registered to run at the end does not run.
    code = main()
    sys.stdout.flush()
    os._exit(code)
