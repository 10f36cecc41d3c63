"""What is drawn of a class is where its numbers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cohort.charts import MOST_BARS, Measured, histogram, measured, scatter
from harness.report.charts import BOTTOM, LEFT, RIGHT, TOP

networks = st.lists(
    st.builds(
        Measured,
        student=st.just("ada"),
        accuracy=st.floats(0, 100),
        parameters=st.none() | st.integers(1, 10**7),
        passed=st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


def test_only_what_was_trained_is_drawn(class_table):
    assert [one.student for one in measured(class_table.rows, "basic")] == [
        "ada", "bob", "eve", "Zoë 10", "Zoë 9",
    ]  # fmt: skip
    assert measured(class_table.rows, "dilated") == ()


@given(networks)
def test_every_network_is_in_one_bar_and_every_bar_on_the_paper(networks):
    drawn = histogram(networks, 85.0)
    assert sum(int(bar.says.rpartition(": ")[2]) for bar in drawn.bars) == len(networks)
    assert len(drawn.bars) <= MOST_BARS
    for bar in drawn.bars:
        assert LEFT <= bar.x <= bar.x + bar.width <= RIGHT
        assert TOP <= bar.y <= bar.y + bar.height <= BOTTOM + 0.01
    assert LEFT <= drawn.at_x.at <= RIGHT


@given(networks)
def test_every_network_whose_parameters_are_known_is_a_dot_on_the_paper(networks):
    drawn = scatter(networks, 85.0, 200_000)
    assert len(drawn.dots) == sum(one.parameters is not None for one in networks)
    for dot in drawn.dots:
        assert LEFT <= dot.x <= RIGHT
        assert TOP <= dot.y <= BOTTOM
    assert TOP <= drawn.at_y.at <= BOTTOM


def test_bars_are_as_high_as_they_count():
    accuracies = [80.1, 80.2, 80.3, 90.0]
    drawn = histogram([Measured("a", accuracy, None, passed=True) for accuracy in accuracies], 85.0)
    low, high = drawn.bars
    assert low.height == pytest.approx(3 * high.height, rel=0.01)
    assert (low.says, high.says) == ("80 to 80.5 %: 3", "90 to 90.5 %: 1")
    assert drawn.summary == "4 networks, 80.10 to 90.00 %; median 80.25 %."
