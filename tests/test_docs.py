"""The documentation names what exists."""

import re

import cuda_table
import pytest
from checkout import REPOSITORY
from typer.main import get_command

from harness.cli.app import app
from harness.cli.cohort import COMMANDS
from harness.cli.cohort_reports import table_formats
from harness.datasets.dataset import Public
from harness.datasets.registry import DATASETS
from harness.datasets.spec import DataSpec
from harness.record.facts import Facts, ReceptiveFieldRow, StridedConvolution
from harness.record.findings import Finding, Problem, Where
from harness.record.record import Record, VariantRecord
from harness.record.trainings import DataUsed, EpochLog, Training
from harness.report.markers import find_sections
from harness.report.readme import SECTIONS
from harness.report.report import formats
from harness.similarity.graphs import LEVELS

MODELS = [
    DataUsed, EpochLog, Facts, Finding, Problem, ReceptiveFieldRow, Record, StridedConvolution, Training,
    VariantRecord, Where,
]  # fmt: skip


PAGES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_of_it(page):
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text())
    for file, anchor in links:
        target = page.parent / file if file else page
        assert target.exists(), file
        assert not anchor or anchor in anchors(target.read_text()), f"{file}#{anchor}"


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_one_page():
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 100


def test_the_glossary_has_at_most_twenty_words():
    rows = re.findall(
        r"^\| (?!word |:)", (REPOSITORY / "docs" / "glossary.md").read_text(), flags=re.MULTILINE
    )
    assert 10 < len(rows) <= 20


@pytest.mark.parametrize("command", app.registered_commands, ids=lambda command: command.name)
def test_every_command_is_on_the_page_of_commands(command):
    assert f"harness {command.name} " in (REPOSITORY / "docs" / "commands.md").read_text()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_of_the_record_is_documented(model):
    text = (REPOSITORY / "docs" / "record.md").read_text()
    missing = [
        f.alias or name for name, f in model.model_fields.items() if f"`{f.alias or name}`" not in text
    ]
    assert not missing


@pytest.mark.parametrize(
    "command", ["make grade", "make test", "make setup", "harness check", "harness train", "harness explain"]
)
def test_the_readme_shows_the_commands(command):
    assert command in (REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize("name", formats())
def test_every_format_and_its_file_are_in_the_formats_page(name):
    text = (REPOSITORY / "docs" / "formats.md").read_text()
    assert f"| `{name}` |" in text


@pytest.mark.parametrize("name", table_formats())
def test_every_format_of_the_table_of_a_class_is_in_the_formats_page(name):
    file, _ = table_formats()[name]
    assert f"| `{name}` | `{file}` |" in (REPOSITORY / "docs" / "formats.md").read_text()


@pytest.mark.parametrize("example", [example for _, _, example in COMMANDS])
def test_every_command_for_a_class_is_on_its_page(example):
    assert " ".join(example.split()[:3]) in (REPOSITORY / "docs" / "cohort.md").read_text()


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_equal_graphs_is_on_the_page_of_a_class(level):
    assert f"| `{level}` |" in (REPOSITORY / "docs" / "cohort.md").read_text()


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_documented_and_in_the_submissions_readme(section):
    assert f"`{section}`" in (REPOSITORY / "docs" / "formats.md").read_text()
    readme = (REPOSITORY / "submission" / "README.md").read_text()
    assert [one.name for one in find_sections(readme, SECTIONS, "README.md")].count(section) == 1


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_every_data_set_and_how_to_get_it_is_in_the_data_page(dataset):
    text = (REPOSITORY / "docs" / "data.md").read_text()
    assert f"`{dataset.name}`" in text or f'dataset = "{dataset.name}"' in text
    assert f"`${dataset.root_variable}`" in text
    if isinstance(dataset, Public):
        assert f"`{dataset.folder}`" in text
        assert f"`${dataset.url_variable}`" in text
        assert dataset.licence.partition(",")[0] in text


@pytest.mark.parametrize("key", [key for key in DataSpec.model_fields if key not in ("dataset", "stored")])
def test_every_key_of_the_data_table_is_in_the_data_page(key):
    assert f"{key} = " in (REPOSITORY / "docs" / "data.md").read_text()


def test_the_page_about_cuda_has_every_operator():
    said = (REPOSITORY / "docs" / "cuda.md").read_text()
    assert cuda_table.tables() in said, "run: python benchmarks/cuda_table.py"


@pytest.mark.parametrize("name", ["", "cohort", "assignment"])
def test_help_shows_every_word_in_brackets(name):
    """Rich takes a word in brackets for a style, and shows nothing of it, unless it is escaped."""
    group = get_command(app).commands[name] if name else get_command(app)
    texts = [
        (command.name, text)
        for command in group.commands.values()
        for text in (command.help or "", *(getattr(one, "help", None) or "" for one in command.params))
    ]
    assert [(command, text) for command, text in texts if re.search(r"(?<!\\)\[[@a-z_.]+\]", text)] == []
