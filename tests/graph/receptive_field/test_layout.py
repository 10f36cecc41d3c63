import pytest

from harness.graph.receptive_field.layout import IMAGE, Unmeasurable, of_shape, reshaped

MAP = ("batch", 8, 16, 16)
LAYOUT = of_shape(MAP, IMAGE)


def test_flattening_keeps_the_factors_in_order():
    layout, split = reshaped(LAYOUT, MAP, ("batch", 2048))
    assert layout[1] == (("c", 8), ("h", 16), ("w", 16))
    assert not split


def test_a_flattened_map_can_be_folded_back():
    flat, _ = reshaped(LAYOUT, MAP, ("batch", 8, 256))
    assert reshaped(flat, ("batch", 8, 256), MAP)[0] == LAYOUT


def test_channels_split_into_groups_stay_channels():
    layout, split = reshaped(LAYOUT, MAP, ("batch", 2, 4, 16, 16))
    assert layout[1:3] == ((("c", 2),), (("c", 4),))
    assert not split


def test_rows_split_in_two_leave_a_window():
    layout, split = reshaped(LAYOUT, MAP, ("batch", 8, 8, 2, 16))
    assert layout[2:4] == ((("h", 8),), (("k", 2),))
    assert split == {"h": 2}


def test_a_map_of_one_position_is_still_a_map_when_flattened():
    small = of_shape(("batch", 8, 1, 1), IMAGE)
    assert reshaped(small, ("batch", 8, 1, 1), ("batch", 8))[0][1] == (("c", 8), ("h", 1), ("w", 1))


def test_heads_can_join_the_batch_and_leave_it():
    """Multi-head attention: (L, N, E) -> (L, N * heads, E / heads)."""
    tokens = ((("h", 16), ("w", 16)), (("n", None),), (("c", 8),))
    layout, _ = reshaped(tokens, (256, "batch", 8), (256, "computed", 4))
    assert layout == ((("h", 16), ("w", 16)), (("n", None), ("c", 2)), (("c", 4),))


def test_cutting_across_rows_is_not_measurable():
    odd = ("batch", 8, 6, 6)
    with pytest.raises(Unmeasurable):
        reshaped(of_shape(odd, IMAGE), odd, ("batch", 36, 8))


def test_mixing_the_images_of_a_batch_is_not_measurable():
    with pytest.raises(Unmeasurable):
        reshaped(LAYOUT, MAP, (2, "computed", 16, 16))
