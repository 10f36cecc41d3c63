"""The rule about the size of the stored weights."""

from harness.graph.cost import bytes_of
from harness.graph.ir import Architecture
from harness.rules.base import NetworkRule, rule
from harness.rules.limits import Budget, judged_by_budget
from harness.rules.network import Network
from harness.rules.verdicts import Verdict


@rule(asks="a small file of weights", needs="graph")
class MaxBytes(NetworkRule):
    """Check that the weights, as they are stored, take few enough bytes."""

    class Settings(Budget):
        """Bytes of all parameters and buffers; 4 for each float32."""

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs together."""
        sizes = _sizes(network.architecture)
        largest = sorted(sizes.items(), key=lambda item: -item[1])
        return judged_by_budget(settings, sum(sizes.values()), "bytes", largest)


# Private functions


def _sizes(architecture: Architecture) -> dict[str, int]:
    """Count the bytes of every tensor of the model, tied ones once."""
    owned = (tensor for tensor in architecture.tensors if tensor.tied_to is None)
    return {tensor.name: bytes_of(tensor.shape, tensor.dtype) for tensor in owned}
