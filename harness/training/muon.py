"""Muon: Nesterov SGD whose steps on matrices are orthogonalised, so that no direction lags behind."""

from collections.abc import Callable
from typing import Any

import torch

ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the Newton-Schulz polynomial: singular values end between about 0.7 and 1.2, which is near enough to 1.

Source: K. Jordan, "Muon: An optimizer for hidden layers in neural networks", 2024."""

Group = dict[str, Any]


class Muon(torch.optim.SGD):
    """SGD in which a group of parameters with an ``orthogonal`` above 0 takes orthogonalised steps.

    ``orthogonal`` is the length of such a step as a share of the group's learning rate; a parameter is
    taken as the matrix (its first dimension, all others). Weight decay acts on the weights alone, by the
    same amount as in SGD.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Take one step; the gradients of orthogonalised parameters are used up."""
        for group in self.param_groups:
            for parameter in group["params"] if group.get("orthogonal") else ():
                if parameter.grad is not None:
                    self._orthogonal_step(parameter, parameter.grad, group)
                    # SGD passes over what has no gradient.
                    parameter.grad = None
        return super().step(closure)

    def _orthogonal_step(
        self, parameter: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]
    ) -> None:
        state = self.state[parameter]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        ahead = gradient.add(momentum, alpha=group["momentum"])
        matrix = orthogonalised(ahead.reshape(len(ahead), -1))
        # A tall matrix has more rows than directions: its entries are as large as those of a square one.
        length = group["orthogonal"] * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(matrix.view(parameter.shape), alpha=-group["lr"] * length)


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """Bring the singular values of a matrix near 1 and keep its singular vectors."""
    a, b, c = COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        polynomial = torch.addmm(square, square, square, beta=b, alpha=c)
        x = torch.addmm(x, polynomial, x, beta=a)
    return x if wide else x.T
