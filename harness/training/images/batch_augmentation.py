"""The training augmentation a batch at a time: what Albumentations defines, drawn with other numbers.

Albumentations spends nearly all of its time on one image's bookkeeping. Here the parameters of a whole
epoch are drawn at once, and OpenCV is called as Albumentations calls it. A pipeline that holds anything
else than the three transforms below is left to `harness.training.images.augmentation`.

Each transform has a second form for images that lie on a device: the same parameters, worked out here, and
operators of torch in place of OpenCV. The pixels differ by one grey level at most.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from harness.record.trainings import Augmented
from harness.settings.recipe import TransformSpec
from harness.training.images.augmentation import Augmenter, Images, build, for_channels
from harness.training.images.libraries import albumentations, cv2
from harness.training.images.warp import BORDERS, INTERPOLATIONS, colour, inverted, warped

Uniform = NDArray[np.float64]
Range = tuple[float, float]


def augmenter(transforms: Iterable[TransformSpec], seed: int, channels: int) -> "Augmenter | BatchAugmenter":
    """Choose how to run a pipeline: a batch at a time where every transform allows it, else image by image.

    The images have 1 or 3 `channels`.

    Raises:
        UsageError: Albumentations does not know an argument or its value.
    """
    specs = for_channels(transforms, channels)
    batched = [_batched(build(spec)) for spec in specs]
    known = [transform for transform in batched if transform is not None]
    return BatchAugmenter(known, seed) if len(known) == len(specs) else Augmenter(specs, seed)


class BatchTransform(Protocol):
    """One transform of many images."""

    @property
    def draws(self) -> int:
        """The number of uniform numbers that each image takes."""

    @property
    def has_device_form(self) -> bool:
        """Whether `on_device` can be called."""

    def __call__(self, images: Images, uniform: Uniform) -> None:
        """Change images (N, H, W, C) in place; `uniform` is (N, draws), in [0, 1)."""

    def parameters(self, uniform: Uniform, height: int, width: int) -> Uniform:
        """Work out the (N, k) numbers that `on_device` takes for each image."""

    def on_device(self, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        """Return the images (N, H, W, C) uint8 changed; `parameters` is (N, k) float32."""


class BatchAugmenter:
    """Apply batched transforms with randomness that depends on (seed, epoch, index) alone."""

    manner: Augmented = "in batches"

    def __init__(self, transforms: Sequence[BatchTransform], seed: int) -> None:
        if transforms:
            cv2.setNumThreads(0)
        self.transforms = transforms
        self._seed = seed
        self._drawn: tuple[int, int, list[Uniform]] = (-1, 0, [])

    def __call__(self, images: Images, *, epoch: int, indices: Iterable[int]) -> Images:
        """Augment a batch of (N, H, W, C) uint8 images; `indices` are their places in the split."""
        places = np.fromiter(indices, np.int64)
        out = images.copy()
        for transform, uniform in zip(self.transforms, self._numbers(epoch, int(places.max())), strict=True):
            transform(out, uniform[places])
        return out

    @property
    def has_device_form(self) -> bool:
        """Whether every transform can run on a device."""
        return all(transform.has_device_form for transform in self.transforms)

    def parameters(self, epoch: int, images: int, height: int, width: int) -> list[torch.Tensor]:
        """Return for each transform the (images, k) float32 numbers of an epoch, by place in the split."""
        drawn = zip(self.transforms, self._numbers(epoch, images - 1), strict=True)
        return [
            torch.from_numpy(transform.parameters(uniform[:images], height, width).astype(np.float32))
            for transform, uniform in drawn
        ]

    def on_device(self, images: torch.Tensor, parameters: Sequence[torch.Tensor]) -> torch.Tensor:
        """Augment images (N, H, W, C) uint8 where they lie; `parameters` are theirs, a row an image."""
        for transform, numbers in zip(self.transforms, parameters, strict=True):
            images = transform.on_device(images, numbers)
        return images

    def _numbers(self, epoch: int, last: int) -> list[Uniform]:
        """Draw for every image of an epoch up to `last`: row i is the same however many rows there are."""
        if self._drawn[0] != epoch or self._drawn[1] <= last:
            rows = 1 << last.bit_length()
            self._drawn = (epoch, rows, [self._table(n, epoch, rows) for n in range(len(self.transforms))])
        return self._drawn[2]

    def _table(self, n: int, epoch: int, rows: int) -> Uniform:
        # A stream for each transform: adding one never shifts another.
        bits = np.random.Philox(key=[self._seed, n], counter=[0, 0, 0, epoch])
        return np.random.Generator(bits).random((rows, self.transforms[n].draws))


@dataclass(frozen=True)
class Flip:
    """Mirror left and right."""

    p: float
    draws: int = 1
    has_device_form: bool = True

    def __call__(self, images: Images, uniform: Uniform) -> None:
        """Change images in place."""
        chosen = uniform[:, 0] < self.p
        images[chosen] = images[chosen, :, ::-1]

    def parameters(self, uniform: Uniform, height: int, width: int) -> Uniform:  # noqa: ARG002
        """Return (N, 1): 1 for an image to mirror, else 0."""
        return (uniform[:, :1] < self.p).astype(np.float64)

    def on_device(self, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        """Return the images changed."""
        return torch.where(parameters[:, :, None, None] > 0, images.flip(2), images)


@dataclass(frozen=True)
class Affine:
    """Scale, rotate, shear and shift about the centre; lengths are shares of a side, angles degrees."""

    p: float
    scale: tuple[Range, Range]
    shift: tuple[Range, Range]
    rotate: Range
    shear: tuple[Range, Range]
    interpolation: int
    border_mode: int
    fill: tuple[float, ...]
    draws: int = 8

    def __call__(self, images: Images, uniform: Uniform) -> None:
        """Change images in place."""
        (chosen,) = np.nonzero(uniform[:, 0] < self.p)
        height, width = images.shape[1:3]
        for row, matrix in zip(chosen, self.matrices(uniform[chosen], height, width), strict=True):
            moved = cv2.warpAffine(
                images[row], matrix, (width, height),
                flags=self.interpolation, borderMode=self.border_mode, borderValue=self.fill,
            )  # fmt: skip
            images[row] = moved.reshape(images.shape[1:])  # OpenCV drops the one channel of a grey image

    @property
    def has_device_form(self) -> bool:
        """Whether the interpolation and the border are among those of `harness.training.images.warp`."""
        return self.interpolation in INTERPOLATIONS and self.border_mode in BORDERS

    def parameters(self, uniform: Uniform, height: int, width: int) -> Uniform:
        """Return (N, 6): the matrix from target to source, the identity for an image to leave as it is."""
        inverse = inverted(self.matrices(uniform, height, width)).reshape(-1, 6)
        return np.where(uniform[:, :1] < self.p, inverse, [1, 0, 0, 0, 1, 0])

    def on_device(self, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        """Return the images changed."""
        return warped(images, parameters.view(-1, 2, 3), self.interpolation, self.border_mode, self.fill)

    def matrices(self, uniform: Uniform, height: int, width: int) -> Uniform:
        """Return the (N, 2, 3) matrices from source to target, in pixels (x, y)."""
        columns = uniform.T
        share = [_between(columns[1 + n], self.shift[n]) for n in range(2)]
        scale = [_between(columns[3 + n], self.scale[n]) for n in range(2)]
        angle = np.deg2rad(_between(columns[5], self.rotate))
        shear = [np.tan(np.deg2rad(-_between(columns[6 + n], self.shear[n]))) for n in range(2)]
        ones = np.ones_like(angle)
        sheared = _stack([[ones, shear[0]], [shear[1], ones]])
        rotated = _stack([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        linear = sheared @ rotated * np.stack(scale, axis=-1)[:, None, :]
        centre = np.array([width / 2 - 0.5, height / 2 - 0.5])
        # Whole pixels, towards zero, as Albumentations has it.
        shift = np.trunc(np.stack(share, axis=-1) * [width, height])
        moved = centre + shift - linear @ centre
        return np.concatenate([linear, moved[:, :, None]], axis=2)


@dataclass(frozen=True)
class Dropout:
    """Fill one rectangle inside the image; sizes in pixels, inclusive."""

    p: float
    heights: tuple[int, int]
    widths: tuple[int, int]
    fill: tuple[int, ...]
    draws: int = 5
    has_device_form: bool = True

    def __call__(self, images: Images, uniform: Uniform) -> None:
        """Change images in place."""
        top, bottom, left, right = self.parameters(uniform, *images.shape[1:3]).T[:, :, None]
        y, x = np.arange(images.shape[1]), np.arange(images.shape[2])
        rows, columns = (y >= top) & (y < bottom), (x >= left) & (x < right)
        images[rows[:, :, None] & columns[:, None, :]] = np.array(self.fill[: images.shape[3]], np.uint8)

    def parameters(self, uniform: Uniform, height: int, width: int) -> Uniform:
        """Return (N, 4): the hole's top, bottom, left and right, the ends not included; 0 for no hole."""
        chosen, *place = uniform.T
        sides = (
            *_stretch(place[0], place[1], self.heights, height),
            *_stretch(place[2], place[3], self.widths, width),
        )
        return np.where((chosen < self.p)[:, None], np.stack(sides, axis=1), 0)

    def on_device(self, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        """Return the images changed."""
        top, bottom, left, right = parameters[:, :, None].unbind(1)
        y, x = (torch.arange(side, device=images.device) for side in images.shape[1:3])
        rows, columns = (y >= top) & (y < bottom), (x >= left) & (x < right)
        hole = (rows[:, :, None] & columns[:, None, :])[..., None]
        return torch.where(hole, colour(self.fill, images), images)


# Private functions


def _batched(transform: "albumentations.BasicTransform") -> BatchTransform | None:
    """Translate one transform of Albumentations; None if it does what the ones above do not."""
    kind = type(transform)
    if kind is albumentations.HorizontalFlip:
        return Flip(transform.p)
    if kind is albumentations.Affine and not (
        transform.fit_output or transform.keep_ratio or transform.balanced_scale
    ):
        return _affine(transform)
    if kind is albumentations.CoarseDropout and transform.num_holes_range == (1, 1):
        return _dropout(transform)
    return None


def _affine(affine: "albumentations.Affine") -> Affine | None:
    if affine.translate_percent is None or (np.ndim(affine.fill) > 0 and len(affine.fill) != 3):
        return None
    return Affine(
        p=affine.p,
        scale=(affine.scale["x"], affine.scale["y"]),
        shift=(affine.translate_percent["x"], affine.translate_percent["y"]),
        rotate=affine.rotate,
        shear=(affine.shear["x"], affine.shear["y"]),
        interpolation=affine.interpolation,
        border_mode=affine.border_mode,
        fill=tuple(np.broadcast_to(affine.fill, 3).tolist()),
    )


def _dropout(dropout: "albumentations.CoarseDropout") -> Dropout | None:
    heights, widths = dropout.hole_height_range, dropout.hole_width_range
    # Sizes below one are shares of a side; a fill that is a word is a method.
    if isinstance(dropout.fill, str) or heights[1] < 1 or widths[1] < 1:
        return None
    return Dropout(
        p=dropout.p,
        heights=(int(heights[0]), int(heights[1])),
        widths=(int(widths[0]), int(widths[1])),
        fill=tuple(int(value) for value in np.broadcast_to(dropout.fill, 3)),
    )


def _between(uniform: Uniform, ends: Range) -> Uniform:
    return ends[0] + (ends[1] - ends[0]) * uniform


def _stack(rows: Sequence[Sequence[Uniform]]) -> Uniform:
    """Convert a matrix of (N,) arrays into N matrices."""
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _stretch(length: Uniform, start: Uniform, lengths: tuple[int, int], side: int) -> tuple[Uniform, Uniform]:
    """Draw a length from `lengths` and a start so that it fits: the first place, the one after the last."""
    shortest, longest = lengths[0], min(lengths[1], side)
    drawn = shortest + np.floor(length * (longest - shortest + 1))
    first = np.floor(start * (side - drawn + 1))
    return first, first + drawn
