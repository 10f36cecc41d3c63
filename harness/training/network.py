"""Rebuild a network from plain data: its tensors under their own names, its two graphs as programs.

No student code runs and nothing is unpickled. See `harness.training.program` for how a graph runs.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from harness.base.errors import GraphError, HarnessError
from harness.datasets.dataset import Shape
from harness.graph import ir as plain
from harness.training.any_size import at_any_size
from harness.training.chance.philox import Moment
from harness.training.program import Watch, compiled


class _Branch(nn.Module):
    """A place in the tree of submodules; it only holds tensors."""


class Network(_Branch):
    """The network of an `Architecture`; `train()` and `eval()` choose between its two graphs.

    The keys of `state_dict()` are the fully qualified names of the student's own model, so either
    loads into the other with ``strict=True``. Constants are not part of it. Tied tensors are one.
    """

    def __init__(
        self, architecture: plain.Architecture, tensors: Mapping[str, torch.Tensor], device: torch.device
    ) -> None:
        """Build the network on `device`; `tensors` are the weights by name, ties left out or equal.

        4-D parameters are kept in channels_last, which is 1.6 times faster on a CPU.

        Raises:
            GraphError: a tensor is missing, unknown or of another shape or dtype; an op is not on the
                allow-list; not one image batch in and one tensor out.
        """
        super().__init__()
        check_weights(architecture, tensors)
        self.architecture = architecture
        small = at_any_size(architecture)
        self.can_pool_globally = small is not None
        self.pools_globally = False  # see `at_any_size`: for images smaller than the network's own
        self._programs = {
            (pooled, mode): compiled(graph, device)
            for pooled, graphs in ((False, architecture), (True, small or architecture))
            for mode, graph in ((True, graphs.train), (False, graphs.eval))
        }
        self._seed, self._epoch_and_step = 0, torch.zeros(2, dtype=torch.int64, device=device)
        owners: dict[str, torch.Tensor] = {}
        for spec in architecture.tensors:
            if spec.tied_to is None:
                owners[spec.name] = _owned(spec, tensors[spec.name], device)
        for spec in architecture.tensors:
            _register(self, spec, owners[spec.tied_to or spec.name])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) float32 to the graph's output, logits (N, classes)."""
        return self.run(images)

    def draw(self, seed: int, epoch: int, step: int) -> None:
        """Set the step whose random numbers the graphs draw: dropout's and all others'.

        Epoch and step lie on the network's device, in one tensor for good: a captured CUDA graph reads it.
        """
        self._seed = seed
        for place, number in zip(self._epoch_and_step, (epoch, step), strict=True):
            place.fill_(number)

    def run(self, images: torch.Tensor, watch: Watch | None = None) -> torch.Tensor:
        """Run the graph of the mode the network is in; `watch` sees the value of every node."""
        tensors: dict[str, torch.Tensor] = dict(self.named_parameters(remove_duplicate=False))
        tensors.update(self.named_buffers(remove_duplicate=False))
        moment = Moment(self._seed, *self._epoch_and_step)
        return self._programs[self.pools_globally, self.training].run(images, tensors, watch, moment=moment)


def read(architecture: Path, weights: Path) -> tuple[plain.Architecture, dict[str, torch.Tensor]]:
    """Read ``architecture.json`` and ``initial.safetensors``; whether they belong together is not checked.

    Raises:
        GraphError: either file cannot be read or is not valid.
    """
    try:
        plan = _parsed(architecture.read_bytes())
    except OSError as error:
        raise GraphError(f"{architecture}: cannot be read ({error.strerror}).") from None
    try:
        return plan, load_file(weights)
    except (OSError, SafetensorError) as error:
        raise GraphError(f"{weights}: not a readable safetensors file ({error}).") from None


@lru_cache(maxsize=8)
def _parsed(text: bytes) -> plain.Architecture:
    """Parse a graph once for all jobs of a process."""
    return plain.parse_architecture(text)


def check_weights(architecture: plain.Architecture, tensors: Mapping[str, torch.Tensor]) -> None:
    """Check that the weights are those of the architecture's table: names, shapes, dtypes.

    Raises:
        GraphError: naming the first tensor that differs.
    """
    for spec in architecture.tensors:
        found = tensors.get(spec.name)
        if found is None and spec.tied_to is None:
            raise GraphError(f"weights: {spec.name} is missing; the architecture names it.")
        if found is None:
            continue
        expected = f"{spec.dtype} {list(spec.shape)}"
        actual = f"{_dtype_name(found.dtype)} {list(found.shape)}"
        if actual != expected:
            raise GraphError(f"weights: {spec.name}: wrong tensor; expected {expected}, got {actual}.")
        owner = tensors.get(spec.tied_to or spec.name)
        if owner is not None and not _same_bytes(owner, found):
            raise GraphError(f"weights: {spec.name}: tied to {spec.tied_to}, but their values differ.")
    unknown = sorted(set(tensors) - set(architecture.by_name))
    if unknown:
        raise GraphError(f"weights: {unknown[0]} is not in the architecture's table of tensors.")


def check_numbers(architecture: plain.Architecture, tensors: Mapping[str, torch.Tensor]) -> None:
    """Check that the initial parameters are numbers; a buffer may hold minus infinity, as a mask.

    Raises:
        GraphError: naming the first parameter that holds NaN or infinity.
    """
    for spec in architecture.tensors:
        if spec.kind == "parameter" and spec.tied_to is None and not tensors[spec.name].isfinite().all():
            what = "NaN" if tensors[spec.name].isnan().any() else "infinity"
            raise GraphError(
                f"weights: the initial weights of {spec.name} hold {what}; expected finite numbers. "
                "Look at how the constructor fills them."
            )


def check_one_image(plan: plain.Architecture, network: Network, image: torch.Tensor) -> None:
    """Check that a network which calls squeeze() keeps a batch of one image, (1, C, H, W).

    Raises:
        GraphError: one image gives no row of logits, for the network squeezes its batch away.
    """
    if all(node.op != "aten.squeeze.default" for node in plan.eval.nodes):
        return
    try:
        with torch.no_grad():
            logits = copy.deepcopy(network).eval()(image)
    except Exception as error:  # noqa: BLE001 - torch may raise anything on a forged graph
        found = f"ends in {one_line(error)}"
    else:
        if logits.ndim == 2:
            return
        found = f"gives logits of shape {tuple(logits.shape)} and not {(1, logits.shape[-1])}"
    raise GraphError(
        f"one image alone {found}: squeeze() drops the batch too where it is 1. Write x.flatten(1) in its "
        "place."
    )


def obstacle(
    network: nn.Module, shape: Shape, classes: int, memory_format: torch.memory_format = torch.channels_last
) -> str | None:
    """Return why the graphs cannot map two (C, H, W) images to (2, classes) logits; None if they can.

    A real pass on a copy: strides decide whether a view is possible, and a layer written for one size
    may show only in the shape of what comes out.
    """
    trial = in_layout(copy.deepcopy(network), memory_format)
    device = next((tensor.device for tensor in trial.state_dict().values()), torch.device("cpu"))
    images = torch.zeros(2, *shape, device=device).contiguous(memory_format=memory_format)
    for mode in (True, False):
        try:
            with torch.no_grad():
                found = tuple(trial.train(mode)(images).shape)
        except Exception as error:  # noqa: BLE001 - torch may raise anything on a forged graph
            return one_line(error)
        if found != (2, classes):
            return f"two images give logits of shape {found}; expected {(2, classes)}"
    return None


def in_layout(network: nn.Module, memory_format: torch.memory_format) -> nn.Module:
    """Convert what has four dimensions to a layout, parameters and buffers; others have one layout only."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=memory_format)
    return network


def usable_layout(network: nn.Module, shape: Shape, classes: int) -> tuple[torch.memory_format, str | None]:
    """Choose channels_last if the graphs can run in it, else NCHW with the reason.

    Raises:
        GraphError: the graphs can run in neither.
    """
    reason = obstacle(network, shape, classes, torch.channels_last)
    if reason is None:
        return torch.channels_last, None
    in_rows = obstacle(network, shape, classes, torch.contiguous_format)
    if in_rows is not None:
        raise GraphError(f"network: cannot run on {shape[2]}x{shape[1]} px images: {in_rows}.")
    return torch.contiguous_format, reason


@contextmanager
def running() -> Iterator[None]:
    """Blame the graph for what is raised while it runs, forward or backward; a GPU may be full by itself.

    Raises:
        GraphError: in place of whatever torch raised.
    """
    try:
        yield
    except (HarnessError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - torch may raise anything on a forged graph
        if "does not require grad" in str(error):
            raise GraphError(
                "network: its logits have no gradient, so nothing in it can be trained. Remove "
                "torch.no_grad(), .detach() or .data from the end of forward."
            ) from None
        raise GraphError(
            f"network: stopped while it ran: {one_line(error)}. It is trained from its graph, on full "
            "batches and on smaller ones: try a step of training on both."
        ) from None


def one_line(error: BaseException) -> str:
    """Shorten an exception of torch to its first line and the layer it happened in."""
    first = (str(error).splitlines() or [""])[0].strip()
    if isinstance(error, MemoryError) or "can't allocate memory" in first:
        first = "it takes more memory than limits.training_memory_mib of the assignment allows"
    return f"{type(error).__name__}: {first[:300]}{notes_of(error)}"


def notes_of(error: BaseException) -> str:
    """Return in which layer an exception was raised, if that is known."""
    return "".join(f" ({note})" for note in getattr(error, "__notes__", ()))


# Private functions


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _same_bytes(one: torch.Tensor, other: torch.Tensor) -> bool:
    # As bytes, so that a NaN equals itself.
    return one is other or torch.equal(
        one.contiguous().reshape(-1).view(torch.uint8), other.contiguous().reshape(-1).view(torch.uint8)
    )


def _owned(spec: plain.Tensor, tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    own = tensor.detach().to(device, copy=True)
    if spec.kind != "parameter":
        return own
    if own.ndim == 4:
        own = own.contiguous(memory_format=torch.channels_last)
    if spec.trainable and not (own.is_floating_point() or own.is_complex()):
        raise GraphError(f"weights: {spec.name}: a {spec.dtype} tensor cannot be trained.")
    return nn.Parameter(own, requires_grad=spec.trainable)


def _register(root: nn.Module, spec: plain.Tensor, tensor: torch.Tensor) -> None:
    """Register a tensor under its own name, which may be that of a method, an attribute or a branch."""
    *path, leaf = spec.name.split(".")
    if "" in (*path, leaf) or "training" in (*path, leaf):  # torch keeps the mode under that name
        raise GraphError(f"weights: {spec.name!r} cannot name a tensor (a part of it is empty, or training).")
    module = root
    for part in path:
        child = module._modules.get(part)
        if child is None:
            # Not add_module, here and below: it takes no name that the class uses itself.
            child = module._modules[part] = _Branch()
        module = child
    if isinstance(tensor, nn.Parameter):
        module._parameters[leaf] = tensor
        return
    module._buffers[leaf] = tensor
    if spec.kind != "buffer":
        module._non_persistent_buffers_set.add(leaf)
