"""Weights from elsewhere: a checkpoint file that somebody else wrote, read as data and fitted to a network.

Nothing in the file is run: it is unpickled by torch's `weights_only` reader, which knows tensors and plain
containers only, after its size and what it unpacks to have been looked at, and with memory bounded.
"""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from harness.base.errors import UsageError
from harness.training.budget import bounded_memory

MAX_MIB = 512
"""Largest checkpoint that is read, as a file and unpacked: a network may have 200,000 parameters, 0.8 MiB."""
MEMORY_MIB = 4 * MAX_MIB
"""Memory that reading a checkpoint may take, besides what the process had before."""
KEYS = ("state_dict", "model_state_dict", "model", "model_state", "net", "network", "weights")
"""Where a dictionary usually keeps a state dict, in the order they are looked at."""
PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""
SHOWN = 3
"""Differences named in a message."""


def load_weights(path: Path, network: nn.Module) -> None:
    """Load a checkpoint's state dict into a network, in place; every name, shape and dtype must fit.

    `path` is a ``.safetensors`` file, or what `torch.save` writes: a state dict, or a dictionary that
    holds one under one of `KEYS`. Only batch-norm's counters, which eval never reads, may be missing.

    Raises:
        UsageError: no such file, too large, not a checkpoint, or one of another network.
    """
    found = _without_prefixes(path, state_dict_in(path))
    own = network.state_dict()
    differences = list(_differences(own, found))
    if differences:
        shown = "; ".join(differences[:SHOWN])
        more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise UsageError(
            f"{path}: the weights are of another network: {shown}{more}. "
            "Name the class and the constructor arguments they were trained with (--class, --ctor), "
            "or the variant (--variant)."
        )
    network.load_state_dict(own | found, strict=True)


def state_dict_in(path: Path) -> dict[str, torch.Tensor]:
    """Read the state dict of a checkpoint file.

    Raises:
        UsageError: no such file, too large, or nothing in it is a state dict.
    """
    _check_size(path)
    try:
        with bounded_memory(MEMORY_MIB):
            content = _content(path)
    except Exception as error:  # noqa: BLE001 - bytes that are no checkpoint break the reader anywhere
        reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise UsageError(
            f"{path}: not a readable checkpoint ({reason}); expected a state dict, or a dictionary "
            "that holds one. Save it with torch.save(model.state_dict(), path): a whole model cannot be "
            "read, for reading one would run its code."
        ) from None
    if _is_state_dict(content):
        return dict(content)
    if isinstance(content, dict):
        for key in KEYS:
            if _is_state_dict(content.get(key)):
                return dict(content[key])
    got = f"a dictionary with {_named(content)}" if isinstance(content, dict) else type(content).__name__
    raise UsageError(
        f"{path}: no state dict; expected tensors by name, at the top or under one of {', '.join(KEYS)}, "
        f"got {got}. Save it with torch.save(model.state_dict(), path)."
    )


# Private functions


def _check_size(path: Path) -> None:
    try:
        # A device or a pipe never ends.
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: not a file; expected a checkpoint. Give the path of one.")
        size = path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = max(size, sum(entry.file_size for entry in archive.infolist()))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; expected a checkpoint. Give the path of one.") from None
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UsageError(
            f"{path}: not a readable checkpoint ({error}). Give the path of another one."
        ) from None
    if size > MAX_MIB * 2**20:
        raise UsageError(
            f"{path}: too large; expected at most {MAX_MIB} MiB, unpacked, got {size / 2**20:,.0f}. "
            "Save the state dict alone: torch.save(model.state_dict(), path)."
        )


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _is_state_dict(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and len(content) > 0
        and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in content.items())
    )


def _named(content: Mapping[Any, Any]) -> str:
    names = ", ".join(str(key)[:60] for key in list(content)[:8])
    return f"the keys {names}" if names else "nothing in it"


def _without_prefixes(path: Path, found: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    bare = {_bare(name): tensor for name, tensor in found.items()}
    if len(bare) < len(found):
        raise UsageError(
            f"{path}: two tensors have the same name without {' and '.join(PREFIXES)}; "
            "expected one of each. Save the state dict of one model."
        )
    return bare


def _bare(name: str) -> str:
    while (prefix := next((p for p in PREFIXES if name.startswith(p)), None)) is not None:
        name = name.removeprefix(prefix)
    return name


def _differences(own: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> Iterator[str]:
    """Return what does not fit: first what is there and wrong, then what is missing, then too much."""
    for name, tensor in own.items():
        if name in found and (expected := _kind(tensor)) != (got := _kind(found[name])):
            yield f"{name[:120]}: expected {expected}, got {got}"
    for name in own:
        if name not in found and not name.endswith("num_batches_tracked"):
            yield f"{name[:120]} is missing"
    for name in found:
        if name not in own:
            yield f"{name[:120]} is not in the network"


def _kind(tensor: torch.Tensor) -> str:
    layout = "" if tensor.layout == torch.strided and not tensor.is_meta else f" ({tensor.layout})"
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}{layout}"
