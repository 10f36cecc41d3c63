"""The operators of the allow-list that may return memory of what they read.

`MARKED` is what torch's own schemas say: a result marked with an alias set that is not written to. The
analysis does not import torch, so it stands here; tests/graph/test_aliases.py compares it with the
schemas of the installed torch.
"""

MARKED = frozenset(
    f"aten.{name}"
    for name in [
        "alias.default",
        "broadcast_to.default",
        "chunk.default",
        "contiguous.default",
        "detach.default",
        "diagonal.default",
        "expand.default",
        "expand_as.default",
        "flatten.using_ints",
        "imag.default",
        "mH.default",
        "mT.default",
        "moveaxis.int",
        "moveaxis.intlist",
        "movedim.int",
        "movedim.intlist",
        "narrow.default",
        "numpy_T.default",
        "permute.default",
        "ravel.default",
        "real.default",
        "reshape.default",
        "reshape_as.default",
        "select.int",
        "slice.Tensor",
        "split.Tensor",
        "split.sizes",
        "split_with_sizes.default",
        "squeeze.default",
        "squeeze.dim",
        "squeeze.dims",
        "swapaxes.default",
        "swapdims.default",
        "t.default",
        "tensor_split.sections",
        "to.device",
        "to.dtype",
        "to.dtype_layout",
        "to.other",
        "transpose.int",
        "unbind.int",
        "unflatten.int",
        "unfold.default",
        "unsqueeze.default",
        "view.default",
        "view_as.default",
        "view_as_complex.default",
        "view_as_real.default",
    ]
)

# What returns its argument, or views of several, though its schema does not say so.
_UNMARKED = frozenset(
    {
        "aten.broadcast_tensors.default", "aten.meshgrid.default", "aten.meshgrid.indexing",
        "aten.type_as.default", "aten.detach_.default", "operator.getitem",
    }
)  # fmt: skip

MAY_SHARE = MARKED | _UNMARKED
"""Operators whose result may be a view of their first argument, or of any tensor of a list that it is."""
