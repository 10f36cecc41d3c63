"""What decides the bytes of a training, besides its graph, weights, recipe, seed and data."""

import hashlib
import importlib.metadata
import platform
import re
from pathlib import Path

import torch

FEATURES = (
    "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_bf16", "avx512_fp16",
    "avx512_vnni", "amx_tile", "amx_bf16", "asimd", "asimdhp", "bf16", "sve", "sve2",
)  # fmt: skip
"""Instructions by which a library chooses its kernels; more may be there, and do not matter."""

_HARNESS = Path(__file__).resolve().parents[1]
_CODE = ("training/*.py", "datasets/*.py", "analysis/graph.py", "analysis/ops.py", "recipe.py", "seeds.py")
"""The files of this package that a training is made of."""
_LIBRARY = re.compile(r"- (.*(?:Math Kernel Library|MKL-DNN|OpenBLAS).*)")


def fingerprint(device: torch.device) -> dict[str, str]:
    """Describe this process, whose switches have been set: equal descriptions promise equal bytes.

    The keys are those of docs/reproducibility.md. What the GPU's driver is does not belong here: the
    kernels come with torch.
    """
    versions = {
        name: importlib.metadata.version(name)
        for name in ("harness", "numpy", "albumentations", "opencv-python-headless")
    }
    return {
        **versions,
        "training_code": code_sha256()[:16],
        "python": platform.python_version(),
        "torch": f"{torch.__version__} ({(torch.version.git_version or 'unknown')[:12]})",
        "blas": "; ".join(_LIBRARY.findall(torch.__config__.show())) or "none",
        "device": device.type if device.type == "cpu" else _gpu(device),
        "threads": str(torch.get_num_threads()),
        "cpu": processor(),
        "cpu_features": " ".join(sorted(features())),
        "cpu_kernels": torch.backends.cpu.get_cpu_capability(),
    }


def code_sha256() -> str:
    """SHA-256 (hex) over the files that a training is made of, by name."""
    sha = hashlib.sha256()
    for file in sorted(file for pattern in _CODE for file in _HARNESS.glob(pattern)):
        sha.update(f"{file.relative_to(_HARNESS).as_posix()}\0".encode())
        sha.update(hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()


def processor() -> str:
    """Name the processor: maker, family and model by number, and the name it gives itself."""
    about = _cpuinfo()
    keys = ("vendor_id", "cpu family", "model", "model name")
    return " ".join(about[key] for key in keys if key in about) or platform.machine()


def features() -> set[str]:
    """List which of `FEATURES` the processor has."""
    about = _cpuinfo()
    return set(FEATURES) & set((about.get("flags") or about.get("Features") or "").split())


# Private functions


def _cpuinfo() -> dict[str, str]:
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _gpu(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device)
    return f"{name}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"  # type: ignore[no-untyped-call]
