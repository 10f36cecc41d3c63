"""Curves say what the record says, and can be told apart without colour."""

import pytest

from harness.report.plots.curves import (
    draw_accuracy,
    draw_combined_accuracy,
    draw_combined_loss,
    draw_loss,
)


def line(axes, label):
    return next(one for one in axes.lines if one.get_label() == label)


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.fixture
def accuracy(drawn, training):
    (figure,) = drawn(draw_accuracy, training, "basic: Net", 0.85)
    return figure.axes[0]


def test_every_epoch_is_drawn_in_percent(accuracy):
    assert list(line(accuracy, "test").get_xdata()) == [1, 2]
    assert list(line(accuracy, "test").get_ydata()) == pytest.approx([60, 100 * 17 / 30])
    assert list(line(accuracy, "train (augmented)").get_ydata()) == [40, 50]


def test_the_threshold_is_a_line_where_the_assignment_puts_it_and_inside_the_picture(accuracy):
    (threshold,) = [one for one in accuracy.lines if one.get_gid() == "threshold"]
    assert set(threshold.get_ydata()) == {85.0}
    assert accuracy.get_ylim()[1] > 85
    assert "required: 85 %" in texts(accuracy)


def test_without_a_threshold_there_is_no_line(drawn, training):
    (figure,) = drawn(draw_accuracy, training, "basic: Net", None)
    assert not [one for one in figure.axes[0].lines if one.get_gid() == "threshold"]


def test_the_accuracy_that_counts_is_that_of_the_last_epoch_not_of_the_best(accuracy):
    assert "56.67 % after the last epoch" in texts(accuracy)


def test_train_and_test_differ_in_line_and_marker(accuracy):
    train, test = line(accuracy, "train (augmented)"), line(accuracy, "test")
    assert train.get_linestyle() != test.get_linestyle()
    assert train.get_marker() != test.get_marker()


def test_a_preview_says_that_it_is_no_grade(drawn, training):
    preview = training.model_copy(update={"data": training.data.model_copy(update={"name": "mini"})})
    (figure,) = drawn(draw_loss, preview, "basic: Net")
    assert "not a grade" in figure.axes[0].get_title(loc="left")


def test_the_loss_starts_at_zero(drawn, training):
    (figure,) = drawn(draw_loss, training, "basic: Net")
    assert figure.axes[0].get_ylim()[0] == 0
    assert list(line(figure.axes[0], "test").get_ydata()) == [1.2, 1.1]


def staged(training, notes=()):
    stages = [{"epochs": 1, "size_px": 16}]
    return training.model_copy(update={"recipe": {"epochs": 2, "stages": stages}, "notes": notes})


def test_where_training_goes_on_with_larger_images_is_marked(drawn, training):
    (figure,) = drawn(draw_loss, staged(training), "basic: Net")
    assert texts(figure.axes[0]) == ["trained at 16 px", "full size"]


def test_sizes_that_a_note_may_deny_are_not_marked(drawn, training):
    noted = staged(training, ("Trained 1 epochs at 32 px that the recipe plans at 16 px",))
    (figure,) = drawn(draw_loss, noted, "basic: Net")
    assert texts(figure.axes[0]) == []


def test_several_trainings_each_have_their_line(drawn, training):
    both = {"base_model": training, "dilated_model": training}
    (figure,) = drawn(draw_combined_accuracy, both, 0.85)
    first, second = (line(figure.axes[0], name) for name in both)
    assert (first.get_linestyle(), first.get_marker()) != (second.get_linestyle(), second.get_marker())


@pytest.mark.parametrize("draw", [draw_accuracy, draw_combined_accuracy, draw_combined_loss])
def test_equal_numbers_give_equal_bytes(training, draw):
    arguments = {
        draw_accuracy: (training, "basic: Net", 0.85),
        draw_combined_accuracy: ({"base_model": training}, 0.85),
        draw_combined_loss: ({"base_model": training},),
    }
    assert draw(*arguments[draw]) == draw(*arguments[draw])
