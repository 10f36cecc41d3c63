"""Every torch switch that decides whether two runs give the same bytes, in one place."""

import os

import torch

from harness.base.errors import UsageError


def make_deterministic(threads: int) -> None:
    """Set torch up so that equal inputs give equal bytes; call it before the first CUDA operation.

    `threads` is the number of CPU threads: sums are split over them, so it is part of the fingerprint.
    Random streams are not seeded here; see `harness.base.seeds`.
    """
    # cuBLAS reuses workspaces across streams in any order unless it is given fixed ones.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    # Floating-point sums depend on how they are split, hence on the number of threads.
    torch.set_num_threads(threads)
    # An operator without a deterministic kernel raises; it never runs silently.
    torch.set_deterministic_debug_mode("error")  # as use_deterministic_algorithms, without importing inductor
    # Filling all new memory with NaN, which comes with the switch above, takes a sixth of a step on a CPU.
    # No operator in use reads memory it has not written; a test with the filling on holds them to it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # cuDNN may otherwise pick kernels that add with atomics.
    torch.backends.cudnn.deterministic = True
    # Timing several kernels and keeping the fastest chooses differently from run to run.
    torch.backends.cudnn.benchmark = False
    # TF32 drops mantissa bits on some GPUs only; float32 means float32 everywhere.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def switches(threads: int) -> dict[str, bool]:
    """Return of every switch whether it is as `make_deterministic` sets it."""
    return {
        "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG") == ":4096:8",
        "threads": torch.get_num_threads() == threads,
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "cuDNN deterministic": torch.backends.cudnn.deterministic,
        "cuDNN benchmark off": not torch.backends.cudnn.benchmark,
        "cuDNN TF32 off": not torch.backends.cudnn.allow_tf32,
        "matmul TF32 off": not torch.backends.cuda.matmul.allow_tf32,
    }


def device_of(wanted: str) -> torch.device:
    """Choose the device: ``cpu``, ``cuda``, or ``auto`` for CUDA where there is one.

    Raises:
        UsageError: CUDA is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise UsageError(
            "--device: no CUDA device; expected one that torch can use, got none. Use --device cpu or auto."
        )
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")
