"""A new assignment is valid as it was written, and the submission beside it keeps its rules."""

import pytest

from harness.assignment.gallery import reference_of, shipped
from harness.assignment.spec import load_assignment
from harness.authoring.writing import copy_from, slug, write_for
from harness.base.errors import UsageError
from harness.datasets.dataset import Public
from harness.datasets.registry import DATASETS
from harness.pipeline.grade import grade
from harness.pipeline.loading import in_sandbox
from harness.pipeline.task import Settings, Task
from harness.rules.registry import RULES
from harness.sources.submission import open_submission

PUBLIC = [name for name, one in DATASETS.items() if isinstance(one, Public)]


@pytest.mark.parametrize("dataset", PUBLIC)
def test_an_assignment_for_a_data_set_is_valid(tmp_path, dataset):
    written = write_for(tmp_path / "Week 3", dataset)
    spec = load_assignment(written.assignment)
    assert (spec.id, spec.data.dataset) == ("week-3", dataset)
    assert sum(one.settings.points for one in spec.rules_for("basic")) == 100
    assert reference_of(written.assignment) == written.reference


@pytest.mark.parametrize("dataset", [pytest.param("cifar10", marks=pytest.mark.slow), "mnist"])
def test_the_submission_beside_it_keeps_every_rule(tmp_path, dataset):
    written = write_for(tmp_path / "new", dataset)
    spec = load_assignment(written.assignment)
    submission = open_submission(written.reference, spec)
    record = grade(Task(submission, spec, Settings(out=tmp_path / "out"), in_sandbox()))
    assert record.verdict == "passed"


def test_every_rule_is_in_the_file_used_or_named_in_a_comment(tmp_path):
    text = write_for(tmp_path / "new", "cifar10").assignment.read_text()
    assert [name for name in RULES if f"[rules.{name}]" not in text] == []


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_assignment_is_copied_with_its_reference(tmp_path, name):
    written = copy_from(tmp_path / "mine", name)
    copied, original = load_assignment(written.assignment), load_assignment(shipped()[name])
    assert copied == original.model_copy(update={"id": "mine"})
    assert any(written.reference.glob("*.py"))


def test_an_unknown_data_set_names_the_one_that_was_meant(tmp_path):
    with pytest.raises(
        UsageError, match=r"--dataset cifar: no such data set\. Did you mean 'cifar10'.*--folder"
    ):
        write_for(tmp_path, "cifar")


def test_an_assignment_that_is_there_is_not_overwritten(tmp_path):
    write_for(tmp_path, "mnist")
    with pytest.raises(UsageError, match=r"holds .*toml already"):
        write_for(tmp_path, "mnist")


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_for(tmp_path / "file" / "new", "mnist")


@pytest.mark.parametrize(
    ("name", "expected"), [("Week 3!", "week-3"), ("_", "assignment"), ("a" * 80, "a" * 64)]
)
def test_the_id_is_made_of_the_folders_name(tmp_path, name, expected):
    assert slug(tmp_path / name) == expected
