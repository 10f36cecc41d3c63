"""Albumentations and OpenCV may be missing where no recipe varies its images with them."""

import re
import subprocess
import sys

import pytest

from harness.base.errors import UsageError
from harness.settings.recipe import TransformSpec
from harness.training.events import EVENTS, TrainedEvent
from harness.training.images.augmentation import Augmenter
from harness.training.images.batch_augmentation import augmenter
from harness.training.jobs import TrainJob

BLOCKED = ("albumentations", "albucore", "cv2")
SHIFT = TransformSpec(name="Affine", p=0.5, arguments={"translate_percent": (-0.1, 0.1)})


def test_a_recipe_without_augmentation_is_trained_where_they_are_not_installed(job: TrainJob) -> None:
    plain = job.recipe.model_copy(update={"epochs": 1, "batch_size": 1000, "stages": (), "augmentation": ()})
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({BLOCKED}))\n"
        "from harness.training.worker import do\nfrom harness.training.jobs import JOBS\n"
        "events = []\ndo(JOBS.validate_json(sys.argv[1]), events.append)\nprint(events[-1].model_dump_json())"
    )
    text = job.model_copy(update={"recipe": plain}).model_dump_json()
    done = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert isinstance(EVENTS.validate_json(done.stdout), TrainedEvent)


@pytest.mark.parametrize("missing", ["albumentations", "cv2"])
def test_a_recipe_with_augmentation_says_what_is_missing_and_how_to_install_it(monkeypatch, missing) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    said = (
        r"recipe\.augmentation: (albumentations|cv2) cannot be imported .* pip install albumentations==[\d.]+"
    )
    with pytest.raises(UsageError, match=said):
        augmenter([SHIFT], 1, 3)


def test_one_image_at_a_time_it_says_so_too(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(UsageError, match=re.escape("A recipe without augmentation needs neither.")):
        Augmenter([SHIFT], 1)
