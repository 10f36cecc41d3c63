"""Names of nodes in a sentence."""

from collections.abc import Mapping, Sequence

from harness.graph.ir import Architecture, Node
from harness.record.findings import Where

CALLED = ", called at "
"""What stands between the line that constructs a layer and the line that calls it."""
MOST_PLACES = 8
"""Places named in one finding; more do not help."""


def at(*nodes: Node) -> tuple[Where, ...]:
    """Return the places of nodes, each once."""
    places = (Where(layer=node.layer, source=node.source, op=node.op) for node in nodes)
    return tuple(dict.fromkeys(places))[:MOST_PLACES]


def with_lines(architecture: Architecture, lines: Mapping[str, str]) -> Architecture:
    """Add the lines that construct layers, by the layers' paths, before those that call them."""

    def changed(node: Node) -> Node:
        both = CALLED.join(dict.fromkeys(filter(None, (lines.get(node.module), node.source))))
        return Node.model_construct(**{**dict(node), "source": both})

    graphs = {
        mode: graph.with_nodes(tuple(map(changed, graph.nodes)))
        for mode, graph in (("train", architecture.train), ("eval", architecture.eval))
    }
    return Architecture.model_construct(**{**dict(architecture), **graphs})


def placed(node: Node) -> str:
    """Return a layer's name with its line, "c1 (model.py:12)": where it is constructed, else called."""
    line = node.source.partition(CALLED)[0]
    return f"{node.layer} ({line})" if line else node.layer


def layers(nodes: Sequence[Node]) -> str:
    """List the layers of nodes for a sentence."""
    names = list(dict.fromkeys(node.layer for node in nodes))
    more = f" and {len(names) - MOST_PLACES} more" if len(names) > MOST_PLACES else ""
    return ", ".join(names[:MOST_PLACES]) + more


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 convolution", "2 convolutions"."""
    if count == 1:
        return f"{count} {noun}"
    head, with_, tail = noun.partition(" with ")
    return f"{count} {head}s{with_}{tail}"
