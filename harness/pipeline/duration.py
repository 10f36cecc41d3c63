"""The seconds of a training on this machine, worked out from its graph before it begins."""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.assignment.spec import AssignmentSpec
from harness.base.errors import TrainingError
from harness.base.files import write_text
from harness.base.gpus import gpus
from harness.base.machine import computes_bfloat16, processor
from harness.graph.ir import Architecture
from harness.graph.precision import settled
from harness.graph.workload import Workload, workload
from harness.settings.recipe import Precision, RecipeSpec
from harness.training import client as runner
from harness.training.client import Child
from harness.training.events import CalibratedEvent
from harness.training.jobs import CalibrateJob

IMAGE_S = 2e-5
"""Seconds to augment, normalise and resize an image, one thread of a core of 2023."""
FORWARD = 0.3
"""Share of a training step that measuring takes for the same images: there is no way back."""
ERROR = 0.25
"""How far off an estimate may be, as a share."""
CALIBRATION_S = 300
"""Most seconds for a calibration: two on an idle machine, and the import of torch."""


def training_s(
    architecture: Architecture,
    recipe: RecipeSpec,
    spec: AssignmentSpec,
    device: str,
    worker: Child | None = None,
) -> float | None:
    """Estimate the seconds of a training on this machine, from its graph.

    Without a `worker` one is started if this machine has to be measured. None on a GPU, whose speed is not
    measured, and where nobody knows how many images there are.

    Raises:
        TrainingError: the calibration did not come to an end.
    """
    images, full_px = spec.data.train_images, spec.data.input_shape[-1]
    if not images or device == "cuda" or (device == "auto" and gpus()):
        return None
    precision, _ = settled(recipe.precision, architecture, native=computes_bfloat16())
    seconds = _seconds_of_work(precision, recipe.threads, worker)
    work, steps = workload(architecture), images // recipe.batch_size
    tested = sum(spec.data.test_per_class or ()) / recipe.batch_size
    sizes = [stage.size_px for stage in recipe.stages for _ in range(stage.epochs)]
    sizes += [full_px] * (recipe.epochs - len(sizes))
    step_s = {px: _step_s(work, seconds, recipe.batch_size, (px / full_px) ** 2) for px in set(sizes)}
    return sum((steps + FORWARD * tested) * step_s[px] for px in sizes)


def in_words(seconds: float) -> str:
    """Return how long that is, in words."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"


def check_limit(seconds: float, limit_s: int) -> None:
    """Check that a training would end within the assignment's limit, even where the estimate is too high.

    Raises:
        TrainingError: it would not.
    """
    if seconds * (1 - ERROR) > limit_s:
        raise TrainingError(
            f"training: it would take about {in_words(seconds)} here, and limits.training_s = {limit_s} "
            f"ends it after {in_words(limit_s)}, so it was not begun. Raise the limit in the assignment, ask "
            "for fewer epochs, or grade on a faster machine."
        )


def speed_file(precision: Precision, threads: int) -> Path:
    """Return the path of what was measured before, with this processor, torch and number of threads."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = json.dumps(_about(precision, threads), sort_keys=True)
    return cache / "harness" / f"speed-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


# Private functions


def _step_s(work: Workload, seconds: Sequence[float], images: int, share: float) -> float:
    each = zip(seconds, work.amounts(images, share), strict=True)
    return sum(one * amount for one, amount in each) + images * IMAGE_S


def _seconds_of_work(precision: Precision, threads: int, worker: Child | None) -> tuple[float, ...]:
    """Return the seconds of each kind of work: from the cache folder, else measured and kept there."""
    kept = speed_file(precision, threads)
    with suppress(OSError, ValueError, TypeError):
        found = tuple(map(float, json.loads(kept.read_text())["seconds"]))
        if len(found) == Workload.kinds() and all(0 <= one < 1 for one in found):
            return found
    job = CalibrateJob(precision=precision, threads=threads)
    result = (worker.run if worker else runner.run)(job, lambda _: None, CALIBRATION_S)
    assert isinstance(result, CalibratedEvent)
    with suppress(OSError):  # an estimate is not worth a grade
        about = {**_about(precision, threads), "seconds": result.seconds}
        write_text(kept, json.dumps(about, indent=1) + "\n")
    return result.seconds


def _about(precision: Precision, threads: int) -> dict[str, str | int]:
    torch = importlib.metadata.version("torch")
    return {"processor": processor(), "threads": threads, "torch": torch, "precision": precision}
