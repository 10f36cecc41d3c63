"""The axis of the image that each dimension of a tensor holds, kept through reshapes.

A dimension is a tuple of factors, outermost first: ``flatten(2)`` makes one dimension of the factors
h and w. Letters: n (batch), c (channels, or anything without a place), h, w (rows and columns of the
image), k (positions inside a window), m (computed from several rows or columns: an identity matrix would
leave them as they were, so it is nothing to slide, pool or take a maximum over). A dimension of size 1
without place has no factors.
"""

import math
from collections.abc import Sequence

from harness.graph.ir import Node
from harness.graph.operators import short_name

Factor = tuple[str, int | None]
"""A letter and its size; None for the batch."""
Dimension = tuple[Factor, ...]
Layout = tuple[Dimension, ...]
Shape = Sequence[int | str]

IMAGE = "nchw"


MALFORMED = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError)
"""What arguments that torch would refuse raise here: the graph is data that nobody vouches for."""


class Unmeasurable(Exception):  # noqa: N818 - not an error: the value is unknown, and says why
    """The effect of an operator on the receptive field is not known; the message has the reason."""


def of_shape(shape: Shape, letters: str) -> Layout:
    """Return a layout that names the dimensions of a tensor one by one."""
    return tuple(_dimension(letter, size) for letter, size in zip(letters, shape, strict=True))


def letters(layout: Layout) -> frozenset[str]:
    """Collect the letters of a layout."""
    return frozenset(letter for dimension in layout for letter, _ in dimension)


def places(dimension: Dimension) -> frozenset[str]:
    """Collect the axes of the image, h and w, that a dimension holds."""
    return frozenset(letter for letter, _ in dimension if letter in "hw")


def is_mixed(dimension: Dimension) -> bool:
    """Return whether a dimension holds what was computed from several rows or columns."""
    return any(letter == "m" for letter, _ in dimension)


def computed(size: int | str, *sources: Dimension) -> Dimension:
    """Make the dimension of what is computed from the given ones; m where they hold rows, columns or m."""
    if not isinstance(size, int) or size == 1:
        return ()
    return (("m" if any(places(d) or is_mixed(d) for d in sources) else "c", size),)


def is_only(dimension: Dimension, letter: str) -> bool:
    """Return whether a dimension is one axis of the image and nothing else."""
    return len(dimension) == 1 and dimension[0][0] == letter


def extent(layout: Layout, letter: str) -> int:
    """Count the positions along h or w; 1 when the layout does not hold it."""
    return math.prod(size or 1 for dimension in layout for name, size in dimension if name == letter)


def resized(dimension: Dimension, size: int | str) -> Dimension:
    """Return a dimension with another size; several factors become one.

    Raises:
        Unmeasurable: the dimension mixes an axis of the image with others, so its parts are lost.
    """
    if size == math.prod(s or 1 for _, s in dimension) and dimension:
        return dimension
    if not isinstance(size, int) or (places(dimension) and len(dimension) > 1):
        raise Unmeasurable("it cuts through rows and columns")
    names = {letter for letter, _ in dimension} or {"c"}
    letter = next((one for one in "mk" if one in names), next(iter(names)) if len(names) == 1 else "c")
    return ((letter, size),)


def reshaped(layout: Layout, before: Shape, after: Shape) -> tuple[Layout, dict[str, int]]:
    """Follow a reshape that keeps the order of elements; say by how much h and w were split.

    Splitting h into (h / r, r) leaves an axis whose positions stand for r rows each, and a window.

    Raises:
        Unmeasurable: the new dimensions cut across the old ones.
    """
    head, tail = _unchanged(before, after)
    inner = layout[head : len(layout) - tail]
    new, split = _redistributed(inner, after[head : len(after) - tail])
    outer = layout[:head]
    if inner and not new and outer:
        # Only sizes of 1 are gone; a map of one position is still a map.
        outer = (*outer[:-1], tuple(factor for dimension in (outer[-1], *inner) for factor in dimension))
    return (*outer, *new, *layout[len(layout) - tail :]), split


def _unchanged(before: Shape, after: Shape) -> tuple[int, int]:
    """Count the dimensions that stay as they are, from the outermost and from the innermost."""
    most = min(len(before), len(after))
    head = next((i for i in range(most) if before[i] != after[i]), most)
    tail = next((i for i in range(most - head) if before[-1 - i] != after[-1 - i]), most - head)
    return head, tail


def _redistributed(layout: Layout, shape: Shape) -> tuple[Layout, dict[str, int]]:
    rest = [factor for dimension in layout for factor in dimension]
    split: dict[str, int] = {}
    result: list[Dimension] = []
    for position in range(len(shape) - 1, -1, -1):
        size = shape[position]
        if isinstance(size, str):
            taken = _symbolic(rest, shape[:position])
        else:
            taken = _take(rest, size, split, places_left=position)
        result.insert(0, taken)
    if any(size != 1 for _, size in rest):
        raise Unmeasurable("its new shape cuts across rows and columns")
    if rest and result:
        result[_home(result)] = (*rest, *result[_home(result)])
    return tuple(result), split


def permuted_order(node: Node, rank: int) -> list[int]:
    """Read a permutation of dimensions from any operator of that family."""
    name = short_name(node.op)
    order = list(range(rank))
    if name == "permute":
        return [int(d) % rank for d in node.arg(1, "dims")]
    if name in ("t", "numpy_T"):
        return order[::-1]
    if name in ("movedim", "moveaxis"):
        return _moved(node, rank)
    a, b = (-2, -1) if name in ("mT", "mH") else (node.arg(1, "dim0", 0), node.arg(2, "dim1", 1))
    order[a % rank], order[b % rank] = order[b % rank], order[a % rank]
    return order


# Private functions


def _dimension(letter: str, size: int | str) -> Dimension:
    if isinstance(size, str):
        return (("n", None),)
    return () if letter in "nc" and size == 1 else ((letter, size),)


def _symbolic(rest: list[Factor], before: Shape) -> Dimension:
    """Return the batch dimension and what lies inside of it; all that is left when nothing precedes it."""
    if all(size == 1 for size in before):
        taken = tuple(rest)
        rest.clear()
        return taken
    batch = next((i for i in reversed(range(len(rest))) if rest[i][0] == "n"), None)
    if batch is None:
        raise Unmeasurable("its new shape splits the batch")
    taken = tuple(rest[batch:])
    del rest[batch:]
    return taken


def _take(rest: list[Factor], size: int, split: dict[str, int], *, places_left: int) -> Dimension:
    """Split factors off from the innermost end until their sizes multiply to `size`."""
    taken: list[Factor] = []
    missing = size
    while missing > 1:
        letter, have = rest.pop() if rest else ("", None)
        if have is None:
            raise Unmeasurable("its new shape mixes images of the batch")
        if missing % have == 0:
            taken.insert(0, (letter, have))
            missing //= have
        elif have % missing == 0:
            rest.append((letter, have // missing))
            taken.insert(0, ("k" if letter in "hwk" else letter, missing))
            if letter in "hw":
                split[letter] = split.get(letter, 1) * missing
            missing = 1
        else:
            raise Unmeasurable("its new shape cuts across rows and columns")
    # A map of one position is still a map: its rows and columns stay where there is room for them.
    while rest and rest[-1][1] == 1 and len(rest) > places_left:
        taken.insert(0, rest.pop())
        if size == 1:
            break
    return tuple(taken)


def _home(result: list[Dimension]) -> int:
    return next((i for i, dimension in enumerate(result) if dimension), 0)


def _moved(node: Node, rank: int) -> list[int]:
    source, target = node.arg(1, "source"), node.arg(2, "destination")
    sources = [d % rank for d in (source if isinstance(source, list) else [source])]
    targets = [d % rank for d in (target if isinstance(target, list) else [target])]
    order = [d for d in range(rank) if d not in sources]
    for position, dimension in sorted(zip(targets, sources, strict=True)):
        order.insert(position, dimension)
    return order
