"""The results of running a network untrained, as the rules read them."""

from collections.abc import Mapping
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from harness.graph.ir import Mode
from harness.graph.receptive_field.agreement import Extents


class Evidence(BaseModel):
    """Facts about one network. Nodes are named as in its graphs, tensors by their fully qualified names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weak: Mapping[Mode, tuple[str, ...]] = {}
    """Convolutions and linear layers, by graph, whose weights do not move the logits."""
    effects: Mapping[str, float] = {}
    """Of each layer of the eval graph that was tried: how far other weights move the logits, relative to
    what tells images apart."""
    reach_px: tuple[int, int] | None = None
    """Rows and columns that a position of the last map depends on, where it is fewer than the graph says."""
    misjudged: str = ""
    """A value that was taken for zero, for unused or for independent of the image, and is not; else empty."""
    head: str = ""
    """Why the head is not an average and a linear layer, where it does not behave like one; else empty."""
    apart: Mapping[str, str] = {}
    """1x1 layers of the eval graph that mix what learned arithmetic computed from neighbours, each channel
    apart, and the map it was computed from."""
    pools: Mapping[str, str] = {}
    """Nodes that behave like a maximum over positions, and how."""
    filled: frozenset[str] = frozenset()
    """Running statistics that are not those of a new layer: means of 0, variances of 1."""
    mixed: bool = False
    """Whether, after some steps of training, an image's logits depend on the others of its batch."""
    normalised: str = ""
    """A batch-norm that reads next to a constant, which only tells train from eval; else empty."""
    steps: frozenset[str] = frozenset()
    """Nodes of the eval graph that give next to nothing but their least and their largest value."""
    switch: bool = False
    """Whether a small change of what a dropout gives makes a large one of the logits."""
    broken: str = ""
    """Why not all of this could be measured; else empty."""


class Probe(Protocol):
    """The measurements of an untrained network. Accuracies in [0, 1], differences relative."""

    @property
    def accuracy_running(self) -> float:
        """With running statistics."""

    @property
    def accuracy_batch(self) -> float:
        """With batch statistics."""

    @property
    def repeat_difference(self) -> float:
        """Of two identical passes in eval."""

    @property
    def batch_difference(self) -> float:
        """Of an image alone and among others, in eval."""

    @property
    def finite(self) -> bool:
        """Whether all outputs are numbers."""

    @property
    def extents(self) -> Extents:
        """The receptive field measured by gradients."""

    @property
    def evidence(self) -> Evidence:
        """The influence of what is in the graph."""
