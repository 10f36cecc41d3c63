"""The layers a rule is about: a family, and what they have to be like; how a sentence names them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import model_validator

from harness.base.tables import Positive, Share, Table, meant
from harness.graph.activations import NAMES, activation
from harness.graph.flow import literal
from harness.graph.ir import Node
from harness.graph.kinds import KINDS, Kind, Kinds
from harness.graph.naming import counted
from harness.graph.operators import OPS, short_name
from harness.graph.receptive_field.field import Unknown

_WORDS: dict[Kind, str] = {
    "convolution": "convolution",
    "depthwise": "depthwise convolution",
    "pointwise": "pointwise layer",
    "grouped": "grouped convolution",
    "separable": "depthwise-separable convolution",
    "transposed": "transposed convolution",
    "linear": "linear layer",
    "recurrent": "recurrent layer",
    "weighted": "layer with weights",
    "batch_norm": "batch-norm",
    "layer_norm": "layer-norm",
    "group_norm": "group-norm",
    "instance_norm": "instance-norm",
    "normalisation": "normalisation",
    "dropout": "dropout",
    "activation": "activation",
    "softmax": "softmax layer",
    "max_pool": "max-pool",
    "global_max_pool": "global max-pool",
    "average_pool": "average pool",
    "global_average_pool": "global average pool",
    "interpolation": "interpolation",
    "attention": "attention layer",
    "residual_add": "residual sum",
    "concatenation": "concatenation",
    "arithmetic": "element-wise operator",
}
_SLIDING: frozenset[Kind] = frozenset(
    {
        "convolution",
        "depthwise",
        "pointwise",
        "grouped",
        "separable",
        "transposed",
        "max_pool",
        "average_pool",
    }
)
_WITH_GROUPS: frozenset[Kind] = _SLIDING - {"max_pool", "average_pool"} | {"group_norm"}
_WITH_OUT: frozenset[Kind] = _SLIDING - {"max_pool", "average_pool"} | {"linear", "weighted"}
_TAKES: dict[str, frozenset[Kind]] = {
    "name": frozenset({"activation"}),
    "kernel": _SLIDING,
    "stride": _SLIDING,
    "dilation": _SLIDING - {"average_pool"},
    "groups": _WITH_GROUPS,
    "out": _WITH_OUT,
    "bias": _WITH_OUT,
    "p": frozenset({"dropout"}),
}
"""Which families can be asked for by which attribute."""
_SIZES = 'expected a number, "3x1", a list of those, or { at_least = 2 }'


class Sizes(Table):
    """Sizes of a window that are allowed: ``3``, ``"3x1"``, any of ``[1, 3]``, or ``{ at_least = 2 }``.

    A number stands for all sides; of a range the larger side counts.
    """

    any_of: tuple[tuple[Positive, ...], ...] = ()
    at_least: Positive | None = None
    at_most: Positive | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_toml(cls, value: Any) -> Any:
        if isinstance(value, dict) and value:
            return value
        items = value if isinstance(value, list) and value else [value]
        return {"any_of": tuple(_sides(item) for item in items)}

    def allows(self, sides: Sequence[int]) -> bool:
        """Return whether a window, or a single number, has one of these sizes."""
        if self.any_of:
            return any(tuple(sides) == (one * len(sides) if len(one) == 1 else one) for one in self.any_of)
        return (self.at_least or 0) <= max(sides) <= (self.at_most or max(sides))

    def __str__(self) -> str:
        """Return the sizes in words: "1 or 3x1", "at least 2"."""
        if self.any_of:
            return " or ".join("x".join(map(str, one)) for one in self.any_of)
        parts = [
            f"at least {self.at_least}" if self.at_least else "",
            f"at most {self.at_most}" if self.at_most else "",
        ]
        return " and ".join(part for part in parts if part)


class Chances(Table):
    """Probabilities that are allowed: ``0.5``, or ``{ at_least = 0.1, at_most = 0.5 }``, inclusive.

    Of ``{ above = 0.1 }`` 0.1 is none.
    """

    at_least: Share | None = None
    above: Share | None = None
    at_most: Share | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        return {"at_least": value, "at_most": value} if type(value) in (int, float) else value

    @model_validator(mode="after")
    def _allows_some(self) -> "Chances":
        if self == Chances.model_construct():
            raise ValueError("expected a number, at_least, above or at_most, got none of them")
        if not (self.allows(1.0 if self.at_most is None else self.at_most)):
            raise ValueError(f"{self}: no probability is allowed")
        return self

    def allows(self, p: float) -> bool:
        """Return whether a probability is allowed."""
        is_large = p >= (self.at_least or 0.0) and (self.above is None or p > self.above)
        return is_large and p <= (1.0 if self.at_most is None else self.at_most)

    def __str__(self) -> str:
        """Return the probabilities in words: "0.5", "above 0.1", "at least 0.2 and at most 0.5"."""
        if self.at_least is not None and self.at_least == self.at_most:
            return f"{self.at_least:g}"
        parts = (("at least", self.at_least), ("above", self.above), ("at most", self.at_most))
        return " and ".join(f"{words} {value:g}" for words, value in parts if value is not None)


class Layers(Table):
    """Layers of one family, and what they have to be like; what is not given may be anything.

    The name of a family alone stands for all of its layers.
    """

    family: Kind
    name: str | None = None
    """Of an activation."""
    kernel: Sizes | None = None
    stride: Sizes | None = None
    dilation: Sizes | None = None
    groups: Sizes | None = None
    out: Sizes | None = None
    """Channels or features that a layer makes."""
    bias: bool | None = None
    p: Chances | None = None
    """Of a dropout."""

    @model_validator(mode="before")
    @classmethod
    def _from_toml(cls, value: Any) -> Any:
        given = {"family": value} if isinstance(value, str) else value
        family = given.get("family") if isinstance(given, dict) else None
        if isinstance(family, str) and family not in KINDS and family.lower() in NAMES:
            raise ValueError(f'{family} is no family; write family = "activation", name = "{family.lower()}"')
        return given

    @model_validator(mode="after")
    def _fits_the_family(self) -> "Layers":
        for key, families in _TAKES.items():
            if getattr(self, key) is not None and self.family not in families:
                raise ValueError(
                    f"{self.family} has no {key}; {key} belongs to {', '.join(sorted(families))}"
                )
        if self.name is not None and self.name not in NAMES:
            known = meant(self.name.lower(), NAMES, "activations").rstrip(".")
            raise ValueError(f"unknown activation {self.name}. {known}")
        return self

    @property
    def is_narrow(self) -> bool:
        """Whether a layer of the family may be none of these."""
        return any(getattr(self, key) is not None for key in _TAKES)

    def words(self, number: int = 1) -> str:
        """Return the layers in words, for so many of them: "convolutions with kernel 3 and stride 2"."""
        noun = f"{self.name} {_WORDS[self.family]}" if self.name else _WORDS[self.family]
        noun = counted(number, noun).removeprefix(f"{number} ")
        given = [f"{key} {getattr(self, key)}" for key in _TAKES if isinstance(getattr(self, key), Sizes)]
        if self.bias is not None:
            given.append("a bias" if self.bias else "no bias")
        if self.p is not None:
            given.append(f"p {self.p}")
        return noun + (f" with {_listed(given)}" if given else "")

    def matches(self, kinds: Kinds, node: Node) -> bool | None:
        """Return whether a node is one of these layers; None where that cannot be decided."""
        classified = kinds.of(node)
        if self.family not in classified.surely | classified.perhaps:
            return False
        fits = [_fits(self, key, kinds, node) for key in _TAKES if getattr(self, key) is not None]
        if False in fits:
            return False
        return None if None in fits or self.family not in classified.surely else True


@dataclass(frozen=True)
class Found:
    """The layers of a graph that were looked for, and nodes that may be such."""

    nodes: tuple[Node, ...]
    doubtful: tuple[Unknown, ...] = field(default=())


def find(layers: Layers, kinds: Kinds, among: Sequence[Node] | None = None) -> Found:
    """Find layers among live nodes, in order of execution."""
    matched = [(node, layers.matches(kinds, node)) for node in (kinds.nodes if among is None else among)]
    doubtful = [Unknown(node, f"it may be a {layers.words()}") for node, is_one in matched if is_one is None]
    return Found(tuple(node for node, is_one in matched if is_one), tuple(doubtful))


def nearly(layers: Layers, kinds: Kinds) -> str:
    """Return how another layer of the family could be changed to match; empty where there is none."""
    slides = ("conv", "conv_transpose", "avg_pool", "max_pool")
    others = [n for n in kinds.nodes if layers.family in kinds.of(n).surely and OPS.get(n.op) in slides]
    for node in reversed(others):
        wrong = [
            key for key in _TAKES if getattr(layers, key) is not None and not _fits(layers, key, kinds, node)
        ]
        if len(wrong) == 1 and wrong[0] not in ("name", "bias", "p"):
            now = "x".join(map(str, dict.fromkeys(_measure(kinds, wrong[0], node) or ())))
            requested = f"{wrong[0]} {getattr(layers, wrong[0])}"
            return f"Give {node.layer} {requested}: it has {wrong[0]} {now or 'of no fixed size'}."
    return ""


def described(kinds: Kinds, node: Node) -> str:
    """Return a node in words, for a message: "a 3x3 convolution (stride 2) to 32 channels"."""
    classified = kinds.of(node)
    window, out = kinds.window(node), kinds.outputs(node)
    order: tuple[Kind, ...] = ("depthwise", "transposed", "convolution", "linear", *_WORDS)
    kind = next((one for one in order if one in classified.surely), None)
    if kind is None:
        return f"a {short_name(node.op).rstrip('_')}"
    if kind == "activation":
        return f"a {activation(kinds.view.measured, node)} activation"
    text = _WORDS[kind]
    if window is not None and OPS.get(node.op) != "linear":
        text = f"{'x'.join(map(str, window.kernel))} {text}"
        text += (
            f" (stride {'x'.join(map(str, dict.fromkeys(window.stride)))})"
            if set(window.stride) != {1}
            else ""
        )
    if kind in _WITH_OUT and out is not None:
        text += f" to {out} {'features' if kind == 'linear' else 'channels'}"
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


# Private functions


def _sides(item: Any) -> tuple[int, ...]:
    if type(item) is int:
        return (item,)
    parts = item.split("x") if isinstance(item, str) else []
    if not parts or not all(part.isdigit() for part in parts):
        raise ValueError(f"{_SIZES}, got {item!r}")
    return tuple(int(part) for part in parts)


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _fits(layers: Layers, key: str, kinds: Kinds, node: Node) -> bool | None:
    """Return whether one attribute of a node is as asked for; None where it is not known."""
    if key == "name":
        return activation(kinds.view.measured, node) == layers.name
    if key == "bias":
        return (node.arg(2, "bias") is not None) is layers.bias
    if key == "p":
        p = literal(node.arg(1, "p"))
        return None if p is None or layers.p is None else layers.p.allows(p)
    sizes: Sizes = getattr(layers, key)
    found = _measure(kinds, key, node)
    return None if found is None else sizes.allows(found)


def _measure(kinds: Kinds, key: str, node: Node) -> tuple[int, ...] | None:
    """Read an attribute of a node in numbers: the sides of its window, its groups, its channels."""
    if key == "out":
        out = kinds.outputs(node)
        return None if out is None else (out,)
    if key == "groups" and short_name(node.op) == "group_norm":
        groups = node.arg(1, "num_groups")
        return (groups,) if type(groups) is int else None
    window = kinds.window(node)
    if window is None:
        return None
    measure: tuple[int, ...] = (window.groups,) if key == "groups" else getattr(window, key)
    return measure
