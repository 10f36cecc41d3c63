"""The graphs of a network as they run on smaller images: an average pool over the whole map stays one."""

from harness.graph.ir import Architecture, Graph, Node, Ref

_POOL, _GLOBAL = "aten.avg_pool2d.default", "aten.adaptive_avg_pool2d.default"


def at_any_size(architecture: Architecture) -> Architecture | None:
    """Return the graphs with every average pool of a fixed size that covers its whole map made a global one.

    At full size both compute the same. None where there is no such pool.
    """
    train, evaluated = _pooled_globally(architecture.train), _pooled_globally(architecture.eval)
    if (train, evaluated) == (architecture.train, architecture.eval):
        return None
    return architecture.model_copy(update={"train": train, "eval": evaluated})


# Private functions


def _pooled_globally(graph: Graph) -> Graph:
    return graph.with_nodes(tuple(_global(node) if _covers(node, graph) else node for node in graph.nodes))


def _global(node: Node) -> Node:
    return node.with_arguments((node.args[0], [1, 1]), {}).model_copy(update={"op": _GLOBAL})


def _covers(node: Node, graph: Graph) -> bool:
    """Return whether a node averages its whole map in one window, all positions alike."""
    source = node.arg(0, "self")
    if node.op != _POOL or not isinstance(source, Ref):
        return False
    before = graph.by_name.get(source.ref)
    shape = before.shape if before is not None else graph.input_shape
    kernel, padding = node.arg(1, "kernel_size"), node.arg(3, "padding", 0)
    size = tuple(kernel) * 2 if isinstance(kernel, list) and len(kernel) == 1 else tuple(kernel or ())
    unpadded = padding == 0 or (isinstance(padding, list) and not any(padding))
    return unpadded and node.arg(6, "divisor_override") is None and size == tuple(shape or ())[-2:]
