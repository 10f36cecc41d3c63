"""Shortcuts of an export: what it works out for every node and nobody here reads, left out.

All that is changed in torch is changed here, and but for the shapes of batch-norms while a model is exported
alone. The rules of a class of 24 (``benchmarks/make_class.py``, one grader) took 24.3 and 25.3 s of a
processor with them, 26.6 to 28.6 s without. tests/loader/test_export_shortcuts.py compares the graphs
with and without, and fails where another version of torch no longer asks for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch._dispatch.python import no_python_dispatcher
from torch._export.passes import replace_set_grad_with_hop_pass
from torch._subclasses.fake_impls import register_fast_op_impl
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, in_kernel_invocation_manager
from torch.fx._lazy_graph_module import _use_lazy_graph_module
from torch.fx.experimental import proxy_tensor

from harness.loader.failures import current_line

_Tracer = proxy_tensor._ModuleStackTracer


@contextmanager
def shortcuts(root: Path) -> Iterator[None]:
    """Apply the shortcuts while a model is exported; `root` is the submission's folder.

    A node's `stack_trace` is the student's line alone, "model.py:57"; there is no second description of every
    shape beside the one in `meta["val"]`, and no Python code is written for the steps in between.
    """
    create_node = _Tracer.create_node

    def create_node_with_its_line(self: Any, *args: Any, **kwargs: Any) -> fx.Node:
        node = create_node(self, *args, **kwargs)
        if node.op in ("call_function", "get_attr") and not node.stack_trace:
            node.stack_trace = current_line(root) or None
        return node

    with (
        _replaced(fx.config, "do_not_emit_stack_traces", value=True),
        _replaced(_Tracer, "create_node", create_node_with_its_line),
        _replaced(proxy_tensor, "_extract_tensor_metadata", lambda *_: None),
        _replaced(replace_set_grad_with_hop_pass, "replace_set_grad_with_hop_pass", lambda *made: made),
        _replaced(Tensor, "data", _Detached()),
        _use_lazy_graph_module(should_use=True),
    ):
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def _shapes_of_batch_norm(mode: FakeTensorMode, x: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return the shapes that a batch-norm gives; torch would trace its parts for them."""
    with no_python_dispatcher(), in_kernel_invocation_manager(mode):
        given = torch.ops.aten.empty_like.default(x)
        mean, rest = (torch.ops.aten.new_empty.default(x, x.shape[1:2]) for _ in range(2))
    return (
        FakeTensor(mode, given, x.device),
        FakeTensor(mode, mean, x.device),
        FakeTensor(mode, rest, x.device),
    )


BATCH_NORMS = (
    torch.ops.aten._native_batch_norm_legit.default,
    torch.ops.aten._native_batch_norm_legit_no_training.default,
)
for _operator in BATCH_NORMS:
    register_fast_op_impl(_operator)(_shapes_of_batch_norm)


class _Detached:
    """A replacement of `Tensor.data`, which no export follows: for a reader it is `detach()`."""

    _data: Any = Tensor.data

    def __get__(self, tensor: Tensor | None, owner: type) -> Any:
        return self if tensor is None else tensor.detach()

    def __set__(self, tensor: Tensor, value: Tensor) -> None:
        self._data.__set__(tensor, value)
