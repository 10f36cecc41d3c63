"""Activations by name, in every spelling: ``clamp(min=0)`` is a ReLU, ``x * sigmoid(x)`` a SiLU."""

from typing import Any

from harness.graph.flow import data_reads, literal
from harness.graph.ir import Node, Ref
from harness.graph.operators import short_name
from harness.graph.receptive_field.engine import Measured

_NAMED = frozenset(
    {
        "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "glu",
        "hardswish", "hardsigmoid", "hardtanh", "hardshrink", "softshrink", "softplus", "log_sigmoid",
        "threshold", "sigmoid", "tanh",
    }
)  # fmt: skip
_OTHER_WORDS = {"special_expit": "sigmoid", "erf": "gelu"}
_CLAMPS = frozenset({"clamp", "clip", "clamp_min", "clamp_max", "hardtanh"})
NAMES = tuple(sorted(_NAMED | {"clamp"}))
"""Every name that an activation can be asked for by."""


def activation(measured: Measured, node: Node) -> str | None:
    """Return the activation that a node is; None for other arithmetic."""
    name = short_name(node.op).rstrip("_")
    if name in _CLAMPS:
        return _clamp(name, node)
    if name in ("maximum", "max", "fmax"):
        return "relu" if _against_zeros(measured, node) else None
    if name in _OTHER_WORDS or name in _NAMED:
        name = _OTHER_WORDS.get(name, name)
        return "silu" if name == "sigmoid" and _gates_its_own_source(measured, node) else name
    return None


# Private functions


def _clamp(name: str, node: Node) -> str | None:
    if any(isinstance(arg, Ref) for arg in node.args[1:]):
        return None
    low, high = _bounds(name, node)
    match low, high:
        case 0.0, None:
            return "relu"
        case 0.0, 6.0:
            return "relu6"
    return "hardtanh" if name == "hardtanh" else "clamp"


def _bounds(name: str, node: Node) -> tuple[float | None, float | None]:
    if name == "clamp_max":
        return None, literal(node.arg(1, "max"))
    first: Any = -1 if name == "hardtanh" else None
    last: Any = 1 if name == "hardtanh" else None
    keys = ("min_val", "max_val") if name == "hardtanh" else ("min", "max")
    high = None if name == "clamp_min" else node.arg(2, keys[1], last)
    return literal(node.arg(1, keys[0], first)), literal(high)


def _against_zeros(measured: Measured, node: Node) -> bool:
    """Return whether the larger of a value and of zeros is taken."""
    others = [ref for ref in node.refs if ref not in measured.fields]
    return len(others) == 1 and others[0] in measured.flow.zeros


def _gates_its_own_source(measured: Measured, node: Node) -> bool:
    """Return whether a sigmoid serves to be multiplied by what it was computed from, and nothing else."""
    readers = [later for later in measured.nodes if node.name in later.refs]
    source = node.refs[0]
    return bool(readers) and all(
        short_name(one.op).rstrip("_") in ("mul", "multiply") and set(data_reads(one)) == {node.name, source}
        for one in readers
    )
