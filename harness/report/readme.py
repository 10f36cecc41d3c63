"""The sections of a submission's README, rendered from its record, between the seed README's markers.

Every section has something honest to say: where a picture or a number does not exist yet, it says
what is missing and why.
"""

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment
from tabulate import tabulate

from harness.base.errors import UsageError
from harness.graph.ir import parse_architecture
from harness.record.facts import ReceptiveFieldRow, SecondMeasurement
from harness.record.record import Record, VariantRecord
from harness.report.csv_files import COLUMNS, class_scores, summary_rows
from harness.report.markdown import environment, escape_markdown
from harness.report.markers import fill_sections, find_sections


@dataclass(frozen=True)
class Role:
    """A network of a README: the variant it answers, and the word for it."""

    variant: str
    label: str


SEED_ROLES = {"BASE": Role("basic", "Base"), "DILATED": Role("dilated", "Dilated")}
"""The two networks of the seed README, by the ends of their markers."""


@dataclass(frozen=True)
class FieldShown:
    """A receptive-field table as ``receptive_field.md.j2`` shows it; a `FieldReport` has all of this."""

    title: str
    rows: tuple[ReceptiveFieldRow, ...]
    before_pool_px: int | None
    with_pool_px: int | None
    jump: int | None
    unknown: str = ""
    check: SecondMeasurement | None = None


@dataclass(frozen=True)
class Measured:
    """A receptive field measured anew: the class, and a `FieldShown` or anything that has what it has."""

    class_name: str
    report: object


@dataclass(frozen=True)
class Book:
    """The sources of the sections. `record` is None where nothing has been graded.

    `home` is the README's folder, which links are relative to; `results` holds the record; `folders`
    are the variants' own; `fields` are receptive fields measured anew, by section.
    """

    home: Path
    results: Path
    record: Record | None
    folders: Mapping[str, Path] = field(default_factory=dict)
    fields: Mapping[str, Measured] = field(default_factory=dict)


def fill_readme(content: bytes, book: Book, where: str) -> bytes:
    """Fill the blocks of a README; every other byte stays, text that is not UTF-8 included.

    Raises:
        UsageError: a marker without its partner, one block inside another, or a name used twice.
    """
    text = content.decode(errors="surrogateescape")
    return fill_sections(text, render_sections(book), where).encode(errors="surrogateescape")


def changed_sections(before: bytes, after: bytes, book: Book, where: str) -> list[str]:
    """List the blocks that differ."""
    names = list(render_sections(book))
    old, new = _insides(before, names, where), _insides(after, names, where)
    return [name for name in new if old[name] != new[name]]


def field_roles(record: Record | None) -> dict[str, Role]:
    """Return the sections that show a receptive field, and the network of each."""
    return {"RF_NET" if end == "BASE" else f"RF_{end}": role for end, role in _roles(record).items()}


def field_sections(classes: Sequence[str], record: Record | None) -> list[str]:
    """List the section that shows each class: that of its variant in the record, else the next free.

    Raises:
        UsageError: more classes than there are sections, or one class twice.
    """
    sections = field_roles(record)
    if len(classes) > len(sections) or len(set(classes)) < len(classes):
        raise UsageError(
            f"--rf: expected at most one class for each of {' and '.join(sections)}, "
            f"got {', '.join(classes)}."
        )
    variants = record.variants if record else {}
    answers = {
        variants[role.variant].class_name: section
        for section, role in reversed(sections.items())
        if role.variant in variants
    }
    free = [s for s in sections if s not in {answers.get(name) for name in classes}]
    return [answers.get(name) or free.pop(0) for name in classes]


def render_sections(book: Book) -> dict[str, str]:
    """Render the inside of every block that a README may have, by the markers' names.

    Each variant has its own, which end in its name; those of the seed README go on working.
    """
    jinja = _environment()
    page = _Page(book, jinja)
    roles = _roles(book.record)
    shown = " vs ".join(dict.fromkeys(role.label for role in roles.values()))
    sections = {
        "TEST_SAMPLES_GRID": page.sample("test_samples_grid.png", "Test Samples (grid)"),
        "AUGMENTED_SAMPLES_GRID": page.sample("augmented_samples_grid.png", "Augmented Train Samples (grid)"),
        "COMBINED_SUMMARY_TABLE": page.combined_table(),
        "COMBINED_ACC_PLOT": page.combined_plot("combined_acc.png", f"Accuracy — {shown}"),
        "COMBINED_LOSS_PLOT": page.combined_plot("combined_loss.png", f"Loss — {shown}"),
    }
    for end, role in roles.items():
        sections |= {
            f"MODEL_SUMMARY_{end}": page.summary(role),
            f"CM_{end}": page.confusion(role),
            f"CLS_REPORT_{end}": page.class_report(role),
        }
    return sections | {
        name: page.receptive_field(name, role) for name, role in field_roles(book.record).items()
    }


SECTIONS = (
    "TEST_SAMPLES_GRID", "AUGMENTED_SAMPLES_GRID", "MODEL_SUMMARY_BASE", "RF_NET", "MODEL_SUMMARY_DILATED",
    "RF_DILATED", "COMBINED_SUMMARY_TABLE", "COMBINED_ACC_PLOT", "COMBINED_LOSS_PLOT", "CM_BASE",
    "CLS_REPORT_BASE", "CM_DILATED", "CLS_REPORT_DILATED",
)  # fmt: skip
"""The markers of the seed README, in its order."""


# Private functions


def _insides(content: bytes, names: Sequence[str], where: str) -> dict[str, str]:
    text = content.decode(errors="surrogateescape")
    return {one.name: text[one.start : one.end] for one in find_sections(text, names, where)}


def _roles(record: Record | None) -> dict[str, Role]:
    """Return the networks by the ends of their markers: those of the record, or the seed README's."""
    variants = list(record.variants) if record else []
    seed = {role.variant: (end, role) for end, role in SEED_ROLES.items()}
    if not variants or set(variants) <= seed.keys():
        return dict(SEED_ROLES)
    named = (seed.get(name, (name.upper().replace("-", "_"), Role(name, name))) for name in variants)
    return dict(named)


class _Page:
    """Renders one section at a time."""

    def __init__(self, book: Book, jinja: Environment) -> None:
        self._book = book
        self._jinja = jinja

    def sample(self, file: str, title: str) -> str:
        """Link a grid of samples: of the first network that was trained."""
        roles = list(_roles(self._book.record).values())
        trained = [role for role in roles if self._why_untrained(role) is None]
        return self._training_picture((trained or roles)[0], file, title)

    def confusion(self, role: Role) -> str:
        return self._training_picture(role, "cm.png", f"Confusion Matrix — {role.label}")

    def summary(self, role: Role) -> str:
        what = f"Model summary ({role.label})"
        variant = self._variant(role)
        if isinstance(variant, str):
            return self._missing(what, variant)
        if not variant.summary:
            return self._missing(what, "the network could not be exported.")
        # Records of an earlier version carry the unit under the name that torchinfo 1.8.0 prints.
        text = variant.summary.replace("Units.MEGABYTES", "MB")
        return self._render("summary", label=role.label, summary=text)

    def receptive_field(self, section: str, role: Role) -> str:
        variant = self._variant(role)
        measured = self._book.fields.get(section)
        if measured is None:
            what = f"Receptive field ({role.label})"
            if isinstance(variant, str):
                return self._missing(what, variant)
            if not variant.receptive_field:
                return self._missing(what, "the network could not be exported.")
            measured = Measured(variant.class_name, self._from_record(role, variant))
        return self._render("receptive_field", class_name=measured.class_name, report=measured.report)

    def class_report(self, role: Role) -> str:
        why = self._why_untrained(role)
        variant = self._variant(role)
        if why is not None or isinstance(variant, str) or variant.training is None:
            return self._missing(f"Classification report ({role.label})", str(why))
        header, rows = class_scores(variant.training.confusion, variant.training.data.classes)
        averages = [row[:4] for row in rows if str(row[0]).endswith(" avg")]
        classes = rows[: len(variant.training.data.classes)]
        return self._render(
            "class_report",
            averages=(["avg", *header[1:4]], averages),
            classes=(header, classes),
            preview=variant.training.data.name == "mini",
        )

    def combined_table(self) -> str:
        record = self._book.record
        if record is None:
            return self._missing("Summary of the models", self._not_graded())
        folders = self._book.folders
        rows = [[row[column] for column in COLUMNS] for row in summary_rows(record, folders)]
        untrained = [folders[name].name for name, one in record.variants.items() if one.training is None]
        if not rows:
            return self._missing("Summary of the models", "no network has been trained.")
        return self._render("combined", rows=(list(COLUMNS), rows), untrained=untrained)

    def combined_plot(self, file: str, title: str) -> str:
        record = self._book.record
        if record is None:
            return self._missing(title, self._not_graded())
        if all(variant.training is None for variant in record.variants.values()):
            return self._missing(title, "no network has been trained.")
        return self._picture(self._book.results / "combined" / "plots" / file, title)

    def _from_record(self, role: Role, variant: VariantRecord) -> FieldShown:
        graph = self._book.folders[role.variant] / "architecture.json"
        shape = parse_architecture(graph.read_bytes()).eval.input_shape if graph.is_file() else ()
        size = f" ({'x'.join(map(str, shape[-2:]))} input)" if shape else ""
        facts = variant.facts
        return FieldShown(
            title=f"RF: {variant.class_name}{size}",
            rows=variant.receptive_field,
            before_pool_px=facts.receptive_field_px,
            with_pool_px=facts.receptive_field_with_pool_px,
            jump=facts.jump,
            unknown="the scorecard says why",
            check=facts.receptive_field_check,
        )

    def _training_picture(self, role: Role, file: str, title: str) -> str:
        why = self._why_untrained(role)
        variant = self._variant(role)
        if why is not None or isinstance(variant, str):
            return self._missing(title, str(why))
        preview = variant.training is not None and variant.training.data.name == "mini"
        return self._picture(self._book.folders[role.variant] / "plots" / file, title, preview=preview)

    def _picture(self, path: Path, title: str, *, preview: bool = False) -> str:
        link = Path(os.path.relpath(path, self._book.home)).as_posix()
        if not path.is_file():
            return self._missing(title, f"{link} has not been drawn: run harness grade.")
        return self._render("picture", title=title, link=quote(link), preview=preview)

    def _missing(self, what: str, why: str) -> str:
        return self._render("missing", what=what, why=why)

    def _variant(self, role: Role) -> VariantRecord | str:
        """Return what the record says of a network, or why it says nothing."""
        if self._book.record is None:
            return self._not_graded()
        variant = self._book.record.variants.get(role.variant)
        if variant is None:
            return f"{role.variant} was not graded: run harness grade --variant {role.variant}."
        if variant.problem is not None:
            return "the submission could not be loaded; the scorecard says why."
        return variant

    def _why_untrained(self, role: Role) -> str | None:
        variant = self._variant(role)
        if isinstance(variant, str):
            return variant
        if variant.training is not None:
            return None
        if variant.full:
            return "the training ended without a result; the scorecard says why."
        return f"{role.variant} has not been trained yet: run harness grade --variant {role.variant}."

    def _not_graded(self) -> str:
        link = Path(os.path.relpath(self._book.results / "scorecard.json", self._book.home)).as_posix()
        return f"there is no {link} yet: run harness grade."

    def _render(self, template: str, **values: object) -> str:
        return self._jinja.get_template(f"readme_{template}.md.j2").render(**values).strip("\n")


def _environment() -> Environment:
    jinja = environment()
    jinja.filters |= {"html": lambda text: html.escape(" ".join(text.split())), "table": _table}
    return jinja


def _table(content: tuple[list[str], list[list[object]]]) -> str:
    header, rows = content
    cells = [[escape_markdown(str(cell)) for cell in row] for row in rows]
    aligned = ["left", *["right"] * (len(header) - 1)]
    return str(tabulate(cells, header, tablefmt="pipe", disable_numparse=True, colalign=aligned))
