"""Geometry of the drawings, checked by hand."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.report.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    accuracy_chart,
    accuracy_strip,
    combined_charts,
    field_view,
    loss_chart,
    nice_ticks,
)


def test_the_first_and_the_last_epoch_are_at_the_ends_of_the_chart(training):
    for chart in (accuracy_chart(training.epochs, 0.85), loss_chart(training.epochs)):
        for line in chart.lines:
            assert [x for x, _ in line.points] == [LEFT, RIGHT]
            assert all(TOP <= y <= BOTTOM for _, y in line.points)


def test_a_better_accuracy_is_higher_up_and_the_threshold_is_above_both(training):
    chart = accuracy_chart(training.epochs, 0.85)
    test = next(line for line in chart.lines if line.name == "test")
    assert test.points[0][1] < test.points[1][1]
    assert chart.threshold.at < min(y for _, y in test.points)
    assert chart.threshold.label == "85 % asked"


def test_names_of_lines_that_end_together_are_kept_apart(training):
    epochs = tuple(epoch.model_copy(update={"test_acc": epoch.train_acc}) for epoch in training.epochs)
    chart = accuracy_chart(epochs, None)
    one, other = chart.lines
    assert one.points == other.points
    assert abs(one.label_y - other.label_y) >= 14


def test_one_epoch_alone_can_be_drawn(training):
    chart = loss_chart(training.epochs[:1])
    assert [tick.label for tick in chart.x_ticks] == ["1"]
    assert len(chart.lines[0].points) == 1


def test_a_training_that_goes_on_leaves_room_for_the_epochs_to_come(training):
    chart = accuracy_chart(training.epochs, None, of=11)
    assert [x for x, _ in chart.lines[0].points] == [LEFT, LEFT + (RIGHT - LEFT) / 10]
    assert chart.x_ticks[-1].label == "11"


def test_the_accuracy_that_counts_is_that_of_the_last_epoch_not_of_the_best(training):
    interval = accuracy_chart(training.epochs, 0.85, counts=training).interval
    assert interval.label == "56.67 %"
    assert interval.x == RIGHT
    assert TOP < interval.high < interval.y < interval.low < BOTTOM


def test_a_training_that_goes_on_has_no_accuracy_that_counts(training):
    assert accuracy_chart(training.epochs, 0.85).interval is None


def test_the_loss_starts_at_zero(training):
    ticks = loss_chart(training.epochs).y_ticks
    assert (ticks[0].at, ticks[0].label) == (BOTTOM, "0")


def staged(training, notes=(), size_px=16):
    stages = [{"epochs": 1, "size_px": size_px}]
    return training.model_copy(update={"recipe": {"epochs": 2, "stages": stages}, "notes": notes})


def test_where_training_goes_on_with_larger_images_is_marked(training):
    stages = loss_chart(training.epochs, counts=staged(training)).stages
    assert [(tick.at, tick.label) for tick in stages] == [(LEFT, "16 px"), ((LEFT + RIGHT) / 2, "full size")]


def test_a_stage_that_has_no_room_for_its_label_has_its_place_alone(training):
    epochs = training.epochs * 20
    long = staged(training.model_copy(update={"epochs": epochs}))
    assert [tick.label for tick in loss_chart(epochs, counts=long).stages] == ["", "full size"]


def test_a_stage_that_a_training_did_not_reach_is_not_marked(training):
    short = staged(training.model_copy(update={"epochs": training.epochs[:1]}))
    assert [tick.label for tick in loss_chart(short.epochs, counts=short).stages] == ["16 px"]


def test_sizes_that_a_note_may_deny_are_not_marked(training):
    noted = staged(training, ("Trained 1 epochs at 32 px that the recipe plans at 16 px",))
    assert loss_chart(training.epochs, counts=noted).stages == ()


def test_trainings_of_other_lengths_share_the_axis_of_the_longest(training):
    short = training.model_copy(update={"epochs": training.epochs[:1]})
    accuracy, loss = combined_charts({"base_model": training, "dilated_model": short}, 0.85)
    for chart in (accuracy, loss):
        assert [len(line.points) for line in chart.lines] == [2, 1]
        assert chart.lines[1].points[0][0] == LEFT
    assert accuracy.threshold.label == "85 % asked"
    assert accuracy.summary == "base_model: 56.67 %; dilated_model: 60.00 %"


def test_the_strip_shows_the_interval_around_the_accuracy_left_of_the_threshold(training):
    strip = accuracy_strip([training], 0.85)
    assert 0 < strip.low < strip.at < strip.high < strip.threshold


def test_a_square_is_centred_on_the_image_and_the_view_holds_the_largest(record):
    row = record.variants["basic"].receptive_field[0]
    view = field_view([row, row.model_copy(update={"rf_out": 55})], 32)
    assert [(square.corner, square.side) for square in view.squares] == [(14.5, 3), (-11.5, 55)]
    assert view.first < -11.5
    assert view.first + view.side > 43.5


@given(st.floats(-100, 100), st.floats(0.001, 100), st.integers(3, 8))
def test_ticks_are_inside_and_evenly_spaced(low, length, most):
    ticks = nice_ticks(low, low + length, most)
    assert 1 <= len(ticks) <= most
    assert all(low - 1e-6 <= tick <= low + length + 1e-6 for tick in ticks)
    steps = {round(b - a, 6) for a, b in pairwise(ticks)}
    assert len(steps) <= 1


def test_ends_that_are_equal_have_one_tick():
    assert nice_ticks(2.0, 2.0, 5) == [2.0]
