"""Charts of accuracy and loss as PNG: what `harness.report.charts` places, drawn as it is on the page."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart
from harness.report.plots.style import FAINT, INK, LINES, RULE, bare, plain, png_of, styled

_HEADING = 44
"""Units above the chart, for the title and what is drawn."""
_INCHES = 6.4 / WIDTH


def draw_chart(chart: Chart, title: str) -> bytes:
    """Draw a chart below a title, with a legend: lines differ in colour, dashes and markers."""
    with styled():
        tall = HEIGHT + _HEADING
        figure = Figure(figsize=(_INCHES * WIDTH, _INCHES * tall))
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(HEIGHT, -_HEADING))
        bare(axes)
        axes.text(LEFT, -26, plain(title, 80), fontsize=10, fontweight="bold")
        axes.text(LEFT, -10, chart.title)
        _draw_axes(axes, chart)
        _draw_lines(axes, chart)
        _draw_marks(axes, chart)
        inside = (LEFT / WIDTH, (HEIGHT - BOTTOM) / tall, (RIGHT - LEFT) / WIDTH, (BOTTOM - TOP) / tall)
        axes.legend(loc="best", bbox_to_anchor=inside)
        return png_of(figure)


# Private functions


def _draw_axes(axes: Axes, chart: Chart) -> None:
    for tick in chart.y_ticks:
        axes.hlines(tick.at, LEFT, RIGHT, color=RULE, linewidth=0.6)
        axes.text(LEFT - 6, tick.at, tick.label, ha="right", va="center")
    for tick in chart.x_ticks:
        axes.text(tick.at, BOTTOM + 16, tick.label, ha="center")
    axes.text((LEFT + RIGHT) / 2, BOTTOM + 31, "epoch", ha="center", color=FAINT)


def _draw_lines(axes: Axes, chart: Chart) -> None:
    for i, line in enumerate(chart.lines):
        color, dashes, marker = LINES[i % len(LINES)]
        # About ten markers a line: enough to tell it apart, few enough to see it.
        every = max(1, len(line.points) // 10)
        x, y = zip(*line.points, strict=True)
        axes.plot(x, y, color=color, linestyle=dashes, marker=marker, markevery=every, label=plain(line.name))


def _draw_marks(axes: Axes, chart: Chart) -> None:
    if chart.threshold is not None:
        axes.hlines(chart.threshold.at, LEFT, RIGHT, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.text(LEFT + 4, chart.threshold.at - 5, chart.threshold.label, fontsize=8)
    axes.vlines([stage.at for stage in chart.stages[1:]], TOP, BOTTOM, color=FAINT, linewidth=0.6)
    for stage in chart.stages:
        axes.text(stage.at + 4, BOTTOM - 5, stage.label, color=FAINT, fontsize=7.5)
    if (counts := chart.interval) is not None:
        axes.vlines(counts.x, counts.high, counts.low, color=INK, linewidth=1.4, zorder=5)
        axes.text(counts.x + 6, counts.y, counts.label, va="center", fontsize=8, fontweight="bold")
