"""Check that a graph is what it states: every shape and dtype is computed once more and compared.

The rules rely on what a graph states of its values, and the child that wrote it may lie.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from harness.base.errors import GraphError
from harness.graph import ir as plain
from harness.graph.operators import OPS
from harness.training.budget import run_on_meta
from harness.training.network import check_weights, notes_of, one_line

BATCHES = (48, 80)
"""Images that every graph is computed for: a size that follows the batch is told from a constant by them."""
BATCH = "batch"
"""The word for the size of the batch in a stated shape; any other is for a size computed from it."""

Values = Mapping[str, Any]


def check_stated(
    plan: plain.Architecture, tensors: Mapping[str, torch.Tensor], image_shape: tuple[int, int, int]
) -> None:
    """Check what both graphs state against what they compute, on the meta device; `image_shape` is (C, H, W).

    What depends on an operator that is not on the allow-list cannot be computed, and is left to the rules.

    Raises:
        GraphError: naming the first value that is another than stated, or cannot be computed.
    """
    check_weights(plan, tensors)
    for graph in (plan.train, plan.eval):
        expected = (BATCH, *image_shape)
        if graph.input_shape != expected or len(graph.inputs) != 1:
            raise GraphError(
                f"graph: wrong input; expected one batch of images {_shown(expected)}, "
                f"got {len(graph.inputs)} of {_shown(graph.input_shape)}."
            )
        known = _computable(graph)
        runs = [_values(plan, known, tensors, (size, *image_shape)) for size in BATCHES]
        for node in known.nodes:
            _compare(node, [values.get(node.name) for values in runs])


# Private functions


def _computable(graph: plain.Graph) -> plain.Graph:
    """Remove what depends on an operator that is not on the allow-list."""
    unknown: set[str] = set()
    nodes = []
    for node in graph.nodes:
        if node.op in OPS and unknown.isdisjoint(node.refs):
            nodes.append(node)
        else:
            unknown.add(node.name)
    output = nodes[-1].name if nodes else graph.inputs[0]
    return plain.Graph.model_construct(**{**dict(graph), "nodes": tuple(nodes), "outputs": (output,)})


def _values(
    plan: plain.Architecture,
    graph: plain.Graph,
    tensors: Mapping[str, torch.Tensor],
    images_shape: tuple[int, int, int, int],
) -> Values:
    """Compute the shape and dtype of every value, without its elements."""
    found: dict[str, Any] = {}

    def keep(name: str, value: object) -> None:
        found[name] = (tuple(value.shape), value.dtype) if isinstance(value, torch.Tensor) else None

    try:
        run_on_meta(plan, graph, tensors, images_shape, keep)
    except GraphError:
        raise
    except NotImplementedError as error:
        raise GraphError(
            f"graph: a size in it depends on what an image shows{notes_of(error)}. "
            "Choose with torch.where or a product, in place of an index of booleans."
        ) from None
    except Exception as error:  # noqa: BLE001 - torch may raise anything on a forged graph
        raise GraphError(f"graph: its shapes cannot be computed: {one_line(error)}.") from None
    return found


def _compare(node: plain.Node, seen: Sequence[tuple[tuple[int, ...], torch.dtype] | None]) -> None:
    """Check a node against its value at each size of `BATCHES`; None is a value that is not one tensor."""
    for batch, value in zip(BATCHES, seen, strict=True):
        shape, dtype = value if value is not None else (None, None)
        got_dtype = None if dtype is None else str(dtype).removeprefix("torch.")
        if not _is_stated(node.shape, shape, batch) or node.dtype != got_dtype:
            raise GraphError(
                f"graph: {node.layer}: wrong value; expected {_described(node.shape, node.dtype)}, as the "
                f"exported graph says, got {_described(shape, got_dtype)} when it runs on {batch} images."
            )
    first, second = (value[0] for value in seen if value is not None) if seen[0] is not None else ((), ())
    for word, one, other in zip(node.shape or (), first, second, strict=True):
        if isinstance(word, str) and one == other:
            raise GraphError(
                f"graph: {node.layer}: wrong shape; expected a size that follows the batch, as the exported "
                f"graph says with {word!r}, got {one} for {BATCHES[0]} and for {BATCHES[1]} images."
            )


def _is_stated(stated: Sequence[int | str] | None, computed: Sequence[int] | None, batch: int) -> bool:
    if stated is None or computed is None:
        return stated is computed
    return len(stated) == len(computed) and all(
        want == have or (isinstance(want, str) and (want != BATCH or have == batch))
        for want, have in zip(stated, computed, strict=True)
    )


def _described(shape: Sequence[int | str] | None, dtype: str | None) -> str:
    return "no single tensor" if shape is None else f"{dtype} {_shown(shape)}"


def _shown(shape: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, shape))})"
