"""Ten kills at random moments, ten resumes, one hash: with 0, 1, 2 and 4 workers by turns."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.record.trainings import Training
from harness.training.events import EVENTS, EpochEvent, StepEvent, TrainedEvent
from harness.training.jobs import TrainJob

KILLS = 10


def engine() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness.training.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def killed(job: TrainJob, epochs: int) -> bool:
    """Start a training, and kill it with its workers at the first step after so many epochs, if alive."""
    with engine() as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with child.stdin:
            child.stdin.write(job.model_dump_json().encode())
        for line in child.stdout:
            event = EVENTS.validate_json(line)
            epochs -= isinstance(event, EpochEvent)
            if epochs < 0 or (epochs == 0 and isinstance(event, StepEvent)):
                break
        alive = child.poll() is None
        if alive:
            os.killpg(child.pid, signal.SIGKILL)
    return alive


def finished(job: TrainJob) -> Training:
    with engine() as child:
        out, _ = child.communicate(job.model_dump_json().encode())
    final = EVENTS.validate_json(out.splitlines()[-1])
    assert isinstance(final, TrainedEvent)
    return final.training


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_kills_and_ten_resumes_end_in_the_same_bytes(job: TrainJob, tmp_path: Path) -> None:
    recipe = job.recipe.model_copy(update={"epochs": 12, "batch_size": 500, "stages": ()})
    whole = job.model_copy(update={"recipe": recipe})
    unbroken = finished(whole)
    checkpoints = tmp_path / "broken"
    chance = random.Random(5)
    alive = 0
    for kill in range(KILLS + 1):
        last = checkpoints / "last.pth"
        changes = {
            "checkpoints": checkpoints,
            "resume": last if last.exists() else None,
            "workers": (0, 1, 2, 4)[kill % 4],
        }
        one = whole.model_copy(update=changes)
        if kill < KILLS:
            alive += killed(one, chance.randint(0, 1))
    assert alive >= KILLS / 2
    assert finished(one) == unbroken
    assert {path.name for path in checkpoints.iterdir()} == {"best.pth", "last.pth"}
