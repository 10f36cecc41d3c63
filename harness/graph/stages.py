"""The resolutions of a network: its stages, from the largest map to the smallest."""

from harness.graph.ir import Node
from harness.graph.receptive_field.field import Field
from harness.graph.receptive_field.span import pixels
from harness.graph.view import View


def jumps(view: View) -> tuple[int, ...]:
    """List the different jumps of a network's maps, that of the image first."""
    fields = view.measured.fields.values()
    return tuple(sorted({_jump(field) for field in fields if field.is_map and not field.unknown}))


def stages(view: View) -> tuple[int, ...]:
    """List the stages at which two convolutions larger than 1x1 or more make maps; a stem alone is none."""
    made = [stage_made(view, c.node) for c in view.convolutions if c.is_spatial]
    return tuple(sorted({one for one in made if one is not None and made.count(one) > 1}))


def stage_made(view: View, node: Node) -> int | None:
    """Return the stage of the map that a layer makes; None when not known."""
    field = view.measured.fields[node.name]
    return None if field.unknown else sum(jump < _jump(field) for jump in jumps(view))


def stage(view: View, node: Node) -> int | None:
    """Count what has made the map smaller before a layer reads it, by its resolution; None when not known.

    A layer behind a global pool, in a gate or the head, is at the stage of the map that was pooled.
    """
    sources = view.measured.sources(node)
    if not sources or any(field.unknown for field in sources):
        return None
    largest = max(_jump(field) for field in sources)
    return sum(jump < largest for jump in jumps(view))


def _jump(field: Field) -> int:
    return max(pixels(field.h.jump), pixels(field.w.jump))
