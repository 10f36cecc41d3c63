"""An assignment is named by its file or by its id; each that comes with the harness has an answer."""

from contextlib import closing

import pytest
from checkout import REPOSITORY

from harness.assignment.gallery import listed, located, reference_of, shipped
from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.base.errors import UsageError
from harness.pipeline.grade import judged_by_rules
from harness.pipeline.loading import in_sandbox, load
from harness.pipeline.probing import probe
from harness.pipeline.recording import record as record_of
from harness.pipeline.task import Settings, Task
from harness.sources.submission import open_submission
from harness.training.client import Child


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_assignment_is_valid_and_called_as_its_file(name):
    assert load_assignment(shipped()[name]).id == name


def test_an_assignment_is_found_by_its_id_or_its_file(tmp_path):
    assert located("cifar10-compact-cnn") == DEFAULT_ASSIGNMENT
    assert located(DEFAULT_ASSIGNMENT) == DEFAULT_ASSIGNMENT
    own = tmp_path / "own.toml"
    assert located(own) == own


def test_a_file_in_the_working_directory_goes_before_an_id(tmp_path, monkeypatch):
    (tmp_path / "cifar10-compact-cnn").write_text("")
    monkeypatch.chdir(tmp_path)
    assert located("cifar10-compact-cnn").read_text() == ""


def test_an_unknown_id_names_the_one_that_was_probably_meant():
    with pytest.raises(UsageError, match=r"assignment cifar10-compact: no such file.*'cifar10-compact-cnn'"):
        located("cifar10-compact")


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_assignment_has_a_reference(name):
    assert any(reference_of(shipped()[name]).glob("*.py"))


def test_the_reference_lies_beside_the_assignment_in_a_folder_of_its_name(tmp_path):
    assert reference_of(tmp_path / "own.toml") is None
    (tmp_path / "own").mkdir()
    assert reference_of(tmp_path / "own.toml") == tmp_path / "own"
    assert reference_of(DEFAULT_ASSIGNMENT) == REPOSITORY / "submission"


@pytest.fixture(scope="module")
def child():
    """One process that runs every network untrained."""
    with closing(Child()) as opened:
        yield opened


@pytest.mark.parametrize("name", shipped())
def test_the_reference_of_a_shipped_assignment_passes_its_rules(name, tmp_path, sandbox, child):
    spec = load_assignment(shipped()[name])
    submission = open_submission(reference_of(shipped()[name]), spec, variants=tuple(spec.variants))
    task = Task(submission, spec, Settings(out=tmp_path), in_sandbox(sandbox))
    loads = load(task)
    record = record_of(task, judged_by_rules(task, loads.backend, probe(task, loads, child)))
    assert record.verdict == "passed"
    assert set(record.variants) == set(spec.variants)


def test_every_shipped_assignment_is_listed_with_its_points():
    by_id = {one.id: one for one in listed()}
    assert list(by_id) == list(shipped())
    assert by_id["cifar10-compact-cnn"].points == 100


def test_the_list_says_whether_the_data_is_here(elsewhere, monkeypatch):
    compact = {one.id: one.data_is_here for one in listed()}
    assert not compact["cifar10-compact-cnn"]
    (elsewhere / "cifar-10-batches-py").mkdir()
    monkeypatch.setenv("CIFAR10_ROOT", str(elsewhere))
    compact = {one.id: one.data_is_here for one in listed()}
    assert compact["cifar10-compact-cnn"]
