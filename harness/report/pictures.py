"""Draw every picture of a grade; `harness.report.plots` says which there are and what each means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.files import write_bytes
from harness.record.record import Record, VariantRecord
from harness.record.trainings import Training
from harness.report.charts import accuracy_chart, combined_charts, loss_chart
from harness.report.material import Material
from harness.report.plots.architecture import architecture_svg
from harness.report.plots.confusion import draw_confusion
from harness.report.plots.curves import draw_chart
from harness.report.plots.field import draw_receptive_field
from harness.report.plots.image_file import Samples
from harness.report.plots.samples import draw_augmented, draw_classified
from harness.report.words import accuracy_asked

PLOTS = "plots"
COMBINED = "combined"

Draw = Callable[[], bytes | None]
"""Draws a picture; None where there is nothing to show."""


@dataclass(frozen=True)
class Pictures:
    """Pictures by their file names, and a note for each that could not be drawn or written."""

    drawn: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write_pictures(
    record: Record, materials: Mapping[str, Material], out: Path
) -> tuple[dict[str, Pictures], tuple[str, ...]]:
    """Draw what can be drawn of a record, into the variants' folders and into that of the results, `out`.

    Returns the pictures of each variant, and a note for every one that could not be drawn; one failure leaves
    the others.
    """
    with_samples = _with_samples(record, materials)
    found = {}
    for name, variant in record.variants.items():
        title, own = f"{name}: {variant.class_name}", materials[name]
        shown_on = own if name in with_samples else next(iter(with_samples.values()), None)
        pictures = _of_graph(variant, own, title, shown_on)
        if variant.training is not None:
            threshold = accuracy_asked(record, name)
            pictures |= _of_training(variant.training, own, title, threshold)
        found[name] = _written(own.folder / PLOTS, pictures)
    combined = _written(out / COMBINED / PLOTS, _combined(record, materials))
    return found, (*(note for one in found.values() for note in one.notes), *combined.notes)


def write_training_pictures(
    training: Training, folder: Path, title: str, threshold: float | None = None
) -> tuple[str, ...]:
    """Draw what shows a training, into ``plots/`` of a variant's folder; returns notes likewise.

    `threshold` is the accuracy that it had to reach, a share in [0, 1].
    """
    pictures = _of_training(training, Material(folder), title, threshold)
    return _written(folder / PLOTS, pictures).notes


# Private functions


def _combined(record: Record, materials: Mapping[str, Material]) -> dict[str, Draw]:
    """List the pictures that show the trainings of all variants together."""
    variants = {name: v.training for name, v in record.variants.items() if v.training is not None}
    if not variants:
        return {}
    trained = {materials[name].folder.name: training for name, training in variants.items()}
    title = _named("All variants", *trained.values())
    asked = {accuracy_asked(record, name) for name in variants}
    threshold = asked.pop() if len(asked) == 1 else None
    return {
        "combined_acc.png": lambda: draw_chart(combined_charts(trained, threshold)[0], title),
        "combined_loss.png": lambda: draw_chart(combined_charts(trained, threshold)[1], title),
    }


def _of_training(
    training: Training, material: Material, title: str, threshold: float | None
) -> dict[str, Draw]:
    """List what shows a training: its curves, its confusions, its images."""
    classes = training.data.classes

    def test() -> bytes | None:
        shown = _samples(material).test
        what = f"{title}, what it calls images of the test split"
        return None if shown is None else draw_classified(shown, classes, what)

    def wrong() -> bytes | None:
        shown = _samples(material).wrong
        if shown is None or not len(shown.labels):
            return None
        return draw_classified(shown, classes, f"{title}, its most confident mistakes")

    def augmented() -> bytes:
        what = f"{title}, its first training images, augmented"
        return draw_augmented(_samples(material).train, classes, what)

    named, shown = _named(title, training), (training.epochs, threshold)
    pictures: dict[str, Draw] = {
        "acc_curves.png": lambda: draw_chart(accuracy_chart(*shown, counts=training), named),
        "loss_curves.png": lambda: draw_chart(loss_chart(training.epochs, counts=training), named),
        "cm.png": lambda: draw_confusion(training, title),
    }
    of_images: dict[str, Draw] = {
        "test_samples_grid.png": test,
        "wrong_samples_grid.png": wrong,
        "augmented_samples_grid.png": augmented,
    }
    return pictures | (of_images if material.has_samples else {})


def _named(title: str, *trainings: Training) -> str:
    is_preview = any(training.data.name == "mini" for training in trainings)
    return f"{title} (preview on the embedded set, not a grade)" if is_preview else title


def _samples(material: Material) -> Samples:
    assert material.samples is not None
    return material.samples


def _of_graph(
    variant: VariantRecord, material: Material, title: str, shown_on: Material | None
) -> dict[str, Draw]:
    """List what shows the network itself, where it could be exported; `shown_on` has a test image."""
    if variant.graph_sha256 is None:
        return {}

    def field() -> bytes | None:
        found = material.field
        if found is None:
            return None
        test = _samples(shown_on).test if shown_on is not None else None
        image = None if test is None else test.images[0]
        if image is not None and image.shape[:2] != found.image[2:]:
            image = None
        return draw_receptive_field(found, f"{title}, receptive field, {found.weights} weights", image)

    def graph() -> bytes:
        return architecture_svg(material.view, f"{title}, the graph that executes").encode()

    return {"receptive_field.png": field, "architecture.svg": graph}


def _with_samples(record: Record, materials: Mapping[str, Material]) -> dict[str, Material]:
    """Find the variants that have images to show a receptive field on."""
    trained = (name for name, v in record.variants.items() if v.training is not None)
    return {name: materials[name] for name in trained if materials[name].has_samples}


def _written(folder: Path, pictures: Mapping[str, Draw]) -> Pictures:
    drawn, notes = {}, []
    for name, draw in pictures.items():
        try:
            if (picture := draw()) is not None:
                write_bytes(folder / name, picture)
                drawn[name] = picture
        except Exception as error:  # noqa: BLE001 - a picture that cannot be drawn must not cost a grade
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            notes.append(f"{folder / name}: could not be drawn ({reason}). The grade stands without it.")
    return Pictures(drawn, tuple(notes))
