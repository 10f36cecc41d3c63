"""Draw every picture of a run; `harness.report.plots` says which there are and what each means."""

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.base.files import write_text
from harness.graph.ir import parse_architecture
from harness.record.record import Record, Training, VariantRecord
from harness.report.plots.architecture import draw_architecture
from harness.report.plots.confusion import draw_confusion
from harness.report.plots.curves import (
    draw_accuracy,
    draw_combined_accuracy,
    draw_combined_loss,
    draw_loss,
)
from harness.report.plots.field import draw_receptive_field
from harness.report.plots.samples import (
    Samples,
    draw_augmented,
    draw_classified,
    read_samples,
)
from harness.report.plots.sources import ARCHITECTURE, SAMPLES, read_effective_field
from harness.report.summary import summary_csv
from harness.report.words import accuracy_asked

PLOTS = "plots"
COMBINED = "combined"


def write_pictures(record: Record, folders: Mapping[str, Path], out: Path) -> tuple[str, ...]:
    """Draw what can be drawn of a record; `folders` are the variants' own, `out` that of the results.

    Returns a note for every picture that could not be drawn; one failure leaves the others.
    """
    notes: list[str] = []
    images = _images(record, folders)
    for name, variant in record.variants.items():
        title = f"{name}: {variant.class_name}"
        notes += _tried(folders[name] / PLOTS, _of_graph(variant, folders[name], title, images.get(name)))
        if variant.training is not None:
            notes += write_training_pictures(
                variant.training, folders[name], title, accuracy_asked(record, name)
            )
    trained = {folders[n].name: v.training for n, v in record.variants.items() if v.training is not None}
    if trained:
        asked = {
            accuracy_asked(record, name) for name, v in record.variants.items() if v.training is not None
        }
        threshold = asked.pop() if len(asked) == 1 else None
        plots = {
            "combined_acc.png": lambda path: draw_combined_accuracy(path, trained, threshold),
            "combined_loss.png": lambda path: draw_combined_loss(path, trained),
        }
        notes += _tried(out / COMBINED / PLOTS, plots)
        write_text(out / COMBINED / "summary.csv", summary_csv(record, folders))
    return tuple(notes)


def write_training_pictures(
    training: Training, folder: Path, title: str, threshold: float | None = None
) -> tuple[str, ...]:
    """Draw what shows a training, into ``plots/`` of a variant's folder; returns notes likewise.

    `threshold` is the accuracy that it had to reach, a share in [0, 1].
    """
    classes = training.data.classes
    pictures: dict[str, Draw] = {
        "acc_curves.png": lambda path: draw_accuracy(path, training, title, threshold),
        "loss_curves.png": lambda path: draw_loss(path, training, title),
        "cm.png": lambda path: draw_confusion(path, training, title),
    }
    if not (folder / SAMPLES).is_file():
        return _tried(folder / PLOTS, pictures)

    def samples() -> Samples:
        return read_samples(folder / SAMPLES)

    def test(path: Path) -> None:
        if (shown := samples().test) is not None:
            draw_classified(path, shown, classes, f"{title}, what it calls images of the test split")

    def wrong(path: Path) -> None:
        if (shown := samples().wrong) is not None and len(shown.labels):
            draw_classified(path, shown, classes, f"{title}, its most confident mistakes")

    def augmented(path: Path) -> None:
        draw_augmented(path, samples().train, classes, f"{title}, its first training images, augmented")

    pictures |= {
        "test_samples_grid.png": test,
        "wrong_samples_grid.png": wrong,
        "augmented_samples_grid.png": augmented,
    }
    return _tried(folder / PLOTS, pictures)


# Private functions

Draw = Callable[[Path], None]


def _of_graph(variant: VariantRecord, folder: Path, title: str, image: Path | None) -> dict[str, Draw]:
    """List what shows the network itself, where it could be exported."""
    if variant.graph_sha256 is None:
        return {}

    def field(path: Path) -> None:
        found = read_effective_field(folder)
        if found is None:
            return
        test = read_samples(image).test if image is not None else None
        shown = None if test is None else test.images[0]
        if shown is not None and shown.shape[:2] != found.image[2:]:
            shown = None
        draw_receptive_field(path, found, f"{title}, receptive field, {found.weights} weights", shown)

    def graph(path: Path) -> None:
        architecture = parse_architecture((folder / ARCHITECTURE).read_bytes())
        draw_architecture(path, architecture, f"{title}, the graph that executes")

    return {"receptive_field.png": field, "architecture.svg": graph}


def _images(record: Record, folders: Mapping[str, Path]) -> dict[str, Path]:
    """Find for each variant the samples to show its receptive field on: its own, else those of another."""
    trained = [n for n, v in record.variants.items() if v.training is not None]
    there = [n for n in trained if (folders[n] / SAMPLES).is_file()]
    return {n: folders[n if n in there else there[0]] / SAMPLES for n in record.variants if there}


def _tried(folder: Path, pictures: Mapping[str, Draw]) -> tuple[str, ...]:
    notes = []
    for name, draw in pictures.items():
        try:
            draw(folder / name)
        except Exception as error:  # noqa: BLE001 - a picture that cannot be drawn must not cost a grade
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            notes.append(f"{folder / name}: could not be drawn ({reason}). The grade stands without it.")
    return tuple(notes)
