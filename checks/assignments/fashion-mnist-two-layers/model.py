"""Fashion-MNIST with exactly two weighted layers: a convolution and a classifier, 7,730 parameters."""

from torch import Tensor, nn


class Net(nn.Module):
    """A 5x5 convolution, ReLU, a 4x4 max-pool, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 20, 5)
        self.pool = nn.MaxPool2d(4)
        self.fc = nn.Linear(20 * 6 * 6, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 1, 28, 28) to logits (N, 10)."""
        return self.fc(self.pool(self.conv(x)).relu().flatten(1))
