"""The fingerprint: what decides the bytes of a training besides its graph, weights, recipe, seed and data."""

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.base.gpus import driver
from harness.base.installation import versions
from harness.base.machine import cpu_features, processor

HARNESS = Path(__file__).resolve().parents[1]
_CODE = (
    "training/**/*.py",
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

    The keys are those of docs/reproducibility.md; those that begin with ``gpu`` are there on CUDA alone.
    """
    card = None if device.type == "cpu" else _card(device)
    return {
        **versions(("harness", "numpy", "albumentations", "opencv-python-headless")),
        "training_code": code_sha256()[:16],
        "python": platform.python_version(),
        "torch": f"{torch.__version__} ({(torch.version.git_version or 'unknown')[:12]})",
        "blas": "; ".join(_LIBRARY.findall(torch.__config__.show())) or "none",
        "device": "cpu" if card is None else card.name,
        "threads": str(torch.get_num_threads()),
        "cpu": processor(),
        "cpu_features": " ".join(sorted(cpu_features())),
        "cpu_kernels": torch.backends.cpu.get_cpu_capability(),
        **({} if card is None else described(card)),
    }


@dataclass(frozen=True)
class Card:
    """The properties that a GPU, its driver and the libraries for it report."""

    name: str
    """Of a slice of a card it ends in MIG and the slice's profile."""
    capability: tuple[int, int]
    multiprocessors: int
    threads_each: int
    """Most threads that run on one multiprocessor at the same time."""
    driver: str
    cuda: str
    cudnn: str
    cublas_workspace: str


def described(card: Card) -> dict[str, str]:
    """Return what decides the bytes on a GPU besides its name, which is ``device``.

    cuBLAS and cuDNN choose kernels, and reductions their splits, by the number of multiprocessors and of the
    threads on each; a slice of a card has fewer of them. The driver compiles what comes without a binary.
    """
    profile = card.name.partition(" MIG ")[2]
    return {
        "gpu_capability": ".".join(map(str, card.capability)),
        "gpu_multiprocessors": str(card.multiprocessors),
        "gpu_threads_each": str(card.threads_each),
        "gpu_slice": profile or "the whole card",
        "gpu_driver": card.driver or "unknown",
        "gpu_cuda": card.cuda,
        "gpu_cudnn": card.cudnn,
        "gpu_cublas_workspace": card.cublas_workspace or "not set",
    }


def code_sha256(package: Path = HARNESS) -> str:
    """Return the SHA-256 (hex) over the files of a package that a training is made of, by name."""
    sha = hashlib.sha256()
    for file in sorted(file for pattern in _CODE for file in package.glob(pattern)):
        sha.update(f"{file.relative_to(package).as_posix()}\0".encode())
        sha.update(hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()


# Private functions


def _card(device: torch.device) -> Card:
    found = torch.cuda.get_device_properties(device)
    return Card(
        name=found.name,
        capability=(found.major, found.minor),
        multiprocessors=found.multi_processor_count,
        threads_each=found.max_threads_per_multi_processor,
        driver=driver(),
        cuda=str(torch.version.cuda),
        cudnn=str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        cublas_workspace=os.environ.get("CUBLAS_WORKSPACE_CONFIG", ""),
    )
