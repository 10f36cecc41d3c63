"""The results of running a network untrained, as the rules read them."""

from typing import Protocol

from harness.graph.evidence import Evidence
from harness.graph.receptive_field.agreement import Extents


class Probe(Protocol):
    """What an untrained network does when it is run. Accuracies in [0, 1], differences relative."""

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
        """What of the graph has influence."""
