"""What is compared of a submission: its sources and its graphs, as far as they are there."""

import shutil

import pytest
from checkout import REPOSITORY

from harness.assignment.starter import is_starter
from harness.base.errors import UsageError
from harness.cohort.compared_sources import STARTER_GRAPH, document_of, starter_document
from harness.cohort.graders.cached import Intake, Taken
from harness.cohort.store.models import CACHED
from harness.graph.ir import parse_architecture
from harness.similarity.graphs import fingerprints

BASE = REPOSITORY / "submission" / "results" / "base_model" / "architecture.json"


@pytest.fixture
def artefacts(tmp_path):
    """An artefact folder with one graph and a variant that could not be loaded."""
    folder = tmp_path / "artefacts"
    (folder / "base").mkdir(parents=True)
    shutil.copyfile(BASE, folder / "base" / "architecture.json")
    taken = Taken(class_name="Net", folder="base", recipe={}, graph_sha256="0" * 64)
    missing = Taken(class_name="", folder="../..", recipe={}, graph_sha256=None)
    intake = Intake(seed=1, backend="lock", variants={"basic": taken, "dilated": missing})
    (folder / CACHED).write_text(intake.model_dump_json(by_alias=True))
    return folder


def test_sources_and_graphs_are_read_from_where_the_row_says(row, artefacts):
    work = document_of(row("ada", folder=artefacts, sources=REPOSITORY / "submission"))
    assert (work.student, [text.name for text in work.texts]) == ("ada", ["model.py"])
    assert work.graphs["basic"].levels == fingerprints(parse_architecture(BASE.read_bytes()))
    assert list(work.graphs) == ["basic"]


@pytest.mark.parametrize("content", ["{", "", '{"schema": 3}'])
def test_what_is_no_graph_is_not_compared(row, artefacts, content):
    (artefacts / "base" / "architecture.json").write_text(content)
    assert document_of(row("ada", folder=artefacts)).graphs == {}


def test_a_student_of_whom_nothing_is_there_is_compared_with_nothing(row, tmp_path):
    work = document_of(row("ada", folder=tmp_path))
    assert (work.texts, work.graphs) == ((), {})
    assert document_of(row("ada", record=None)).graphs == {}


def test_the_starters_graph_is_the_one_that_its_network_has():
    assert is_starter(parse_architecture(STARTER_GRAPH.read_bytes()))
    work = starter_document()
    assert [text.name for text in work.texts] == ["model.py"]
    assert work.graphs["starter"].features


def test_another_starter_is_a_folder_of_sources_and_graphs(tmp_path):
    shutil.copyfile(REPOSITORY / "submission" / "model.py", tmp_path / "model.py")
    shutil.copyfile(BASE, tmp_path / "architecture.json")
    work = starter_document(tmp_path)
    assert (len(work.texts), len(work.graphs)) == (1, 1)


def test_a_starter_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"--starter .*none: no such folder"):
        starter_document(tmp_path / "none")
