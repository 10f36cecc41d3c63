"""The executed graph as an SVG: one row a layer, with its kernel, stride, dilation, channels and view."""

import itertools
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from harness.graph.view import View
from harness.report.plots.layers import Box, boxes_of
from harness.report.plots.style import BLUE, FAINT, INK, VERMILION, plain

MOST = 300
"""Layers drawn; of a longer graph the rest is named by number."""

_WIDTH, _ROW, _BOX, _TOP = 860, 46, 34, 92
_LEFT, _RIGHT = 96, 560
"""Where boxes begin and end; left of them the size of the map, right of them what a position sees."""
_RF, _RF_WIDTH = 640, 160
_SHADES = {"depthwise": "#DCEBF5", "pointwise": "#FFFFFF", "convolution": "#A9CDE6"}


def architecture_svg(view: View, title: str) -> str:
    """Draw a graph as an SVG: text and lines only, no script, no style sheet, nothing from elsewhere."""
    found = boxes_of(view)
    boxes = found[:MOST]
    image = view.measured.graph.input_shape[1:]
    height = _TOP + _ROW * len(boxes) + (44 if len(found) > MOST else 24)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img" font-family="DejaVu Sans, Verdana, Arial, sans-serif" font-size="12" '
        f'fill="{INK}">',
        f"<title>{escape(plain(title, 90))}</title>",
        f"<desc>{escape(_in_words(boxes))}</desc>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#FFFFFF"/>',
        _text(16, 24, title, size=14, weight="bold"),
        *_heading(image),
        *_sizes(boxes),
        *_fields(boxes, image),
        *_blocks(boxes),
        *_arrows(boxes),
        *itertools.chain.from_iterable(_drawn(i, box) for i, box in enumerate(boxes)),
    ]
    if len(found) > MOST:
        parts.append(_text(_LEFT, height - 14, f"and {len(found) - MOST} more layers", color=FAINT))
    return "\n".join([*parts, "</svg>"]) + "\n"


# Private functions


def _heading(image: Sequence[int | str]) -> Iterator[str]:
    yield _text(16, 56, "map", color=FAINT, size=11)
    yield _text(_LEFT, 56, "layer, kernel, channels", color=FAINT, size=11)
    yield _text(_RF, 56, "receptive field (dotted: the image)", color=FAINT, size=11)
    yield _text((_LEFT + _RIGHT) / 2, 78, f"image {_times(image)}", anchor="middle")


def _drawn(i: int, box: Box) -> Iterator[str]:
    """Draw one layer: its box, its kernel's footprint, its names and what it does."""
    y = _y(i)
    kind = box.what if box.what in _SHADES else ""
    fill = _SHADES.get(kind, "#F2F2F2" if not box.kernel else _SHADES["convolution"])
    yield _rect(_LEFT, y, _RIGHT - _LEFT, _BOX, fill, INK, line=1.2)
    if box.depthwise:
        # Stripes: every channel by itself.
        yield from (_line(_LEFT + 44 + 4 * k, y, _LEFT + 44 + 4 * k, y + _BOX, BLUE, 0.9) for k in range(3))
    if box.kernel:
        yield from _footprint(_LEFT + 21, y + _BOX / 2, box)
    yield _text(_LEFT + 62, y + 14, _cut(box.name, 24), size=12, weight="bold")
    yield _text(_LEFT + 62, y + 28, _cut(_described(box), 36), size=11)
    if box.channels is not None:
        channels = f"{box.channels[0]} → {box.channels[1]}"
        yield _text(_RIGHT - 120, y + 14, channels, size=12, anchor="end")
    if box.then:
        yield _text(
            _RIGHT - 120, y + 28, _cut("+ " + ", ".join(box.then), 20), size=10, color=FAINT, anchor="end"
        )
    pills = [(f"dilation {box.dilation}", "#FFFFFF", INK)] * (box.dilation > 1)
    pills += [(f"stride {box.stride}", INK, "#FFFFFF")] * (box.stride > 1)
    for k, (text, background, color) in enumerate(pills):
        yield from _pill(y + (10 if len(pills) == 1 else 2 + 16 * k), text, background, color)


def _described(box: Box) -> str:
    kernel = "×".join(map(str, box.kernel))
    return f"{kernel} {box.what}".strip()


def _footprint(x: float, y: float, box: Box) -> Iterator[str]:
    """Draw the pixels that a kernel reads, apart as its dilation is."""
    rows, columns = (*box.kernel, *box.kernel)[:2]
    if max(rows, columns) > 7:
        return
    reach = max(rows, columns) - 1
    # A dilation of 8 would not fit to scale: it is shown as wide as fits.
    step = min(4.2 * box.dilation**0.55, 24 / max(reach, 1))
    for i in range(rows):
        for j in range(columns):
            at = (x + (j - (columns - 1) / 2) * step, y + (i - (rows - 1) / 2) * step)
            yield f'<rect x="{at[0] - 1.4:.1f}" y="{at[1] - 1.4:.1f}" width="2.8" height="2.8"/>'


def _pill(y: float, text: str, fill: str, color: str) -> Iterator[str]:
    right, width = _RIGHT - 10, 82
    yield _rect(right - width, y, width, 14, fill, INK, radius=7)
    yield _text(right - width / 2, y + 10.5, text, size=10, color=color, anchor="middle", weight="bold")


def _sizes(boxes: Sequence[Box]) -> Iterator[str]:
    """Bracket the layers whose maps have the same size."""
    for size, run in _runs([_times(box.shape[1:]) if len(box.shape) > 1 else "" for box in boxes]):
        if not size:
            continue
        top, bottom = _y(run[0]) + 2, _y(run[-1]) + _BOX - 2
        yield _line(78, top, 78, bottom, FAINT, 1)
        yield _text(70, (top + bottom) / 2 + 4, size, anchor="end", size=11)


def _fields(boxes: Sequence[Box], image: Sequence[int | str]) -> Iterator[str]:
    """Draw what a position of each map sees as a bar, and the image's width as a line."""
    side = max((s for s in image[1:] if isinstance(s, int)), default=0)
    largest = max([side, *(box.rf_px or 0 for box in boxes)], default=1) or 1
    seen = [(i, box.rf_px) for i, box in enumerate(boxes) if box.rf_px is not None]
    if seen and side:
        x = _RF + _RF_WIDTH * side / largest
        yield _line(x, _y(seen[0][0]), x, _y(seen[-1][0]) + _BOX, VERMILION, 1.2, dash="2 3")
    for i, px in seen:
        width = _RF_WIDTH * px / largest
        yield _rect(_RF, _y(i) + 11, width, 12, "#CFCFCF", FAINT)
        # A white edge around the letters, where they cross the line.
        label = _text(_RF + width + 6, _y(i) + 21, f"{px} px", size=11)
        yield label.replace("<text ", '<text stroke="#FFFFFF" stroke-width="4" paint-order="stroke" ')


def _blocks(boxes: Sequence[Box]) -> Iterator[str]:
    """Frame neighbours of one block: "c2a" around "c2a.dw" and "c2a.pw"."""
    for block, run in _runs([box.block for box in boxes]):
        if block and len(run) > 1:
            top, bottom = _y(run[0]) - 3, _y(run[-1]) + _BOX + 3
            yield _rect(_LEFT - 5, top, _RIGHT - _LEFT + 10, bottom - top, "none", INK, dash="5 3", radius=4)


def _arrows(boxes: Sequence[Box]) -> Iterator[str]:
    """Join every box to what it reads: the one above by a line, another by a bow on the right."""
    lane = 0
    middle = (_LEFT + _RIGHT) / 2
    for i, box in enumerate(boxes):
        for source in box.reads:
            if source == i - 1:
                yield _line(middle, _y(i) - (_ROW - _BOX), middle, _y(i), INK, 1.6)
                continue
            x, lane = _RIGHT + 14 + 9 * (lane % 6), lane + 1
            start = _TOP - 8 if source < 0 else _y(source) + _BOX / 2
            end = _y(i) + _BOX / 2 - 4
            yield (
                f'<path d="M{_RIGHT} {start:g} H{x} V{end:g} H{_RIGHT}" fill="none" stroke="{INK}" '
                'stroke-width="1.2"/>'
                f'<path d="M{_RIGHT} {end:g} l6 -3.5 v7 z"/>'
            )


def _in_words(boxes: Sequence[Box]) -> str:
    """Return the same as text, for those who do not see it."""
    said = []
    for box in boxes:
        extra = [f"stride {box.stride}"] * (box.stride > 1) + [f"dilation {box.dilation}"] * (
            box.dilation > 1
        )
        channels = f"{box.channels[0]} to {box.channels[1]} channels" if box.channels else ""
        said.append(", ".join(part for part in (f"{box.name}: {_described(box)}", channels, *extra) if part))
    return "; ".join(said)


def _runs(keys: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    for key, group in itertools.groupby(range(len(keys)), keys.__getitem__):
        yield key, list(group)


def _y(i: int) -> int:
    return _TOP + _ROW * i


def _times(sizes: Sequence[int | str]) -> str:
    return " × ".join(map(str, sizes))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-(longest // 2 - 1) :]}"


def _text(
    x: float, y: float, text: str, *, size: float = 12, weight: str = "", color: str = "", anchor: str = ""
) -> str:
    look = "".join(
        f' {name}="{value}"'
        for name, value in (("font-weight", weight), ("fill", color), ("text-anchor", anchor))
        if value
    )
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"{look}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: float, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"'
    return f'<line {ends} stroke="{color}" stroke-width="{width:g}"{dashed}/>'


def _rect(
    x: float, y: float, width: float, height: float, fill: str, stroke: str, *,
    dash: str = "", radius: float = 0, line: float = 1,
) -> str:  # fmt: skip
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    rounded = f' rx="{radius:g}"' if radius else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:.4g}" height="{height:g}" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="{line:g}"{rounded}{dashed}/>'
    )
