"""The training augmentation: Albumentations, image by image, a pure function of (seed, epoch, index)."""

import random
import warnings
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import UsageError
from harness.record.trainings import Augmented
from harness.settings.recipe import TransformSpec
from harness.training.images.libraries import albumentations, cv2

Images = NDArray[np.uint8]


class Augmenter:
    """Apply an Albumentations pipeline with randomness that depends on (seed, epoch, index) alone.

    The pipeline's generators are re-seeded before every image, so the result does not depend on
    the worker that runs it, on the order of the images, or on what ran before.
    """

    manner: Augmented = "one by one"

    def __init__(self, transforms: Iterable[TransformSpec], seed: int) -> None:
        # OpenCV's own thread pool would compete with torch for the cores.
        cv2.setNumThreads(0)
        self._seed = seed
        self._bits = np.random.Philox(key=seed)
        self._numpy_random = np.random.Generator(self._bits)
        self._python_random = random.Random()
        self._compose = albumentations.Compose([build(spec) for spec in transforms])
        self._compose.set_random_state(self._numpy_random, self._python_random)

    def __call__(self, images: Images, *, epoch: int, indices: Iterable[int]) -> Images:
        """Augment a batch of (N, H, W, C) uint8 images; `indices` are their places in the split."""
        out = np.empty_like(images)
        for row, index in enumerate(indices):
            self._reseed(epoch, index)
            image = self._compose(image=images[row])["image"]
            if image.shape[:2] != images.shape[1:3]:
                raise UsageError(
                    f"recipe.augmentation: images of {images.shape[2]}x{images.shape[1]} px come out as "
                    f"{image.shape[1]}x{image.shape[0]}. Let the last transform give them their size."
                )
            out[row] = image.reshape(images.shape[1:])
        return out

    def _reseed(self, epoch: int, index: int) -> None:
        # Philox is counter-based: one key per run, one counter per (epoch, index).
        # The lowest word is left to the generator, which counts it up as it draws.
        self._bits.state = {
            "bit_generator": "Philox",
            "state": {
                "counter": np.array([0, 0, index, epoch], dtype=np.uint64),
                "key": np.array([self._seed, 0], dtype=np.uint64),
            },
            "buffer": np.zeros(4, dtype=np.uint64),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._python_random.seed(int(self._numpy_random.integers(2**63)))


def for_channels(transforms: Iterable[TransformSpec], channels: int) -> tuple[TransformSpec, ...]:
    """Fit transforms to grey images if `channels` is 1: colours to fill with become grey, ToGray goes."""
    if channels > 1:
        return tuple(transforms)
    return tuple(_in_grey(spec) for spec in transforms if spec.name != "ToGray")


def build(spec: TransformSpec) -> "albumentations.BasicTransform":
    """Build one transform of Albumentations.

    Raises:
        UsageError: Albumentations does not know an argument or its value; by itself it only warns.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return getattr(albumentations, spec.name)(p=spec.p, **spec.arguments)
        except (UserWarning, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(
                f"recipe.augmentation: {spec.name}: Albumentations refuses its arguments: {reason[:300]}. "
                "Correct them in submission.toml or in the assignment."
            ) from None


# Private functions


def _in_grey(spec: TransformSpec) -> TransformSpec:
    fill = spec.arguments.get("fill")
    if not isinstance(fill, tuple):
        return spec
    grey = round(sum(map(float, fill)) / len(fill))
    return spec.model_copy(update={"arguments": {**spec.arguments, "fill": grey}})
