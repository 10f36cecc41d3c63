"""Checkpoints: written atomically at the end of an epoch, loaded as data, refused when they do not fit."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness.base.errors import UsageError
from harness.base.files import atomic_file
from harness.record.trainings import EpochLog
from harness.training.optimiser import Trained

FORMAT = "harness/checkpoint/1"
LAST = "last.pth"
BEST = "best.pth"


@dataclass(frozen=True)
class Identity:
    """The values that a training must share with a checkpoint to continue it byte for byte."""

    graph: str
    """SHA-256 of ``architecture.json``."""
    weights: str
    """SHA-256 of the initial weights."""
    data: str
    """SHA-256 of the images and labels."""
    mean_and_std: str
    recipe: str
    seed: int
    device: str


@dataclass(frozen=True)
class Progress:
    """The state of a training's progress; `confusion` is that of the last epoch, rows are true classes."""

    logs: tuple[EpochLog, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def epoch(self) -> int:
        """Number of completed epochs."""
        return len(self.logs)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the highest test accuracy, counted from 1."""
        return max(self.logs, key=lambda log: (log.test_acc, -log.epoch)).epoch


def save(
    folder: Path,
    trained: Trained,
    progress: Progress,
    identity: Identity,
    save_every: int,
    seal_key: str = "",
) -> None:
    """Write best.pth if this epoch is the best so far, a snapshot every `save_every` epochs, and last.pth.

    last.pth comes last: whatever a kill leaves undone is done again, alike, after resuming. With a key it is
    sealed, see `continued`.
    """
    weights = trained.model.state_dict()
    if progress.best_epoch == progress.epoch:
        log = progress.logs[-1]
        _write(folder / BEST, {"model": weights, "epoch": log.epoch, "test_acc": log.test_acc})
    content = {
        "format": FORMAT,
        "model": weights,
        "unnamed": _unnamed(trained.model),
        "optimizer": trained.optimizer.state_dict(),
        "schedule": trained.schedule.state_dict(),
        "epoch": progress.epoch,
        "logs": [log.model_dump() for log in progress.logs],
        "confusion": [list(row) for row in progress.confusion],
        "identity": asdict(identity),
    }
    if seal_key:
        content["seal"] = _seal(content, seal_key)
    if save_every and progress.epoch % save_every == 0:
        _write(folder / f"epoch_{progress.epoch:03d}.pth", content)
    _write(folder / LAST, content)


def clear(folder: Path) -> None:
    """Remove what trainings that were killed while they wrote a checkpoint have left in a folder."""
    for name in (LAST, BEST, "epoch_*.pth"):
        for leftover in folder.glob(f".{name}.*"):
            leftover.unlink()


def resume(path: Path, trained: Trained, identity: Identity) -> Progress:
    """Load a checkpoint written by `save` into `trained`, in place.

    Raises:
        UsageError: no such file, not such a checkpoint, or one of another training.
    """
    content = _read(path)
    _check_same_training(path, content["identity"], identity)
    return _loaded(content, trained)


def bound(seal_key: str, fingerprint: Mapping[str, str]) -> str:
    """Derive the key for what is computed under a fingerprint: under another one the bytes may be others."""
    if not seal_key:
        return ""
    said = json.dumps(dict(fingerprint), sort_keys=True).encode()
    return hmac.new(bytes.fromhex(seal_key), said, hashlib.sha256).hexdigest()


def continued(folder: Path, trained: Trained, identity: Identity, seal_key: str) -> Progress | None:
    """Go on from a folder's last.pth, if it is of this training and was written by whoever has the key.

    A results folder may be a stranger's: without the seal, weights that were trained elsewhere would count.
    None where there is no such checkpoint; `trained` is as it was then.
    """
    with suppress(UsageError):
        content = _read(folder / LAST)
        sealed = {key: value for key, value in content.items() if key != "seal"}
        given = str(content.get("seal"))
        if seal_key and hmac.compare_digest(given, _seal(sealed, seal_key)):
            _check_same_training(folder / LAST, content["identity"], identity)
            return _loaded(content, trained)
    return None


def trained_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a checkpoint written by `save`, by name.

    Raises:
        UsageError: as `resume`.
    """
    content = _read(path)
    return {**content["model"], **content["unnamed"]}


def weights_sha256(model: nn.Module) -> str:
    """Return the SHA-256 (hex) of the state dict, sorted by name: name, dtype, shape, bytes of each."""
    sha = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        sha.update(_bytes_of(tensor))
    return sha.hexdigest()


# Private functions


def _loaded(content: Mapping[str, Any], trained: Trained) -> Progress:
    """Load what a checkpoint holds into `trained`, in place."""
    trained.model.load_state_dict(content["model"], strict=True)
    for name, buffer in _unnamed(trained.model).items():
        buffer.copy_(content["unnamed"][name])
    trained.optimizer.load_state_dict(content["optimizer"])
    trained.schedule.load_state_dict(content["schedule"])
    return Progress(
        logs=tuple(EpochLog.model_validate(log) for log in content["logs"]),
        confusion=tuple(tuple(row) for row in content["confusion"]),
    )


def _seal(content: Mapping[str, Any], seal_key: str) -> str:
    """Return the HMAC-SHA256 (hex) of all that a checkpoint holds."""
    digest = hmac.new(bytes.fromhex(seal_key), digestmod=hashlib.sha256)
    for piece in _pieces(content):
        digest.update(len(piece).to_bytes(8, "big") + piece)
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """Yield plain data and tensors piece by piece, in their order."""
    if isinstance(value, torch.Tensor):
        yield f"{value.dtype} {list(value.shape)}".encode()
        yield _bytes_of(value)
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key, item in value.items():
            yield repr(key).encode()
            yield from _pieces(item)
    elif isinstance(value, (list, tuple)):
        yield f"sequence {len(value)}".encode()
        for item in value:
            yield from _pieces(item)
    else:
        yield repr(value).encode()


def _bytes_of(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()


def _unnamed(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors that the state dict leaves out; a graph may write to them all the same."""
    named = model.state_dict()
    return {name: buffer for name, buffer in model.named_buffers() if name not in named}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_file(path) as file:
        torch.save(content, file)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such file; expected a checkpoint such as {LAST}. Train without --resume."
        ) from None
    except Exception as error:  # noqa: BLE001 - bytes that are no checkpoint break the reader anywhere
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{path}: not a readable checkpoint ({reason}). Train without --resume.") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise UsageError(
            f"{path}: not a checkpoint to resume from; expected format {FORMAT}, got {found}. "
            f"Resume from {LAST} or a snapshot, not from {BEST}."
        )
    return dict(content)


def _check_same_training(path: Path, found: Mapping[str, Any], identity: Identity) -> None:
    words = {
        "graph": "of another model (graph)",
        "weights": "of another model (initial weights)",
        "data": "of other data",
        "mean_and_std": "normalised with other statistics",
        "recipe": "of another recipe",
        "seed": "of another seed",
        "device": "of another device",
    }
    for key, value in asdict(identity).items():
        if found.get(key) != value:
            raise UsageError(
                f"{path}: the checkpoint is {words[key]}; expected {value}, got {found.get(key)}. "
                "Resume with what the checkpoint was made with, or train without --resume."
            )
