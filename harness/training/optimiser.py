"""The optimiser and the schedule of its learning rate.

Muon: Nesterov SGD whose steps on matrices are orthogonalised, so that no direction lags behind.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from harness.base.errors import GraphError
from harness.settings.recipe import RecipeSpec

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

    A `capturable` one takes its learning rate and its momentum, one for all groups, from the memory of the
    device, where `set_rates` puts them: a step that is recorded does not know what Python says later.
    """

    def __init__(
        self, params: Iterable[torch.Tensor] | Iterable[Group], *, capturable: bool = False, **settings: Any
    ) -> None:
        """Accept the arguments of SGD."""
        super().__init__(params, **settings)
        device = next(p.device for group in self.param_groups for p in group["params"])
        self._rates = torch.zeros(2, device=device) if capturable else None

    def set_rates(self) -> None:
        """Bring the learning rate and the momentum that the groups have now to where a step reads them."""
        if self._rates is not None:
            for place, key in enumerate(("lr", "momentum")):
                self._rates[place].fill_(self.param_groups[0][key])

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Make one step; the gradients of orthogonalised parameters are used up."""
        if self._rates is not None:
            for group in self.param_groups:
                self._captured_step(group, *self._rates.unbind())
            return None
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
        momentum = self._buffer(parameter).mul_(group["momentum"]).add_(gradient)
        ahead = gradient.add(momentum, alpha=group["momentum"])
        matrix = orthogonalised(ahead.reshape(len(ahead), -1))
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(matrix.view(parameter.shape), alpha=-group["lr"] * _length(matrix, group))

    def _captured_step(self, group: Group, lr: torch.Tensor, momentum: torch.Tensor) -> None:
        """Make the same step with rates that lie on the device, for all parameters of a group at once."""
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not parameters:
            return
        buffers = [self._buffer(parameter) for parameter in parameters]
        gradients = tuple(parameter.grad for parameter in parameters if parameter.grad is not None)
        orthogonal, decay = group.get("orthogonal"), group["weight_decay"]
        if not orthogonal:
            gradients = torch._foreach_add(gradients, parameters, alpha=decay)
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients)
        steps = torch._foreach_add(gradients, torch._foreach_mul(buffers, momentum))
        if orthogonal:
            matrices = [orthogonalised(step.reshape(len(step), -1)) for step in steps]
            steps = tuple(
                matrix.view(parameter.shape) * _length(matrix, group)
                for matrix, parameter in zip(matrices, parameters, strict=True)
            )
            torch._foreach_mul_(parameters, 1 - lr * decay)
        torch._foreach_sub_(parameters, torch._foreach_mul(steps, lr))

    def _buffer(self, parameter: torch.Tensor) -> torch.Tensor:
        state = self.state[parameter]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: torch.Tensor = state["momentum_buffer"]
        return buffer


@dataclass(frozen=True)
class Trained:
    """The state that changes while training; the position in the random streams follows from the epoch."""

    model: nn.Module
    optimizer: Muon
    schedule: torch.optim.lr_scheduler.LRScheduler


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """Scale the singular values of a matrix to near 1 and preserve its singular vectors."""
    a, b, c = COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        polynomial = torch.addmm(square, square, square, beta=b, alpha=c)
        x = torch.addmm(x, polynomial, x, beta=a)
    return x if wide else x.T


def optimised(network: nn.Module, recipe: RecipeSpec, steps: int, *, capturable: bool = False) -> Trained:
    """Return the optimiser of a network, and its schedule over `steps` batches.

    Nesterov SGD, on the weights of convolutions that mix channels with orthogonalised steps if the recipe
    says so; weight decay on weights only, which are the parameters of more than one dimension.
    As the learning rate rises to its peak the momentum falls, and the other way round. A step of a
    `capturable` optimiser can be recorded, see `harness.training.cuda.capture`.

    Raises:
        GraphError: no parameter is trainable.
    """
    trainable = [p for p in network.parameters() if p.requires_grad]
    # The filters of a depthwise convolution do not share an input: they are not rows of one matrix.
    mixing = [p for p in trainable if p.ndim == 4 and p.shape[1] > 1]
    matrices = [p for p in trainable if p.ndim > 1 and not any(p is other for other in mixing)]
    if not trainable:
        raise GraphError("network: nothing to train; expected at least one trainable parameter, got none.")
    at_peak, at_ends = recipe.momentum
    optimizer = Muon(
        [
            {"params": mixing, "weight_decay": recipe.weight_decay, "orthogonal": recipe.muon},
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=recipe.lr,
        momentum=at_ends,
        nesterov=True,
        capturable=capturable,
    )
    # OneCycleLR divides by the steps of the warm-up less one: a warm-up of exactly one is made a hair longer.
    nudge = 1e-6 if recipe.warmup * steps == 1 else 0.0
    schedule = OneCycleLR(
        optimizer,
        max_lr=recipe.lr,
        total_steps=steps,
        pct_start=recipe.warmup + nudge,
        anneal_strategy="linear" if recipe.anneal == "linear" else "cos",
        div_factor=recipe.div_factor,
        final_div_factor=recipe.final_div_factor,
        base_momentum=at_peak,
        max_momentum=at_ends,
    )
    return Trained(network, optimizer, schedule)


# Private functions


def _length(matrix: torch.Tensor, group: Group) -> float:
    # A tall matrix has more rows than directions: its entries are as large as those of a square one.
    length: float = group["orthogonal"] * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
    return length
