"""The field of view of one value of a graph, and what an operator gets to compute the next one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.graph.ir import Node, Ref
from harness.graph.receptive_field.layout import Layout, Shape, Unmeasurable, extent, letters
from harness.graph.receptive_field.span import ONE_PIXEL, Span, whole


@dataclass(frozen=True)
class Unknown:
    """The reason that a receptive field is not known, and the first operator that could not be measured."""

    node: Node
    why: str


@dataclass(frozen=True)
class Field:
    """The part of the image that the elements of one value see, and which of its dimensions are h and w.

    A layout without h or w is that of a value that has looked at the whole axis, as after a global pool.
    `layout` is None and `unknown` is set where nothing is known.
    """

    layout: Layout | None
    h: Span = ONE_PIXEL
    w: Span = ONE_PIXEL
    unknown: Unknown | None = None

    @property
    def axes(self) -> frozenset[str]:
        """Those of h and w that the value still holds."""
        return letters(self.layout or ()) & {"h", "w"}

    @property
    def is_map(self) -> bool:
        """Whether the value is a feature map with both axes."""
        return len(self.axes) == 2

    @property
    def is_exact(self) -> bool:
        """Whether both spans are numbers and not only upper bounds."""
        return self.h.exact and self.w.exact

    def span(self, axis: str) -> Span:
        """Return the span along h or w."""
        return self.h if axis == "h" else self.w

    def known_layout(self) -> Layout:
        """Return the layout.

        Raises:
            Unmeasurable: it is not known.
        """
        if self.layout is None:
            raise Unmeasurable("its input is not known")
        return self.layout

    def laid_out(self, layout: Layout) -> "Field":
        """Return the field with another layout; an axis that is gone has been looked at as a whole."""
        gone = self.axes - letters(layout)
        return self.seeing(
            {axis: whole(self.span(axis), extent(self.known_layout(), axis)) for axis in gone}, layout
        )

    def seeing(self, spans: Mapping[str, Span], layout: Layout | None = None) -> "Field":
        """Replace the spans of the axes given and, if given, the layout."""
        return replace(
            self,
            layout=self.layout if layout is None else layout,
            h=spans.get("h", self.h),
            w=spans.get("w", self.w),
        )


@dataclass
class Call:
    """One node under measurement: its arguments' fields and shapes; the handler may set `sees_all`."""

    node: Node
    fields: Mapping[str, Field]
    shapes: Mapping[str, Shape]
    nodes: Mapping[str, Node]
    sees_all: bool = False
    """Set when the operator takes in the whole image beside what its own position sees."""

    def field(self, value: Any) -> Field | None:
        """Return the field of an argument; None when the image does not reach it."""
        return self.fields.get(value.ref) if isinstance(value, Ref) else None

    def first(self) -> Field:
        """Return the field of the first argument.

        Raises:
            Unmeasurable: the image does not reach it; it comes in elsewhere.
        """
        found = self.field(self.node.arg(0, "self"))
        if found is None:
            raise Unmeasurable("the image reaches it through another argument than the first")
        return found

    def shape_of(self, value: Any) -> Shape:
        """Return the shape of an argument.

        Raises:
            Unmeasurable: it is not a tensor.
        """
        shape = self.shapes.get(value.ref) if isinstance(value, Ref) else None
        if shape is None:
            raise Unmeasurable("the shape of an argument is not known")
        return shape

    @property
    def shape(self) -> Shape:
        """The shape of the result.

        Raises:
            Unmeasurable: the result is not one tensor.
        """
        if self.node.shape is None:
            raise Unmeasurable("it has several results")
        return self.node.shape
