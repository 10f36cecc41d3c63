"""Random operators draw the numbers of their step and place, and compute with them what torch does."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from harness.graph.operators import OPS
from harness.training.chance.philox import Moment
from harness.training.chance.random_operators import Drawing, drawing

ATEN = torch.ops.aten
CPU = torch.device("cpu")
MOMENT = Moment(seed=1, epoch=2, step=3)
MAPS = torch.randn(6, 8, 5, 7, generator=torch.Generator().manual_seed(0))
ALPHA = -1.7580993408473766
RECURRENT = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn_tanh": nn.RNN}


def called(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(ATEN, packet), overload or "default")


def drawn(name: str, *args: Any, moment: Moment = MOMENT, node: int = 4, **kwargs: Any) -> Any:
    """Call an operator of aten as a node of a graph; in-place ones get a copy."""
    one = drawing(called(name), node)
    assert isinstance(one, Drawing)
    return one.at(moment)(*(a.clone() if isinstance(a, torch.Tensor) else a for a in args), **kwargs)


def recurrent(kind: str, dropout: float, *, bidirectional: bool = False) -> tuple[Any, ...]:
    torch.manual_seed(0)
    layers = RECURRENT[kind](5, 4, num_layers=3, batch_first=True, bidirectional=bidirectional)
    state = torch.zeros(6 if bidirectional else 3, 2, 4)
    weights = [p.detach() for p in layers.parameters()]
    first = [state, state] if kind == "lstm" else state
    return torch.randn(2, 7, 5), first, weights, True, 3, dropout, True, bidirectional, True


QUERY, KEY, VALUE = torch.randn(3, 2, 4, 6, 6, generator=torch.Generator().manual_seed(1)).unbind()
CALLS: dict[str, tuple[Any, ...]] = {
    "dropout": (MAPS, 0.3, True),
    "dropout_": (MAPS, 0.3, True),
    "feature_dropout": (MAPS, 0.3, True),
    "feature_dropout_": (MAPS, 0.3, True),
    "alpha_dropout": (MAPS, 0.3, True),
    "alpha_dropout_": (MAPS, 0.3, True),
    "feature_alpha_dropout": (MAPS, 0.3, True),
    "feature_alpha_dropout_": (MAPS, 0.3, True),
    "native_dropout": (MAPS, 0.3, True),
    "rrelu": (MAPS, 0.1, 0.3, True),
    "rrelu_": (MAPS, 0.1, 0.3, True),
    "scaled_dot_product_attention": (QUERY, KEY, VALUE, None, 0.3),
    "lstm.input": recurrent("lstm", 0.3),
    "gru.input": recurrent("gru", 0.3),
    "rnn_tanh.input": recurrent("rnn_tanh", 0.3),
    "rnn_relu.input": recurrent("rnn_tanh", 0.3),
    "rand": ([50, 3],),
    "rand_like": (MAPS,),
    "randn": ([50, 3],),
    "randn_like": (MAPS,),
    "randint": (9, [50, 3]),
    "randint.low": (-3, 9, [50, 3]),
    "randint_like": (MAPS, 9),
    "randint_like.low_dtype": (MAPS, -3, 9),
    "randperm": (60,),
    "bernoulli": (MAPS.sigmoid(),),
    "bernoulli.p": (MAPS, 0.3),
    "bernoulli_.float": (MAPS, 0.3),
    "normal_": (MAPS, 2.0, 3.0),
    "uniform_": (MAPS, 2.0, 3.0),
    "exponential_": (MAPS, 2.0),
    "multinomial": (MAPS[0, 0].exp(), 4),
    "normal.float_float": (2.0, 3.0, [50, 3]),
    "normal.Tensor_float": (MAPS, 3.0),
    "random_": (MAPS,),
    "random_.from": (MAPS, -3, 9),
}
IN_PLACE = [name for name in CALLS if name.partition(".")[0].endswith("_")]
DROPOUTS = ["dropout", "dropout_", "feature_dropout", "feature_dropout_"]
ALPHAS = ["alpha_dropout", "alpha_dropout_", "feature_alpha_dropout", "feature_alpha_dropout_"]


def values(found: Any) -> Sequence[torch.Tensor]:
    return found if isinstance(found, tuple) else (found,)


def test_every_operator_of_the_allow_list_that_draws_is_here() -> None:
    """Torch marks them itself: what they give is fixed by a seed and by nothing else."""
    names = {name.removeprefix("aten.").removesuffix(".default") for name in OPS if name.startswith("aten.")}
    assert {n for n in names if torch.Tag.nondeterministic_seeded in called(n).tags} == set(CALLS)
    assert all(isinstance(drawing(called(name), 0), Drawing) for name in CALLS)


def test_any_other_operator_stays_as_it_is() -> None:
    assert drawing(ATEN.relu.default, 0) is ATEN.relu.default


@pytest.mark.parametrize("name", CALLS)
def test_what_is_drawn_depends_on_the_step_and_the_node_and_on_nothing_before(name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = values(drawn(name, *CALLS[name]))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert all(map(torch.equal, values(drawn(name, *CALLS[name])), first))
    for moment, node in ((replace(MOMENT, step=4), 4), (replace(MOMENT, epoch=4), 4), (MOMENT, 5)):
        other = values(drawn(name, *CALLS[name], moment=moment, node=node))
        assert not torch.equal(other[0], first[0])


@pytest.mark.parametrize("name", CALLS)
def test_the_result_is_of_the_kind_that_torch_gives(name: str) -> None:
    args = CALLS[name]
    expected = values(called(name)(*(a.clone() if isinstance(a, torch.Tensor) else a for a in args)))
    for one, other in zip(values(drawn(name, *args)), expected, strict=True):
        assert (one.shape, one.dtype, one.stride()) == (other.shape, other.dtype, other.stride())
        assert one.isfinite().all()
        if name != "normal.Tensor_float":
            assert one.double().mean().item() == pytest.approx(other.double().mean().item(), rel=0.3, abs=0.3)


@pytest.mark.parametrize("name", CALLS)
def test_shapes_can_be_worked_out_without_any_value(name: str) -> None:
    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(one) for one in value]
        return value.to("meta") if isinstance(value, torch.Tensor) else value

    args = [moved(one) for one in CALLS[name]]
    makes_one = any(one.name == "device" for one in called(name)._schema.arguments) and "like" not in name
    found = values(drawn(name, *args, **({"device": torch.device("meta")} if makes_one else {})))
    assert [one.shape for one in found] == [one.shape for one in values(drawn(name, *CALLS[name]))]
    assert all(one.is_meta for one in found)


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_draws_in_place_changes_the_tensor_it_is_given(name: str) -> None:
    x = MAPS.clone()
    one = drawing(called(name), 4)
    assert isinstance(one, Drawing)
    assert one.at(MOMENT)(x, *CALLS[name][1:]) is x
    assert not torch.equal(x, MAPS)


@pytest.mark.parametrize("p", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("name", [*DROPOUTS, "native_dropout"])
def test_dropout_scales_what_is_kept_and_so_its_gradient(name: str, p: float) -> None:
    x = MAPS.clone().requires_grad_()
    out = values(drawn(name, x, p, True))[0]
    left = (out != 0).float()
    assert torch.equal(out, x * left * (1 / (1 - p) if p < 1 else 0))
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(gradient, left * (1 / (1 - p) if p < 1 else 0))
    assert left.mean().item() == pytest.approx(1 - p, abs=0.15)


@pytest.mark.parametrize("name", ["feature_dropout", "feature_alpha_dropout"])
def test_features_are_dropped_whole(name: str) -> None:
    out = drawn(name, MAPS.abs() + 1, 0.5, True)
    lost = (out <= 0).flatten(2)
    assert torch.equal(lost.all(2), lost.any(2))
    assert 0 < lost.all(2).sum() < 48


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", ALPHAS)
def test_alpha_dropout_keeps_mean_and_variance_and_is_linear_in_what_is_kept(name: str, p: float) -> None:
    x = torch.randn(200, 300, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    out = drawn(name, x, p, True)
    (slopes,) = torch.autograd.grad(out.sum(), x)
    scale = 0 if p == 1 else 1 / math.sqrt((ALPHA**2 * p + 1) * (1 - p))
    shift = -ALPHA * scale * p
    left = slopes != 0
    assert torch.equal(slopes, left * torch.tensor(scale))
    expected = torch.where(left, x, ALPHA) * scale + shift
    assert torch.allclose(out, expected, atol=1e-5)
    if p < 1:
        assert (out.mean().item(), out.std().item()) == pytest.approx((0, 1), abs=0.03)


def test_two_precisions_drop_the_same_elements() -> None:
    dtypes = (torch.float64, torch.float32, torch.bfloat16)
    masks = [drawn("dropout", MAPS.to(dtype), 0.5, True) != 0 for dtype in dtypes]
    assert torch.equal(masks[0], masks[1]) and torch.equal(masks[0], masks[2])


def test_two_layouts_drop_the_same_elements_and_keep_their_layout() -> None:
    rows, last = (MAPS.contiguous(memory_format=f) for f in (torch.contiguous_format, torch.channels_last))
    one, other = drawn("dropout", rows, 0.5, True), drawn("dropout", last, 0.5, True)
    assert torch.equal(one, other)
    assert one.is_contiguous() and other.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", [*DROPOUTS, *ALPHAS, "native_dropout"])
def test_nothing_is_dropped_in_evaluation_or_with_no_probability(name: str) -> None:
    for p, train in ((0.0, True), (0.5, False)):
        assert torch.equal(values(drawn(name, MAPS, p, train))[0], MAPS)


@pytest.mark.parametrize("name", [*DROPOUTS, *ALPHAS])
def test_a_probability_that_is_none_is_refused_by_torch(name: str) -> None:
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        drawn(name, MAPS, 1.5, True)


def test_rrelu_draws_a_slope_for_what_is_not_positive() -> None:
    x = MAPS.clone().requires_grad_()
    out = drawn("rrelu", x, 0.1, 0.3, True)
    (slopes,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(out, x * slopes)
    assert (slopes[x > 0] == 1).all()
    below = slopes[x <= 0]
    assert 0.1 <= below.min() < 0.11 and 0.29 < below.max() < 0.3
    assert torch.equal(drawn("rrelu", MAPS, 0.1, 0.3, False), F.rrelu(MAPS, 0.1, 0.3))


GROUPED = (QUERY, KEY[:, :2], VALUE[:, :2])
MASKS = {
    "causal": ((QUERY, KEY, VALUE), {"is_causal": True}),
    "bool mask": ((QUERY, KEY, VALUE), {"attn_mask": torch.ones(6, 6, dtype=torch.bool).tril()}),
    "added mask": ((QUERY, KEY, VALUE), {"attn_mask": torch.arange(36.0).view(6, 6) / 9}),
    "scale": ((QUERY, KEY, VALUE), {"scale": 0.2}),
    "one query for all": ((QUERY[:1], KEY, VALUE), {}),
    "grouped queries": (GROUPED, {"enable_gqa": True}),
}


@pytest.mark.parametrize("kind", MASKS)
def test_attention_without_a_loss_is_torch_s_own(kind: str) -> None:
    inputs, options = MASKS[kind]
    almost = drawn("scaled_dot_product_attention", *inputs, **options, dropout_p=1e-12)
    assert torch.allclose(almost, F.scaled_dot_product_attention(*inputs, **options), atol=1e-6)


def test_attention_drops_weights_and_scales_the_others() -> None:
    each = torch.eye(6).expand(2, 4, 6, 6)  # so that the result is the weights themselves
    whole = F.scaled_dot_product_attention(QUERY, KEY, each)
    out = drawn("scaled_dot_product_attention", QUERY, KEY, each, dropout_p=0.5)
    assert torch.allclose(out, whole * 2 * (out != 0), atol=1e-6)
    assert (out == 0).float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert not drawn("scaled_dot_product_attention", QUERY, KEY, each, dropout_p=1.0).any()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", RECURRENT)
def test_a_recurrent_network_without_a_loss_is_torch_s_own(kind: str, bidirectional: bool) -> None:
    args = recurrent(kind, 1e-12, bidirectional=bidirectional)
    expected = called(f"{kind}.input")(*args[:5], 0.0, *args[6:])
    for one, other in zip(drawn(f"{kind}.input", *args), expected, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_recurrent_network_drops_between_its_layers_and_never_at_its_ends() -> None:
    args = recurrent("gru", 1.0)
    found, states = drawn("gru.input", *args)
    x, first, weights = args[:3]
    nothing = torch.zeros(2, 7, 4)
    last, _ = ATEN.gru.input(nothing, first[:1], weights[8:], True, 1, 0.0, True, False, True)
    assert torch.equal(found, last)
    _, begun = ATEN.gru.input(x, first[:1], weights[:4], True, 1, 0.0, True, False, True)
    assert torch.equal(states[0], begun[0])


def test_categories_are_drawn_by_their_weights_and_no_other() -> None:
    weights = torch.tensor([1.0, 0.0, 2.0, 5.0]).expand(5000, 4)
    for count, replacement in ((1, False), (2, True)):
        found = drawn("multinomial", weights, count, replacement).flatten().bincount(minlength=4)
        shares = (found / found.sum()).tolist()
        assert shares == pytest.approx([0.125, 0, 0.25, 0.625], abs=0.03)
    both = drawn("multinomial", weights, 3)
    assert (both.sort(1).values == torch.tensor([0, 2, 3])).all()


def test_a_permutation_has_every_place_once() -> None:
    assert drawn("randperm", 60).tolist() != list(range(60))
    assert sorted(drawn("randperm", 60).tolist()) == list(range(60))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_random_fills_with_the_integers_that_the_dtype_has(dtype: torch.dtype) -> None:
    found = drawn("random_", torch.empty(4000, dtype=dtype))
    if dtype.is_floating_point:
        most: float = 2 / torch.finfo(dtype).eps
    else:
        most = 1 if dtype == torch.bool else torch.iinfo(dtype).max
    assert found.min() >= 0
    assert 0.99 * most <= found.double().max() <= most
    assert torch.equal(found.double(), found.double().floor())


def test_a_tensor_like_another_takes_its_layout_or_the_one_it_is_told() -> None:
    last = MAPS.contiguous(memory_format=torch.channels_last)
    assert drawn("rand_like", last).is_contiguous(memory_format=torch.channels_last)
    assert drawn("rand_like", last, memory_format=torch.contiguous_format).is_contiguous()
    assert torch.equal(drawn("rand_like", last), drawn("rand_like", MAPS))
    assert drawn("randint_like", last, 9, dtype=torch.int32).dtype == torch.int32
    assert drawn("rand", [3], dtype=torch.float64).dtype == torch.float64
