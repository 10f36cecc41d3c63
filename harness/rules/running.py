"""Verdicts of the rules about running a network, where it could not be run."""

from harness.rules.network import Network
from harness.rules.verdicts import Verdict, not_judged


def no_number(expected: str) -> Verdict:
    """Return the verdict on a network whose outputs are not numbers."""
    return not_judged(
        expected,
        "the untrained network gives outputs that are not numbers",
        cause="student",
        advice="Look for a division by zero, a logarithm of zero, or weights that start far too large.",
    )


def not_run(expected: str, network: Network) -> Verdict:
    """Return the verdict that says why a network was not run."""
    if network.not_run:
        images = "(N, {}, {}, {})".format(*network.input_shape)
        advice = f"The network must map {images} images to logits, one per class; see the other rules."
        return not_judged(expected, f"not run: {network.not_run}", cause="student", advice=advice)
    return not_judged(
        expected,
        "the network could not be rebuilt from its graph and run",
        cause="harness",
        advice="See the other rules that were not judged; they name the operator.",
    )
