"""The pipeline that most course code uses, kept as the baseline that the harness is compared with.

A `DataLoader` with two workers turns each image into a PIL picture and back, Albumentations works on one
image at a time, batches are NCHW float32, the student's own module runs eagerly under SGD and OneCycleLR.
"""

from collections.abc import Iterator

import albumentations as A  # noqa: N812 - the field's name for it
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it
from torch.utils.data import DataLoader, Dataset

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
BATCH = 128


class Pictures(Dataset):
    """Images (N, 32, 32, 3) uint8 as augmented, normalised tensors (3, 32, 32), one by one."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        self.pictures = [Image.fromarray(image) for image in images]
        self.labels = labels
        self.transform = A.Compose(
            [
                A.HorizontalFlip(p=0.5),
                A.Affine(translate_percent=(-0.05, 0.05), scale=(0.9, 1.1), rotate=(-15, 15), p=0.5),
                A.CoarseDropout(
                    num_holes_range=(1, 1),
                    hole_height_range=(1, 16),
                    hole_width_range=(1, 16),
                    fill=[125, 123, 114],
                    p=0.5,
                ),
                A.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self.transform(image=np.array(self.pictures[index]))["image"]
        return torch.from_numpy(image.transpose(2, 0, 1)), int(self.labels[index])


def epoch(model: nn.Module, data: Pictures, steps: int) -> Iterator[float]:
    """Train on `steps` batches; yields the loss of each."""
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=2, drop_last=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps + 1)
    model.train()
    for _, (images, labels) in zip(range(steps), loader, strict=False):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        schedule.step()
        yield loss.item()
