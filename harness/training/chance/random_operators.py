"""Operators that draw random numbers, with numbers of `harness.training.chance.philox` in place of torch's.

Torch's own depend on the device, on a GPU even on how many multiprocessors it has, and on all that was
drawn before. Here they are a function of the step, the node's place in the graph, and the element.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from harness.training.chance.distributions import exponential, integers, kept, normal, uniform
from harness.training.chance.philox import Moment, Stream

Call = Callable[..., Any]
Arguments = Mapping[str, Any]

_ALPHA = 1.7580993408473766
"""SELU's value at minus infinity, negated: what alpha dropout sets elements to (Klambauer et al. 2017)."""


@dataclass(frozen=True)
class Drawing:
    """An operator that draws, at its place in the graph."""

    operator: Any
    node: int

    def at(self, moment: Moment) -> Call:
        """Return the operator as it draws in one step."""
        return partial(self._run, moment.stream(self.node))

    def _run(self, stream: Stream, *args: Any, **kwargs: Any) -> Any:
        found = _OPERATORS[self.operator](stream, _named(self.operator, args, kwargs))
        return self.operator(*args, **kwargs) if found is None else found


def drawing(call: Call, node: int) -> Call | Drawing:
    """Return an operator that may draw as a `Drawing`, any other as it is."""
    return Drawing(call, node) if call in _OPERATORS else call


# Private functions


def _named(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return every argument by its name, and the defaults of those left out."""
    arguments = operator._schema.arguments
    defaults = {one.name: one.default_value for one in arguments}
    return defaults | {one.name: value for one, value in zip(arguments, args, strict=False)} | dict(kwargs)


# Dropout. None is returned where nothing is dropped; torch's own operator is called then, and may raise.


def _probability(a: Arguments, training: str = "train") -> float | None:
    """Return with which probability elements are dropped; None for none at all, or what torch refuses."""
    p = a["p"]
    return p if a[training] in (True, None) and 0 < p <= 1 else None


def _factors(stream: Stream, shape: Sequence[int], p: float, like: torch.Tensor) -> torch.Tensor:
    """Return 0 for what is dropped and 1 / (1 - p) for what is kept, in the dtype of `like`."""
    mask = kept(stream, shape, p, like.device).to(like.dtype)
    return mask.mul_(1 / (1 - p)) if p < 1 else mask


def _features(x: torch.Tensor) -> Sequence[int]:
    return (*x.shape[:2], *[1] * (x.ndim - 2))


def _dropout(
    stream: Stream, a: Arguments, *, features: bool = False, in_place: bool = False
) -> torch.Tensor | None:
    x: torch.Tensor = a["self"] if "self" in a else a["input"]
    p = _probability(a)
    if p is None or (features and x.ndim < 2):
        return None
    factors = _factors(stream, _features(x) if features else x.shape, p, x)
    return x.mul_(factors) if in_place else x * factors


def _native_dropout(stream: Stream, a: Arguments) -> tuple[torch.Tensor, torch.Tensor] | None:
    x, p = a["input"], _probability(a)
    if p is None:
        return None
    factors = _factors(stream, x.shape, p, x)
    return x * factors, torch.empty_like(x, dtype=torch.bool).copy_(factors != 0)


def _alpha_dropout(
    stream: Stream, a: Arguments, *, features: bool = False, in_place: bool = False
) -> torch.Tensor | None:
    """Drop to the value of saturation, and scale and shift so that mean and variance stay."""
    x: torch.Tensor = a["self"] if "self" in a else a["input"]
    p = _probability(a)
    if p is None or (features and x.ndim < 2):
        return None
    shape = _features(x) if features else x.shape
    if p == 1:
        factors = shifts = torch.zeros(shape, dtype=x.dtype, device=x.device)
    else:
        scale = 1 / math.sqrt((_ALPHA**2 * p + 1) * (1 - p))
        mask = kept(stream, shape, p, x.device).to(x.dtype)
        factors, shifts = mask * scale, (mask - 1 + p) * (_ALPHA * scale)
    return x.mul_(factors).add_(shifts) if in_place else x * factors + shifts


def _rrelu(stream: Stream, a: Arguments, *, in_place: bool = False) -> torch.Tensor | None:
    """Multiply what is not positive by a slope drawn between two bounds."""
    x: torch.Tensor = a["self"]
    low, high = a["lower"], a["upper"]
    if not a["training"] or not low <= high:
        return None
    slopes = uniform(stream, x.shape, x.dtype, x.device).mul_(high - low).add_(low)
    factors = torch.where(x <= 0, slopes, 1).to(x.dtype)
    return x.mul_(factors) if in_place else x * factors


def _attention(stream: Stream, a: Arguments) -> torch.Tensor | None:
    """Drop from the weights of an attention."""
    query, key, value, p = a["query"], a["key"], a["value"], a["dropout_p"]
    if not 0 < p <= 1:
        return None
    batch = query.shape[:-2] if a["enable_gqa"] else (query[..., :1, :1] + key[..., :1, :1]).shape[:-2]
    mask = kept(stream, (*batch, query.shape[-2], key.shape[-2]), p, query.device)
    share = p if p < 1 else 0.5  # nothing is left to be divided by what is kept
    attended: torch.Tensor = torch.ops.aten._scaled_dot_product_attention_math(
        query, key, value, _added(a["attn_mask"], query), share, a["is_causal"], mask,
        scale=a["scale"], enable_gqa=a["enable_gqa"],
    )[0]  # fmt: skip
    return attended


def _added(mask: torch.Tensor | None, query: torch.Tensor) -> torch.Tensor | None:
    """Return an attention mask as numbers to add: nothing where it holds, minus infinity elsewhere."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, -math.inf)


def _recurrent(stream: Stream, a: Arguments, operator: Any) -> tuple[torch.Tensor, ...] | None:
    """Run a recurrent network layer by layer, and drop between them."""
    p, layers = a["dropout"], a["num_layers"]
    if not a["train"] or not 0 < p <= 1 or layers < 2:
        return None
    several = isinstance(a["hx"], list)
    states = [state.chunk(layers) for state in (a["hx"] if several else [a["hx"]])]
    weights, each = a["params"], len(a["params"]) // layers
    x, last = a["input"], []
    for i in range(layers):
        if i:
            x = x * _factors(stream.other(i), x.shape, p, x)
        begin = [state[i] for state in states]
        own = weights[i * each : (i + 1) * each]
        x, *end = operator(
            x, begin if several else begin[0], own, a["has_biases"], 1, 0.0, a["train"],
            a["bidirectional"], a["batch_first"],
        )  # fmt: skip
        last.append(end)
    return (x, *(torch.cat(state) for state in zip(*last, strict=True)))


# Numbers that are drawn for a tensor of their own, in row-major order.


def _made(draw: Callable[..., torch.Tensor], stream: Stream, a: Arguments) -> torch.Tensor:
    """Draw floating-point numbers for a tensor of a size, or like another."""
    like = a.get("self")
    shape = a["size"] if like is None else like.shape
    dtype = a["dtype"] or (torch.get_default_dtype() if like is None else like.dtype)
    device = a["device"] or (torch.device("cpu") if like is None else like.device)
    drawn: torch.Tensor = draw(stream, shape, dtype, device)
    return drawn if like is None else _as(like, drawn, a["memory_format"])


def _as(like: torch.Tensor, drawn: torch.Tensor, memory_format: torch.memory_format | None) -> torch.Tensor:
    layout = torch.preserve_format if memory_format is None else memory_format
    return torch.empty_like(like, dtype=drawn.dtype, device=drawn.device, memory_format=layout).copy_(drawn)


def _normal_of(stream: Stream, a: Arguments) -> torch.Tensor:
    mean: torch.Tensor | float = a["mean"]
    std: float = a["std"]
    if isinstance(mean, torch.Tensor):
        return normal(stream, mean.shape, mean.dtype, mean.device) * std + mean
    return _made(normal, stream, a) * std + mean


def _randint(stream: Stream, a: Arguments) -> torch.Tensor:
    def draw(stream: Stream, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        return integers(stream, a.get("low", 0), a["high"], shape, device).to(dtype)

    dtype = a["dtype"] or (None if "self" in a else torch.int64)
    return _made(draw, stream, {**a, "dtype": torch.int64 if dtype == 4 else dtype})


def _randperm(stream: Stream, a: Arguments) -> torch.Tensor:
    n, dtype = a["n"], a["dtype"]
    keys = integers(stream, 0, 2**63 - 1, (n,), a["device"] or torch.device("cpu"))
    order = torch.sort(keys, stable=True).indices
    return order if dtype in (None, 4) else order.to(dtype)


def _bernoulli(stream: Stream, a: Arguments) -> torch.Tensor:
    x: torch.Tensor = a["self"]
    p: torch.Tensor | float = a.get("p", x)
    return (uniform(stream, x.shape, torch.float64, x.device) < p).to(x.dtype)


def _multinomial(stream: Stream, a: Arguments) -> torch.Tensor:
    """Draw categories: of waiting times with these rates the shortest is first."""
    rates: torch.Tensor = a["self"].to(torch.float64)
    count = a["num_samples"]
    rows, categories = rates.shape[:-1], rates.shape[-1]
    if a["replacement"]:
        times = exponential(stream, (*rows, count, categories), rates.dtype, rates.device)
        return (rates[..., None, :] / times).argmax(-1)
    times = exponential(stream, rates.shape, rates.dtype, rates.device)
    return (rates / times).sort(descending=True, stable=True).indices[..., :count].contiguous()


# Numbers that are drawn into a tensor.


def _filled(draw: Callable[[Stream, Arguments], torch.Tensor], stream: Stream, a: Arguments) -> torch.Tensor:
    x: torch.Tensor = a["self"]
    return x.copy_(draw(stream, a))


def _as_many(draw: Callable[..., torch.Tensor], stream: Stream, a: Arguments) -> torch.Tensor:
    x: torch.Tensor = a["self"]
    return draw(stream, x.shape, x.dtype, x.device)


def _normal_in(stream: Stream, a: Arguments) -> torch.Tensor:
    return _as_many(normal, stream, a).mul_(a["std"]).add_(a["mean"])


def _uniform_in(stream: Stream, a: Arguments) -> torch.Tensor:
    low, high = a["from"], a["to"]
    return _as_many(uniform, stream, a).mul_(high - low).add_(low)


def _exponential_in(stream: Stream, a: Arguments) -> torch.Tensor:
    return _as_many(exponential, stream, a).div_(a["lambd"])


def _integers_in(stream: Stream, a: Arguments) -> torch.Tensor:
    x, to = a["self"], a.get("to")
    return integers(stream, a.get("from", 0), _end(x.dtype) if to is None else to, x.shape, x.device)


def _end(dtype: torch.dtype) -> int:
    """Return what `random_` draws below: every integer that the dtype has, from 0 on."""
    if dtype.is_floating_point:
        return int(2 / torch.finfo(dtype).eps) + 1
    return 2 if dtype == torch.bool else min(torch.iinfo(dtype).max + 1, 2**63 - 1)


_ATEN = torch.ops.aten
_OPERATORS: dict[Any, Callable[[Stream, Arguments], Any]] = {
    _ATEN.dropout.default: _dropout,
    _ATEN.dropout_.default: partial(_dropout, in_place=True),
    _ATEN.feature_dropout.default: partial(_dropout, features=True),
    _ATEN.feature_dropout_.default: partial(_dropout, features=True, in_place=True),
    _ATEN.native_dropout.default: _native_dropout,
    _ATEN.alpha_dropout.default: _alpha_dropout,
    _ATEN.alpha_dropout_.default: partial(_alpha_dropout, in_place=True),
    _ATEN.feature_alpha_dropout.default: partial(_alpha_dropout, features=True),
    _ATEN.feature_alpha_dropout_.default: partial(_alpha_dropout, features=True, in_place=True),
    _ATEN.rrelu.default: _rrelu,
    _ATEN.rrelu_.default: partial(_rrelu, in_place=True),
    _ATEN.scaled_dot_product_attention.default: _attention,
    **{
        operator: partial(_recurrent, operator=operator)
        for operator in (_ATEN.lstm.input, _ATEN.gru.input, _ATEN.rnn_tanh.input, _ATEN.rnn_relu.input)
    },
    _ATEN.rand.default: partial(_made, uniform),
    _ATEN.rand_like.default: partial(_made, uniform),
    _ATEN.randn.default: partial(_made, normal),
    _ATEN.randn_like.default: partial(_made, normal),
    _ATEN.normal.float_float: _normal_of,
    _ATEN.normal.Tensor_float: _normal_of,
    _ATEN.randint.default: _randint,
    _ATEN.randint.low: _randint,
    _ATEN.randint_like.default: _randint,
    _ATEN.randint_like.low_dtype: _randint,
    _ATEN.randperm.default: _randperm,
    _ATEN.bernoulli.default: _bernoulli,
    _ATEN.bernoulli.p: _bernoulli,
    _ATEN.multinomial.default: _multinomial,
    _ATEN.bernoulli_.float: partial(_filled, _bernoulli),
    _ATEN.normal_.default: partial(_filled, _normal_in),
    _ATEN.uniform_.default: partial(_filled, _uniform_in),
    _ATEN.exponential_.default: partial(_filled, _exponential_in),
    _ATEN.random_.default: partial(_filled, _integers_in),
    getattr(_ATEN.random_, "from"): partial(_filled, _integers_in),
}
