"""The allow-list: every operator that a graph may contain, and what it means to the analysis.

The names are those that `torch.export.export` writes without decompositions. An operator is absent
when nothing harmless needs it (I/O, raw memory, code), or when nobody has said yet what it means; a
graph that contains one is not judged. What an operator does to a receptive field, and which of them
hide a maximum, is in the modules that measure it; here is only its family, and whether its result may share
memory with what it reads.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from harness.graph.ir import Architecture, Graph, Node

Family = Literal[
    "elementwise",  # every element from the elements at its own place
    "maximum",  # elementwise, and picks one of two tensors
    "glu",  # one half of a dimension, scaled by the other
    "identity",  # same values: copies, casts, memory layout
    "overwrite",  # in place, old values lost
    "conv", "conv_transpose", "linear", "matmul", "einsum", "attention", "recurrent",
    "avg_pool", "max_pool", "adaptive_avg_pool", "adaptive_max_pool",
    "batch_norm", "norm", "weight_norm", "softmax", "dropout",
    "reduce",  # one number from many: sum, mean, variance, norm
    "reduce_max",  # one number from many by order: max, min, median, quantile
    "order",  # keeps the number of elements, by order: sort, cummax
    "scan",  # cumulative sums
    "view",  # another shape, the same order of elements
    "permute", "slice", "split", "select", "expand", "repeat", "flip", "roll", "pad", "cat", "stack",
    "scatter", "gather", "unfold", "im2col", "col2im", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
    "resample", "frequency", "complex_pairs", "linalg",
    "not_followed",  # may be run, and what it does to rows and columns is not followed
    "creation", "uninitialised", "random",
    "number",  # arithmetic on sizes, and items of tuples
    "check",
]  # fmt: skip

# A name without a dot is the overload "default".
_ATEN: Mapping[Family, str] = {
    "elementwise": """
        relu relu_ relu6 relu6_ leaky_relu leaky_relu_ prelu elu elu_ selu selu_ celu celu_ gelu gelu_
        silu silu_ mish mish_ hardswish hardswish_ hardsigmoid hardsigmoid_ hardtanh hardtanh_ hardshrink
        softshrink softplus log_sigmoid threshold threshold_ sigmoid sigmoid_ tanh tanh_ special_expit
        rrelu rrelu_ logit logit_
        add.Tensor add.Scalar add_.Tensor add_.Scalar sub.Tensor sub.Scalar sub_.Tensor sub_.Scalar
        subtract.Tensor subtract.Scalar rsub.Scalar rsub.Tensor mul.Tensor mul.Scalar mul_.Tensor
        mul_.Scalar multiply.Tensor multiply.Scalar multiply_.Tensor div.Tensor div.Scalar
        div.Tensor_mode div.Scalar_mode div_.Tensor div_.Scalar divide.Tensor divide.Scalar
        true_divide.Tensor true_divide.Scalar floor_divide floor_divide.Scalar pow.Tensor_Scalar
        pow.Tensor_Tensor pow.Scalar pow_.Scalar pow_.Tensor float_power.Tensor_Scalar
        float_power.Tensor_Tensor addcmul addcmul_ addcdiv addcdiv_ lerp.Scalar lerp.Tensor lerp_.Scalar
        lerp_.Tensor fmod.Scalar fmod.Tensor remainder.Scalar remainder.Tensor atan2 hypot copysign.Tensor
        copysign.Scalar logaddexp logaddexp2 xlogy.Tensor xlogy.Scalar_Self xlogy.Scalar_Other
        abs abs_ neg neg_ negative sign sgn square square_ sqrt sqrt_ rsqrt rsqrt_ reciprocal reciprocal_
        exp exp_ exp2 expm1 log log_ log1p log2 log10 sin sin_ cos cos_ tan asin acos atan sinh cosh asinh
        acosh atanh erf erf_ erfc erfinv floor floor_ ceil ceil_ round round_ round.decimals trunc trunc_
        frac sinc nan_to_num nan_to_num_ clamp clamp_ clip clip_ clamp_min clamp_min_ clamp_max clamp_max_
        eq.Scalar eq.Tensor ne.Scalar ne.Tensor lt.Scalar lt.Tensor le.Scalar le.Tensor gt.Scalar
        gt.Tensor ge.Scalar ge.Tensor isnan isinf isfinite logical_and logical_or logical_not logical_xor
        bitwise_and.Tensor bitwise_or.Tensor bitwise_xor.Tensor bitwise_not __and__.Tensor __or__.Tensor
        __xor__.Tensor masked_fill.Scalar masked_fill.Tensor masked_fill_.Scalar masked_fill_.Tensor
        complex real imag angle heaviside""",
    "glu": "glu",
    "maximum": """
        maximum minimum max.other min.other fmax fmin where.self where.ScalarOther where.ScalarSelf
        where.Scalar clamp.Tensor clamp_.Tensor clip.Tensor clip_.Tensor clamp_min.Tensor
        clamp_min_.Tensor clamp_max.Tensor clamp_max_.Tensor""",
    "identity": """
        alias clone contiguous detach detach_ lift_fresh_copy to.dtype to.dtype_layout to.device to.other
        type_as""",
    "overwrite": "copy_ fill_.Scalar fill_.Tensor zero_",
    "conv": "conv1d conv1d.padding conv2d conv2d.padding conv3d conv3d.padding",
    "conv_transpose": "conv_transpose1d conv_transpose2d.input conv_transpose3d.input",
    "linear": "linear",
    "matmul": "matmul mm bmm mv dot vdot addmm baddbmm addmv addbmm outer tensordot",
    "einsum": "einsum",
    "attention": "scaled_dot_product_attention",
    "recurrent": "lstm.input gru.input rnn_tanh.input rnn_relu.input",
    "avg_pool": "avg_pool1d avg_pool2d avg_pool3d",
    "max_pool": """
        max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices
        max_pool3d_with_indices fractional_max_pool2d fractional_max_pool3d""",
    "adaptive_avg_pool": "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d",
    "adaptive_max_pool": "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d",
    "batch_norm": "batch_norm",
    "norm": "group_norm layer_norm instance_norm rms_norm",
    "weight_norm": "_weight_norm",
    "softmax": "softmax.int log_softmax.int",
    "dropout": """
        dropout dropout_ feature_dropout feature_dropout_ alpha_dropout alpha_dropout_
        feature_alpha_dropout feature_alpha_dropout_ native_dropout""",
    "reduce": """
        mean mean.dim nanmean sum sum.dim_IntList nansum var var.dim var.correction std std.dim
        std.correction var_mean var_mean.dim var_mean.correction std_mean std_mean.dim
        std_mean.correction prod prod.dim_int linalg_vector_norm norm.ScalarOpt_dim norm.Scalar
        logsumexp all all.dim any any.dim count_nonzero count_nonzero.dim_IntList trace
        cosine_similarity""",
    "reduce_max": """
        amax amin aminmax max max.dim min min.dim argmax argmin median median.dim nanmedian nanmedian.dim
        mode quantile quantile.scalar nanquantile nanquantile.scalar kthvalue topk""",
    "order": "sort sort.stable argsort argsort.stable msort cummax cummin",
    "scan": "cumsum cumprod logcumsumexp",
    "view": """
        view reshape flatten.using_ints unflatten.int squeeze squeeze.dim squeeze.dims squeeze_
        squeeze_.dim squeeze_.dims unsqueeze unsqueeze_ view_as reshape_as ravel""",
    "permute": """
        permute transpose.int transpose_ swapaxes swapdims movedim.int movedim.intlist moveaxis.int
        moveaxis.intlist t mT mH numpy_T""",
    "slice": "slice.Tensor narrow",
    "split": "split.Tensor split_with_sizes split.sizes chunk tensor_split.sections unbind.int",
    "select": "select.int",
    "expand": "expand expand_as broadcast_to broadcast_tensors",
    "repeat": "repeat tile repeat_interleave.self_int",
    "flip": "flip fliplr flipud rot90",
    "roll": "roll",
    "pad": "pad constant_pad_nd",
    "cat": "cat concat concatenate hstack vstack dstack",
    "stack": "stack",
    "scatter": "slice_scatter select_scatter",
    "gather": "index.Tensor index_select gather embedding tril triu diagonal",
    "unfold": "unfold",
    "im2col": "im2col",
    "col2im": "col2im",
    "pixel_shuffle": "pixel_shuffle",
    "pixel_unshuffle": "pixel_unshuffle",
    "channel_shuffle": "channel_shuffle",
    "resample": """
        upsample_nearest1d.vec upsample_nearest2d.vec _upsample_nearest_exact2d.vec upsample_linear1d.vec
        upsample_bilinear2d.vec upsample_bicubic2d.vec _upsample_bilinear2d_aa.vec
        _upsample_bicubic2d_aa.vec grid_sampler affine_grid_generator""",
    "complex_pairs": "view_as_real view_as_complex",
    "linalg": "linalg_householder_product linalg_matrix_exp linalg_solve linalg_inv matrix_exp",
    "not_followed": """
        index_add index_copy index_fill.int_Scalar index_put scatter.src scatter.value scatter_add
        scatter_reduce.two diagonal_scatter masked_scatter take
        take_along_dim kron cdist cross linalg_cross renorm diag_embed block_diag diff inner
        trapezoid.x trapezoid.dx cumulative_trapezoid.x cumulative_trapezoid.dx bucketize.Tensor
        searchsorted.Tensor one_hot max_unpool2d bilinear pairwise_distance lgamma digamma isclose signbit
        ldexp.Tensor nextafter""",
    "frequency": "fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fft fft_ifft fft_rfft fft_irfft",
    "creation": """
        zeros ones full eye arange arange.start arange.start_step linspace zeros_like ones_like full_like
        new_zeros new_ones new_full scalar_tensor meshgrid meshgrid.indexing""",
    "uninitialised": "empty.memory_format empty_like new_empty",
    "random": """
        rand rand_like randn randn_like randint randint.low randint_like randint_like.low_dtype randperm
        bernoulli bernoulli.p bernoulli_.float normal_ uniform_ exponential_ multinomial normal.float_float
        normal.Tensor_float random_ random_.from""",
    "number": "sym_size.int sym_numel sym_stride.int",
    "check": "_assert_tensor_metadata _assert_scalar _assert_async.msg",
}

# Arithmetic on sizes, which export writes as calls of Python's own functions.
_PYTHON: Mapping[Family, str] = {
    "number": """
        operator.getitem operator.add operator.sub operator.mul operator.truediv operator.floordiv
        operator.mod operator.neg operator.pow operator.eq operator.ne operator.lt operator.le operator.gt
        operator.ge math.ceil math.floor math.sqrt math.trunc""",
}

_WRITERS = ("overwrite", "random")

_MARKED = """
    alias broadcast_to chunk contiguous detach diagonal expand expand_as flatten.using_ints imag mH mT
    moveaxis.int moveaxis.intlist movedim.int movedim.intlist narrow numpy_T permute ravel real
    reshape reshape_as select.int slice.Tensor split.Tensor split.sizes split_with_sizes squeeze
    squeeze.dim squeeze.dims swapaxes swapdims t tensor_split.sections to.device to.dtype
    to.dtype_layout to.other transpose.int unbind.int unflatten.int unfold unsqueeze view view_as
    view_as_complex view_as_real
"""

# What returns its argument, or views of several, though its schema does not say so.
_UNMARKED = frozenset(
    {
        "aten.broadcast_tensors.default", "aten.meshgrid.default", "aten.meshgrid.indexing",
        "aten.type_as.default", "aten.detach_.default", "operator.getitem",
    }
)  # fmt: skip


def unknown_ops(architecture: Architecture) -> tuple[Node, ...]:
    """Find the nodes, of both graphs, whose operator is not on the allow-list.

    A tensor of uninitialised memory counts as unknown unless the next to touch it overwrites it.
    """
    return tuple(node for graph in (architecture.train, architecture.eval) for node in unknown_nodes(graph))


def unknown_nodes(graph: Graph) -> tuple[Node, ...]:
    """Find the nodes of one graph whose operator is not on the allow-list; see `unknown_ops`."""
    first_reader: dict[str, Node] = {}
    for node in graph.nodes:
        for name in node.refs:
            first_reader.setdefault(name, node)
    return tuple(
        node
        for node in graph.nodes
        if node.op not in OPS or _is_read_uninitialised(graph, node, first_reader.get(node.name))
    )


def is_in_place(op: str) -> bool:
    """Return whether an operator changes its first argument: its name ends in one underscore."""
    name = short_name(op)
    return name.endswith("_") and not name.endswith("__")


@lru_cache(maxsize=4096)
def short_name(op: str) -> str:
    """Reduce ``aten.conv2d.default`` to ``conv2d``."""
    return op.partition(".")[2].partition(".")[0]


def _is_read_uninitialised(graph: Graph, node: Node, first: Node | None) -> bool:
    if OPS[node.op] != "uninitialised":
        return False
    if first is None:
        return node.name in graph.outputs
    overwrites = is_in_place(first.op) and OPS.get(first.op) in _WRITERS
    return not overwrites or node.name in first.refs[1:]


def _full(names: str) -> tuple[str, ...]:
    return tuple(f"aten.{name}" if "." in name else f"aten.{name}.default" for name in names.split())


def _by_name() -> dict[str, Family]:
    table: dict[str, Family] = {}
    for meaning, names in _ATEN.items():
        table.update(dict.fromkeys(_full(names), meaning))
    for meaning, names in _PYTHON.items():
        table.update(dict.fromkeys(names.split(), meaning))
    return table


OPS: Mapping[str, Family] = _by_name()

MARKED_BY_TORCH = frozenset(_full(_MARKED))
"""Operators whose result torch's own schemas mark as memory of what they read; a test compares them."""
MAY_SHARE = MARKED_BY_TORCH | _UNMARKED
"""Operators whose result may be a view of their first argument, or of any tensor of a list that it is."""
