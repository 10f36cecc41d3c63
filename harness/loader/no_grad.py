"""The result of a forward pass under `torch.no_grad()`, written with `detach`.

An export notes where gradients are switched off and on. Here these notes are taken out of the graph, and what
leaves such a block is detached, so that the graph computes the same and has the same gradients.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

_DETACH = torch.ops.aten.detach.default


Blocks = Mapping[tuple[str, str], Sequence[bool]]
"""By a line of source and a layer: of each operator there, in order, whether it is in such a block."""


def detach_what_has_no_gradient(graph: fx.Graph, blocks: Blocks | None = None) -> Blocks:
    """Rewrite an exported graph in place; returns where its blocks are.

    `blocks` are those of the graph in train mode, which count for the one in eval mode too: with
    ``torch.set_grad_enabled(self.training)`` nothing else would be computed, and no gradient is asked for.
    """
    found = _without_gradient(graph)
    inside = {node for node, is_inside in _as_in(blocks, found) if is_inside}
    for node in reversed([node for node in graph.nodes if node in inside]):
        _let_out(node, inside)
    return _by_place(found)


# Private functions


def _without_gradient(graph: fx.Graph) -> list[tuple[fx.Node, bool]]:
    """Remove the notes of an export, and tell of each call whether it was made while gradients were off."""
    found, is_on = [], True
    for node in list(graph.nodes):
        if node.target is torch._C._set_grad_enabled:
            is_on = bool(node.args[0])
            graph.erase_node(node)
        elif node.op == "call_function":
            found.append((node, not is_on))
    return found


def _as_in(blocks: Blocks | None, found: Sequence[tuple[fx.Node, bool]]) -> Iterator[tuple[fx.Node, bool]]:
    """Yield each call, and whether that at its place in another graph was made while gradients were off."""
    others = {place: iter(flags) for place, flags in (blocks or {}).items()}
    for node, is_inside in found:
        yield node, next(others.get(_place(node), iter(())), is_inside)


def _by_place(found: Sequence[tuple[fx.Node, bool]]) -> Blocks:
    blocks: dict[tuple[str, str], list[bool]] = {}
    for node, is_inside in found:
        blocks.setdefault(_place(node), []).append(is_inside)
    return blocks


def _place(node: fx.Node) -> tuple[str, str]:
    return node.stack_trace or "", next(reversed(node.meta.get("nn_module_stack") or {"": None}))


def _let_out(node: fx.Node, inside: set[fx.Node]) -> None:
    """Detach what a call gives, for those outside; where it gives back its own argument, it is that."""
    if not _is_floating(node):
        return
    first = node.args[0] if node.args else None
    if isinstance(first, fx.Node) and _gives_back(node):
        if _writes(node):
            # It changes the numbers, and not where they came from.
            node.update_arg(0, _detached(first, before=node))
        node.replace_all_uses_with(first, delete_user_cb=lambda user: user not in inside)
    elif any(user not in inside for user in node.users):
        detached = _detached(node, before=node.next)
        node.replace_all_uses_with(detached, delete_user_cb=lambda user: user not in inside | {detached})


def _detached(node: fx.Node, before: fx.Node) -> fx.Node:
    with node.graph.inserting_before(before):
        detached = node.graph.call_function(_DETACH, (node,))
    detached.meta = dict(node.meta)
    return detached


def _is_floating(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _gives_back(node: fx.Node) -> bool:
    """Return whether a call returns its first argument itself: one in place, a cast to the type it has."""
    if _writes(node):
        return True
    target: Any = node.target
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda one: one.meta["val"])
    return target(*args, **kwargs) is args[0]
