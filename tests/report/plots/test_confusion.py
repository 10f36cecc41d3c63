"""The confusion matrix shows the record's counts, and shares by the true class."""

from harness.report.plots.confusion import draw_confusion, normalised


def test_the_counts_in_the_cells_are_those_of_the_record(drawn, training):
    (figure,) = drawn(draw_confusion, training, "basic: Net")
    cells = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert cells == {(j, i): str(n) for i, row in enumerate(training.confusion) for j, n in enumerate(row)}


def test_the_classes_name_rows_and_columns(drawn, training):
    (figure,) = drawn(draw_confusion, training, "basic: Net")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(training.data.classes)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(training.data.classes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")


def test_the_title_has_the_accuracy_and_the_number_of_images(drawn, training):
    (figure,) = drawn(draw_confusion, training, "basic: Net")
    assert figure.axes[0].get_title(loc="left") == "basic: Net: 56.67 % of 30 test images right"


def test_a_row_is_divided_by_its_images_and_an_empty_one_stays_zero():
    assert normalised([[3, 1], [0, 0]]) == [[0.75, 0.25], [0.0, 0.0]]


def test_equal_numbers_give_equal_bytes(training):
    assert draw_confusion(training, "basic: Net") == draw_confusion(training, "basic: Net")
