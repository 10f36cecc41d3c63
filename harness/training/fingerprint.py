"""What decides the bytes of a training, besides its graph, weights, recipe, seed and data."""

import hashlib
import platform
import re
from pathlib import Path

import torch

from harness.base.installation import versions
from harness.base.machine import cpu_features, processor

_HARNESS = Path(__file__).resolve().parents[1]
_CODE = (
    "training/*.py",
    "datasets/*.py",
    "graph/ir.py",
    "graph/operators.py",
    "settings/recipe.py",
    "base/seeds.py",
)
"""The files of this package that a training is made of."""
_LIBRARY = re.compile(r"- (.*(?:Math Kernel Library|MKL-DNN|OpenBLAS).*)")


def fingerprint(device: torch.device) -> dict[str, str]:
    """Describe this process, whose switches have been set: equal descriptions promise equal bytes.

    The keys are those of docs/reproducibility.md. What the GPU's driver is does not belong here: the
    kernels come with torch.
    """
    return {
        **versions(("harness", "numpy", "albumentations", "opencv-python-headless")),
        "training_code": code_sha256()[:16],
        "python": platform.python_version(),
        "torch": f"{torch.__version__} ({(torch.version.git_version or 'unknown')[:12]})",
        "blas": "; ".join(_LIBRARY.findall(torch.__config__.show())) or "none",
        "device": device.type if device.type == "cpu" else _gpu(device),
        "threads": str(torch.get_num_threads()),
        "cpu": processor(),
        "cpu_features": " ".join(sorted(cpu_features())),
        "cpu_kernels": torch.backends.cpu.get_cpu_capability(),
    }


def code_sha256() -> str:
    """SHA-256 (hex) over the files that a training is made of, by name."""
    sha = hashlib.sha256()
    for file in sorted(file for pattern in _CODE for file in _HARNESS.glob(pattern)):
        sha.update(f"{file.relative_to(_HARNESS).as_posix()}\0".encode())
        sha.update(hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()


# Private functions


def _gpu(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device)
    return f"{name}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"  # type: ignore[no-untyped-call]
