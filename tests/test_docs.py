"""The documentation names what exists."""

import re
from pathlib import Path

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


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_of_the_record_is_documented(model):
    text = (REPOSITORY / "docs" / "record.md").read_text()
    missing = [
        f.alias or name for name, f in model.model_fields.items() if f"`{f.alias or name}`" not in text
    ]
    assert not missing


def typed(page: Path) -> list[list[str]]:
    """Return the commands in the blocks of a page, word by word; a line that ends in a backslash goes on."""
    fenced = re.compile(r"^```(?:bash|sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    blocks = fenced.findall(page.read_text())
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [re.search(r"(?:^|\s)(?:\S*/)?(harness|make)(\s.*)", line.partition(" #")[0]) for line in lines]
    return [re.split(r"[\s;&|()`'\"]+", one[1] + one[2]) for one in found if one]


def unknown(words: list[str]) -> list[str]:
    """List what a command names and does not exist: a command of the harness, its options, a target."""
    if words[0] == "make":
        targets = re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)
        return [word for word in words[1:2] if word.islower() and word not in targets]
    found, rest = get_command(app), words[1:]
    while hasattr(found, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in found.commands:
            return rest[:1]
        found, rest = found.commands[rest[0]], rest[1:]
    known = {name for one in found.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    return [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_has_typed_exists_with_its_options(page):
    assert {" ".join(words): unknown(words) for words in typed(page) if unknown(words)} == {}


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("harness chek work", ["chek"]),
        ("harness cohort grade all.zip --rooster x", ["--rooster"]),
        ("make graed", ["graed"]),
        ("harness check work --json -", []),
    ],
)
def test_a_command_that_does_not_exist_is_found(line, missing):
    assert unknown(line.split()) == missing


def test_the_readme_types_how_to_begin():
    words = {" ".join(words[:2]) for words in typed(REPOSITORY / "README.md")}
    assert words >= {"make setup", "make grade", "harness new", "harness check", "harness grade"}


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
