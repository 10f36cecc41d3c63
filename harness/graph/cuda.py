"""The behaviour of each operator of the allow-list on CUDA, where equal inputs must give equal bytes.

Torch's strict mode (`torch.use_deterministic_algorithms`) takes another kernel where it has one, and raises
where it has none. A few operators it does not know of: their sums depend on the order of the threads, or
their index on which thread comes first. For both kinds `harness.training.cuda.equal_forms` has a form of
other operators with the same values and the same gradient, and for the few that have none nothing is trained.
The names of what raises are those that torch 2.14 prints; a test holds the table to torch's own list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.graph.ir import Architecture
from harness.graph.naming import placed
from harness.graph.operators import OPS

OnCuda = Literal[
    "fixed",  # one kernel, which adds in a fixed order, or adds nothing
    "switched",  # strict mode takes another kernel, forward or backward
    "workspace",  # a library call that is repeatable with a fixed workspace (CUBLAS_WORKSPACE_CONFIG)
    "drawn",  # random numbers
    "number",  # arithmetic on sizes, on no device
    "raises",  # strict mode raises
    "varies",  # strict mode does not raise, and the bytes still differ
]


@dataclass(frozen=True)
class Replaced:
    """One operator that is not run as it is: when it fails, what torch calls that, what is run instead.

    `alerts` are the names that strict mode prints; none for an operator that it does not know of.
    """

    when: str
    instead: str
    alerts: tuple[str, ...] = ()


_SWITCHED = """
    conv1d conv1d.padding conv2d conv2d.padding conv3d conv3d.padding conv_transpose1d conv_transpose2d.input
    conv_transpose3d.input cumsum index.Tensor index_select gather embedding index_add index_copy index_put
    scatter.src scatter_add repeat_interleave.self_int take_along_dim sort sort.stable argsort
    argsort.stable msort topk max.dim min.dim mode cummax cummin quantile quantile.scalar nanquantile
    nanquantile.scalar scaled_dot_product_attention cumulative_trapezoid.x cumulative_trapezoid.dx"""

_WORKSPACE_FAMILIES = frozenset({"linear", "matmul", "einsum", "recurrent", "linalg"})
_WORKSPACE = "affine_grid_generator bilinear cdist inner kron"

_MATRICES = "a product with one matrix along each axis"
_INDEX = "an index along each padded axis"
_GATHER = "the operator's own indices, and a gather by them"
_SORT = "a stable sort, and the element of that rank"
_ROWS = "the same scan over two equal rows"

_REPLACED: Mapping[str, Replaced] = {
    "adaptive_avg_pool1d adaptive_avg_pool2d": Replaced(
        "backward, to more than one place",
        _MATRICES,
        ("adaptive_avg_pool2d_backward_cuda", "adaptive_avg_pool2d_backward_out_cuda"),
    ),
    "adaptive_avg_pool3d": Replaced(
        "backward, to more than one place",
        _MATRICES,
        ("adaptive_avg_pool3d_backward_cuda", "adaptive_avg_pool3d_backward_out_cuda"),
    ),
    "avg_pool3d": Replaced("backward", _MATRICES, ("avg_pool3d_backward_cuda",)),
    "upsample_linear1d.vec": Replaced("backward", _MATRICES, ("upsample_linear1d_backward_out_cuda",)),
    "upsample_bilinear2d.vec": Replaced("backward", _MATRICES, ("upsample_bilinear2d_backward_out_cuda",)),
    "upsample_bicubic2d.vec": Replaced("backward", _MATRICES, ("upsample_bicubic2d_backward_out_cuda",)),
    "_upsample_bilinear2d_aa.vec": Replaced(
        "backward", _MATRICES, ("upsample_bilinear2d_aa_backward_out_cuda",)
    ),
    "_upsample_bicubic2d_aa.vec": Replaced(
        "backward", _MATRICES, ("upsample_bicubic2d_aa_backward_out_cuda",)
    ),
    "pad": Replaced(
        "backward, modes reflect and replicate",
        _INDEX,
        (
            "reflection_pad1d_backward_out_cuda",
            "reflection_pad3d_backward_out_cuda",
            "replication_pad1d_backward_cuda",
            "replication_pad2d_backward_cuda",
            "replication_pad3d_backward_cuda",
        ),
    ),
    "adaptive_max_pool1d adaptive_max_pool2d": Replaced(
        "backward", _GATHER, ("adaptive_max_pool2d_backward_cuda",)
    ),
    "adaptive_max_pool3d": Replaced("backward, sizes that do not divide", _GATHER),
    "max_pool3d max_pool3d_with_indices": Replaced(
        "backward", _GATHER, ("max_pool3d_with_indices_backward_cuda",)
    ),
    "fractional_max_pool2d": Replaced("backward", _GATHER, ("fractional_max_pool2d_backward_cuda",)),
    "fractional_max_pool3d": Replaced("backward", _GATHER, ("fractional_max_pool3d_backward_cuda",)),
    "max_unpool2d": Replaced(
        "forward, on a CPU as well", "a scatter into zeros", ("max_unpooling2d_forward_out",)
    ),
    "median.dim nanmedian.dim": Replaced("forward", _SORT, ("median CUDA with indices output",)),
    "kthvalue": Replaced("forward, the index among equal values", _SORT),
    "take": Replaced("backward", "an index into the flattened tensor", ("put_",)),
    "scatter_reduce.two": Replaced(
        "forward, reduce prod", "one scatter for each place of the index", ("scatter_reduce_cuda_prod_",)
    ),
    "cumprod": Replaced("forward, of a single row", _ROWS),
    "logcumsumexp": Replaced("forward, of a single row", _ROWS),
    "prod": Replaced("backward, where one factor is zero", "the product of each of two equal rows"),
    "grid_sampler": Replaced(
        "backward",
        "an index for each corner; of 5 dimensions there is no form, and nothing is trained",
        ("grid_sampler_2d_backward_cuda", "grid_sampler_3d_backward_cuda", "cudnn_grid_sampler_backward"),
    ),
}

_GRID = "aten.grid_sampler.default"
_PLANE_DIMENSIONS = 4


def on_cuda(op: str) -> OnCuda:
    """Return what an operator of the allow-list does on CUDA, by itself and in strict mode.

    Raises:
        KeyError: the operator is not on the allow-list.
    """
    family = OPS[op]
    if op in REPLACED:
        return "raises" if REPLACED[op].alerts else "varies"
    if op in _SWITCHES:
        return "switched"
    if family in {"random", "dropout"} or op.startswith("aten.rrelu"):
        return "drawn"
    if family == "number":
        return "number"
    return "workspace" if family in _WORKSPACE_FAMILIES or op in _WITH_WORKSPACE else "fixed"


def not_on_cuda(architecture: Architecture) -> str | None:
    """Return the node that cannot be trained on CUDA with equal bytes for equal inputs; None for no node."""
    for node in architecture.train.nodes:
        if node.op == _GRID and len(node.shape or ()) > _PLANE_DIMENSIONS:
            return f"{placed(node)} samples volumes by a grid, which has no repeatable gradient on CUDA"
    return None


# Private functions


def _named(names: str) -> tuple[str, ...]:
    return tuple(f"aten.{name}" if "." in name else f"aten.{name}.default" for name in names.split())


REPLACED: Mapping[str, Replaced] = {op: how for names, how in _REPLACED.items() for op in _named(names)}
"""What is not run as it is on CUDA, by operator."""
_SWITCHES = frozenset(_named(_SWITCHED))
_WITH_WORKSPACE = frozenset(_named(_WORKSPACE))
