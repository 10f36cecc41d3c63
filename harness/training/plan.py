"""The plan of a training with the network at hand: which recipe it can follow, in which layout."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from harness.datasets.dataset import Shape
from harness.settings.recipe import Precision, RecipeSpec
from harness.training.network import Network, obstacle, usable_layout
from harness.training.precision import native_bfloat16, settled


@dataclass(frozen=True)
class Plan:
    """The recipe as the network can follow it, and what to tell the user of it."""

    recipe: RecipeSpec
    """Without the stages that the network refuses; their arithmetic goes into full-size epochs."""
    precision: Precision
    sizes_px: tuple[int, ...]
    """Side of the images in each epoch."""
    pooled_px: frozenset[int]
    """Sides at which the network has to run with `Network.pools_globally`."""
    memory_format: torch.memory_format
    notes: tuple[str, ...]


def planned(network: Network, recipe: RecipeSpec, shape: Shape, classes: int, device: torch.device) -> Plan:
    """Try the network at every size of the recipe, and on images of their own `shape` (C, H, W), a square.

    Raises:
        GraphError: the network cannot run at full size, or gives not one logit per class.
    """
    channels, _, full_px = shape
    memory_format, reason = usable_layout(network, shape, classes)
    notes = [] if reason is None else [
        f"Trained in NCHW layout, which is slower: channels_last cannot be used ({reason})."
    ]  # fmt: skip

    def obstacles(sizes: Iterable[int]) -> dict[int, str]:
        found = {size: obstacle(network, (channels, size, size), classes, memory_format) for size in sizes}
        return {size: why for size, why in found.items() if why}

    refused = obstacles(dict.fromkeys(stage.size_px for stage in recipe.stages))
    pooled: frozenset[int] = frozenset()
    if refused and network.can_pool_globally:
        network.pools_globally = True
        still = obstacles(refused)
        network.pools_globally = False
        pooled, refused = frozenset(refused.keys() - still.keys()), still
    if pooled:
        notes.append(
            f"On images of {' and '.join(map(str, sorted(pooled)))} px the average pool over the whole map "
            f"covers the smaller map; at {full_px} px the graph runs as handed in."
        )
    precision, said = settled(recipe.precision, network.architecture, native=native_bfloat16(device))
    notes += [said] if said else []
    followed = recipe.at_full_size(refused, full_px)
    if refused:
        notes.append(_replaced(recipe, followed, refused, full_px))
    sizes = [stage.size_px for stage in followed.stages for _ in range(stage.epochs)]
    sizes += [full_px] * (followed.epochs - len(sizes))
    followed = followed.model_copy(update={"precision": precision})
    return Plan(followed, precision, tuple(sizes), pooled, memory_format, tuple(notes))


# Private functions


def _replaced(recipe: RecipeSpec, followed: RecipeSpec, refused: dict[int, str], full_px: int) -> str:
    gone = [stage for stage in recipe.stages if stage.size_px in refused]
    epochs = sum(stage.epochs for stage in gone)
    instead = epochs + followed.epochs - recipe.epochs
    planned_at = ", ".join(f"{stage.epochs} at {stage.size_px} px" for stage in gone)
    size, why = next(iter(refused.items()))
    return (
        f"Trained {instead} epochs at {full_px} px in place of {epochs} that the recipe plans on smaller "
        f"images ({planned_at}), for no more arithmetic: the graph cannot run at {size} px ({why})."
    )
