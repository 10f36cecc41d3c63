import numpy as np
import pytest

from harness.report.plots.field import draw_receptive_field
from harness.report.plots.sources import EffectiveField, effective_square


def blob(size, middle, width):
    """A Gaussian of the given width."""
    i = np.arange(size)
    one = np.exp(-((i - middle) ** 2) / (2 * width**2))
    return (one[:, None] * one[None, :]).tolist()


@pytest.fixture
def field():
    return EffectiveField(
        heat=blob(61, 30, 4), rows=(8.0, 45.0), columns=(8.0, 45.0), image=(15.0, 15.0, 32, 32)
    )


def test_the_effective_square_holds_the_share_it_names(field):
    (left, width), (top, height) = effective_square(field.heat, field.rows, field.columns)
    assert (left, width) == (top, height)
    heat = np.array(field.heat)
    first, last = int(left), int(left + width)
    inside, smaller = heat[first:last, first:last], heat[first + 1 : last - 1, first + 1 : last - 1]
    assert inside.sum() >= 0.95 * heat.sum() > smaller.sum()


def test_a_gradient_in_one_pixel_is_a_square_of_one_pixel():
    heat = [[0.0] * 5 for _ in range(5)]
    heat[2][2] = 1.0
    assert effective_square(heat, (0.0, 5.0), (0.0, 5.0)) == ((2.0, 1.0), (2.0, 1.0))


def test_equal_numbers_give_equal_bytes(field):
    assert draw_receptive_field(field, "RF: Net") == draw_receptive_field(field, "RF: Net")


def test_the_squares_are_drawn_where_they_are(field, drawn):
    """Pixels count from the corner of the image, 15 px into the gradient's map: 8 to 52 become -7 to 37."""
    image = np.zeros((32, 32, 3), dtype=np.uint8)
    (figure,) = drawn(draw_receptive_field, field, "RF: Net", image)
    over_image, heat = figure.axes[:2]
    for axes in (over_image, heat):
        solid = [p for p in axes.patches if p.get_linestyle() == "solid" and not p.get_fill()]
        assert (-7.5, -7.5, 45.0, 45.0) in [
            (p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in solid
        ]
    (border,) = [p for p in heat.patches if p.get_linestyle() == "dotted"]
    assert (border.get_x(), border.get_width()) == (-0.5, 32)
    left, right, bottom, top = heat.images[0].get_extent()
    assert (left, right, bottom, top) == (-15.5, 45.5, 45.5, -15.5)


def test_the_legend_says_how_large_both_are(field, drawn):
    (figure,) = drawn(draw_receptive_field, field, "RF: Net")
    theoretical, effective = (text.get_text() for text in figure.legends[0].get_texts())
    assert theoretical == "theoretical: 45 x 45 px"
    assert effective.startswith("95 % of the gradient: ")


def test_a_name_is_no_formula_and_no_second_line(field, drawn):
    (figure,) = drawn(draw_receptive_field, field, "$\\x$\n鉄")
    assert figure.get_suptitle() == "$\\x$ ?"
