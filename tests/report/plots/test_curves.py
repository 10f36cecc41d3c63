"""A PNG shows what a chart places, and can be read without colour."""

import pytest
from matplotlib.colors import to_hex

from harness.report.charts import LEFT, accuracy_chart, combined_charts
from harness.report.markdown import TEMPLATES
from harness.report.plots.curves import draw_chart


def line(axes, label):
    return next(one for one in axes.lines if one.get_label() == label)


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.fixture
def chart(training):
    return accuracy_chart(training.epochs, 0.85, counts=training)


@pytest.fixture
def axes(drawn, chart):
    (figure,) = drawn(draw_chart, chart, "basic: Net")
    return figure.axes[0]


def test_every_line_passes_through_its_points_with_y_down_as_on_the_page(axes, chart):
    for one in chart.lines:
        assert [tuple(point) for point in line(axes, one.name).get_xydata()] == list(one.points)
    bottom, top = axes.get_ylim()
    assert top < 0 < bottom


def test_ticks_threshold_and_what_counts_are_in_words(axes, chart):
    ticks = [tick.label for tick in (*chart.y_ticks, *chart.x_ticks)]
    assert {*ticks, "85 % asked", "56.67 %", "basic: Net", "Accuracy by epoch, percent"} <= set(texts(axes))


def test_the_threshold_reaches_over_the_chart_where_the_chart_has_it(axes, chart):
    ends = [path.vertices.tolist() for lines in axes.collections for path in lines.get_paths()]
    assert [[LEFT, chart.threshold.at], [348, chart.threshold.at]] in ends


def test_train_and_test_differ_in_line_and_marker(axes):
    train, test = line(axes, "train"), line(axes, "test")
    assert train.get_linestyle() != test.get_linestyle()
    assert train.get_marker() != test.get_marker()


def test_train_and_test_have_the_colours_of_the_page(axes):
    light = (TEMPLATES / "scorecard.css").read_text().split("@media")[0]
    for name in ("train", "test"):
        assert f"--{name}: {to_hex(line(axes, name).get_color())};" in light


def test_a_name_with_markup_is_drawn_as_text(drawn, chart):
    (figure,) = drawn(draw_chart, chart, "$x$\u202e" + "y" * 200)
    (title,) = [text for text in texts(figure.axes[0]) if text.startswith("$x$")]
    assert title.isascii()
    assert len(title) <= 80


def test_several_trainings_each_have_their_line(drawn, training):
    accuracy, _ = combined_charts({"base_model": training, "dilated_model": training}, 0.85)
    (figure,) = drawn(draw_chart, accuracy, "All variants")
    first, second = (line(figure.axes[0], name) for name in ("base_model", "dilated_model"))
    assert (first.get_linestyle(), first.get_marker()) != (second.get_linestyle(), second.get_marker())


def test_equal_numbers_give_equal_bytes(chart):
    assert draw_chart(chart, "basic: Net") == draw_chart(chart, "basic: Net")
