"""Every picture that a record allows is drawn, and none that it does not."""

import csv

import numpy as np
import pytest

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.report.csv_files import summary_rows
from harness.report.files import write_reports
from harness.report.material import materials
from harness.report.pictures import write_pictures
from harness.report.plots.sources import EffectiveField, read_effective_field, write_effective_field

CURVES = {"acc_curves.png", "loss_curves.png", "cm.png"}
GRIDS = {"test_samples_grid.png", "wrong_samples_grid.png", "augmented_samples_grid.png"}


@pytest.fixture
def folders(tmp_path):
    return {"basic": tmp_path / "base_model", "dilated": tmp_path / "dilated_model"}


@pytest.fixture
def samples(folders):
    """Two images of each kind, both wrong."""
    images, labels = np.zeros((2, 32, 32, 3), dtype=np.uint8), np.array([0, 1])
    arrays = {"train_images": images, "train_labels": labels, "train_augmented": images[:, None]}
    for kind in ("test", "wrong"):
        arrays |= {f"{kind}_images": images, f"{kind}_labels": labels, f"{kind}_indices": labels}
        arrays[f"{kind}_probabilities"] = np.array([[0.1, 0.8, 0.1]] * 2, dtype=np.float32)
    folders["basic"].mkdir()
    np.savez(folders["basic"] / "samples.npz", **arrays)
    return arrays


@pytest.fixture
def field(folders):
    heat = tuple(tuple(1.0 for _ in range(9)) for _ in range(9))
    found = EffectiveField(heat=heat, rows=(2, 5), columns=(2, 5), image=(0, 0, 9, 9), weights="trained")
    write_effective_field(folders["basic"], found)
    return found


def drawing(record, folders, out):
    """Draw what there is from the files in the folders; returns the notes."""
    _, notes = write_pictures(record, materials(folders), out)
    return notes


def plots(folder):
    return {path.name for path in (folder / "plots").glob("*")}


def without_graph(record):
    """The record's graph is no real one: leave out what would be drawn of it."""
    basic = record.variants["basic"].model_copy(update={"graph_sha256": None})
    return record.model_copy(update={"variants": {**record.variants, "basic": basic}})


def asking(record):
    """The record with an assignment that asks for an accuracy."""
    assignment = load_assignment(DEFAULT_ASSIGNMENT).model_dump(mode="json")
    return record.model_copy(update={"provenance": {**record.provenance, "assignment": assignment}})


def test_a_trained_variant_has_its_curves_its_matrix_and_its_images(record, folders, samples, tmp_path):
    assert drawing(asking(without_graph(record)), folders, tmp_path) == ()
    assert plots(folders["basic"]) == CURVES | GRIDS


def test_pictures_of_a_preview_say_that_it_is_no_grade(record, folders, tmp_path, drawn):
    basic = without_graph(record).variants["basic"]
    mini = basic.training.data.model_copy(update={"name": "mini"})
    previewed = basic.model_copy(update={"training": basic.training.model_copy(update={"data": mini})})
    preview = record.model_copy(update={"variants": {"basic": previewed}})
    figures = drawn(drawing, preview, folders, tmp_path)
    headings = [figure.axes[0].texts[0].get_text() for figure in figures if len(figure.axes) == 1]
    note = "(preview on the embedded set, not a grade)"
    assert headings == [f"basic: Net {note}"] * 2 + [f"All variants {note}"] * 2


def test_without_samples_there_are_curves_and_no_images(record, folders, tmp_path):
    assert drawing(without_graph(record), folders, tmp_path) == ()
    assert plots(folders["basic"]) == CURVES


def test_a_variant_that_was_not_trained_has_no_curves(record, folders, samples, tmp_path):
    drawing(without_graph(record), folders, tmp_path)
    assert not folders["dilated"].exists()


def test_a_network_without_a_mistake_has_no_grid_of_mistakes(record, folders, samples, tmp_path):
    none = {name: values[:0] if name.startswith("wrong") else values for name, values in samples.items()}
    np.savez(folders["basic"] / "samples.npz", **none)
    assert drawing(without_graph(record), folders, tmp_path) == ()
    assert plots(folders["basic"]) == CURVES | GRIDS - {"wrong_samples_grid.png"}


def test_a_picture_that_cannot_be_drawn_is_a_note_and_leaves_the_others(record, folders, samples, tmp_path):
    (folders["basic"] / "architecture.json").write_text("not a graph")
    (note,) = drawing(record, folders, tmp_path)
    assert "architecture.svg: could not be drawn (architecture.json: " in note
    assert note.endswith("The grade stands without it.")
    assert plots(folders["basic"]) == CURVES | GRIDS


def test_a_failed_drawing_leaves_the_record_and_the_scorecard(record, folders, tmp_path):
    folders["basic"].mkdir()
    (folders["basic"] / "plots").write_text("a file where the folder should be")
    notes = write_reports(record, tmp_path, folders)
    assert len(notes) == 4
    assert (tmp_path / "scorecard.json").is_file()
    assert (tmp_path / "scorecard.md").is_file()


def test_the_receptive_field_says_whose_weights_it_shows(record, folders, field, tmp_path, drawn):
    figures = drawn(drawing, record, folders, tmp_path)
    assert "basic: Net, receptive field, trained weights" in [f.get_suptitle() for f in figures]


def test_an_image_of_another_size_than_the_networks_is_not_shown_below_it(
    record, folders, samples, field, tmp_path, drawn
):
    (field_figure,) = [
        f for f in drawn(drawing, record, folders, tmp_path) if "receptive" in f.get_suptitle()
    ]
    assert "a test image" not in " ".join(axes.get_xlabel() for axes in field_figure.axes)


def test_the_effective_field_comes_back_as_it_was_written(folders, field):
    assert read_effective_field(folders["basic"]) == field
    assert read_effective_field(folders["dilated"]) is None


def test_the_summary_has_a_row_for_every_trained_variant(record, folders, tmp_path):
    timed = without_graph(record).model_copy(
        update={"provenance": {**record.provenance, "train_seconds": {"basic": 12.5}}}
    )
    write_reports(timed, tmp_path, folders)
    assert {path.name for path in (tmp_path / "combined" / "plots").iterdir()} == {
        "combined_acc.png", "combined_loss.png",
    }  # fmt: skip
    with (tmp_path / "combined" / "summary.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["exp_name"] == "base_model"
    assert (row["best_test_acc"], row["best_epoch"], row["final_test_acc"]) == ("60.00", "1", "56.67")
    assert (row["params"], row["epochs"], row["train_time_sec"]) == ("84322", "2", "12.5")
    assert (row["augment"], row["optimizer"]) == ("none", "SGD (Nesterov)")


def test_further_seeds_have_rows_of_their_own(record, folders):
    basic = without_graph(record).variants["basic"]
    again = basic.training.model_copy(update={"seed": 2, "accuracy": 0.625})
    twice = record.model_copy(
        update={
            "variants": {"basic": basic.model_copy(update={"more_trainings": (again,)})},
            "provenance": {"train_seconds": {"basic": 12.5, "basic, seed 2": 13.5}},
        }
    )
    rows = summary_rows(twice, folders)
    assert [row["exp_name"] for row in rows] == ["base_model", "base_model/seed_2"]
    assert [row["final_test_acc"] for row in rows] == ["56.67", "62.50"]
    assert [row["train_time_sec"] for row in rows] == [12.5, 13.5]


def test_without_a_training_there_is_no_summary(record, folders, tmp_path):
    rules_only = record.model_copy(update={"variants": {"dilated": record.variants["dilated"]}})
    assert drawing(rules_only, folders, tmp_path) == ()
    assert list(tmp_path.iterdir()) == []
