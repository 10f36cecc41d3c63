from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from harness.reporting.plots.field import draw_receptive_field, effective_square


def blob(size, middle, width):
    """A Gaussian of the given width."""
    i = np.arange(size)
    one = np.exp(-((i - middle) ** 2) / (2 * width**2))
    return (one[:, None] * one[None, :]).tolist()


@pytest.fixture
def field():
    return SimpleNamespace(heat=blob(61, 30, 4), rows=(8.0, 45.0), columns=(8.0, 45.0))


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


def test_equal_numbers_give_equal_bytes(tmp_path, field):
    for name in ("one.png", "other.png"):
        draw_receptive_field(tmp_path / name, field, "RF: Net")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_the_theoretical_square_is_drawn_where_it_is(tmp_path, field):
    """White lines around pixels 8 to 52: on the dark ground left of the blob there is one column of white."""
    draw_receptive_field(tmp_path / "rf.png", field, "RF: Net")
    pixels = np.array(Image.open(tmp_path / "rf.png").convert("RGB")).astype(int)
    # The image's own area, found by its dark blue ground.
    ground = (pixels[..., 2] > 60) & (pixels[..., 0] < 10)
    rows, columns = np.nonzero(ground)
    top, bottom, left = rows.min(), rows.max(), columns.min()
    scale = (bottom - top + 1) / 61
    middle = (top + bottom) // 2
    row = pixels[middle, left : left + int(12 * scale)].min(axis=1)
    (white,) = np.nonzero(row > 200)
    assert abs(white.mean() / scale - 8) < 0.3
