"""From a path to what is built: manifests, conventional names, and messages when it is unclear."""

import gc
import os
from dataclasses import replace

import pytest

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.base.errors import AssignmentError, UsageError
from harness.sources.submission import open_submission

MANIFEST = """
    [variants.basic]
    file = "net/a.py"
    class = "A"
    output = "results/base_model"
    arguments = { num_classes = 10 }
"""


def test_the_reference_submission_has_both_variants(reference, assignment):
    submission = open_submission(reference, assignment)
    assert list(submission.variants) == ["basic", "dilated"]
    assert submission.variants["basic"].output == "base_model"
    assert submission.variants["dilated"].requested.class_name == "NetDilated"


def test_only_the_variants_asked_for_are_opened(reference, assignment):
    assert list(open_submission(reference, assignment, variants=["dilated"]).variants) == ["dilated"]


def test_a_lone_file_answers_the_default_variant(write, assignment):
    folder = write(my_net="x = 1")
    submission = open_submission(folder / "my_net.py", assignment)
    assert list(submission.variants) == ["basic"]
    assert submission.variants["basic"].requested.class_name is None


def test_a_folder_without_manifest_is_searched_as_a_whole(write, assignment):
    folder = write(train="x = 1", model="x = 1")
    submission = open_submission(folder, assignment)
    requested = submission.variants["basic"].requested
    assert (requested.file, requested.class_name) == (submission.root, None)


def test_a_folder_without_a_source_file_is_refused(write, assignment):
    folder = write(notes_toml="x = 1")
    with pytest.raises(UsageError, match=r"expected submission\.toml, a \.py file or a notebook, got none"):
        open_submission(folder, assignment)


def test_a_class_may_come_with_its_file(write, assignment):
    folder = write(S8__model="x = 1", S9__model="x = 1")
    submission = open_submission(folder, assignment, class_name="S9/model.py:Net")
    one = submission.variants["basic"].requested
    assert (one.file, one.class_name) == (submission.root / "S9" / "model.py", "Net")
    with pytest.raises(UsageError, match=r"--class S7/model\.py: no such file in the submission"):
        open_submission(folder, assignment, class_name="S7/model.py:Net")
    with pytest.raises(UsageError, match=r"--class \.\./\.\./etc/passwd: no such file in the submission"):
        open_submission(folder, assignment, class_name="../../etc/passwd:Net")


def test_class_and_arguments_of_the_command_line_override_the_manifest(reference, assignment):
    one = open_submission(
        reference, assignment, variants=["basic"], class_name="Other", arguments={"num_classes": 7, "p": 0.1}
    ).variants["basic"]
    assert one.requested.class_name == "Other"
    assert one.requested.arguments == {"num_classes": 7, "p": 0.1}


def test_a_manifest_may_answer_variants_that_another_edition_does_not_have(reference, assignment):
    older = load_assignment(DEFAULT_ASSIGNMENT.with_name("cifar10-c1c2c3c4.toml"))
    assert list(open_submission(reference, older, variants=["basic"]).variants) == ["basic"]
    with pytest.raises(UsageError, match=r"variant 'dilated'.*expected one of basic\."):
        open_submission(reference, older)


def test_an_unknown_variant_lists_the_known_ones(reference, assignment):
    with pytest.raises(UsageError, match=r"variant 'big'.*expected one of basic, dilated"):
        open_submission(reference, assignment, variants=["big"])


def test_a_path_that_does_not_exist_or_is_no_python_file_is_refused(tmp_path, assignment):
    with pytest.raises(UsageError, match="no such file or folder"):
        open_submission(tmp_path / "none", assignment)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(
        UsageError,
        match=r"notes\.txt: expected a \.py file, a notebook, a folder or an archive .*, got \.txt",
    ):
        open_submission(tmp_path / "notes.txt", assignment)


def test_a_manifest_that_names_a_missing_file_is_refused(write, assignment):
    folder = write(submission_toml=MANIFEST, model="x = 1")
    with pytest.raises(
        UsageError, match=r"variants\.basic\.file: no such file in the submission: 'net/a\.py'"
    ):
        open_submission(folder, assignment)


def test_a_manifest_that_is_not_valid_is_refused(write, assignment):
    folder = write(submission_toml="[variants.basic]\nfil = 1", model="x = 1")
    with pytest.raises(AssignmentError, match="Did you mean 'file'"):
        open_submission(folder, assignment)


def test_a_link_out_of_the_submission_is_not_followed(write, tmp_path, assignment):
    folder = write(submission_toml=MANIFEST)
    (tmp_path / "outside.py").write_text("x = 1")
    (folder / "net").mkdir()
    (folder / "net" / "a.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(UsageError, match="no such file in the submission"):
        open_submission(folder, assignment)


def test_the_hash_follows_the_sources_and_nothing_else(write, assignment):
    folder = write(model="x = 1")
    first = open_submission(folder, assignment).sha256
    (folder / "notes.txt").write_text("hello")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.py").write_text("")
    assert open_submission(folder, assignment).sha256 == first
    (folder / "other.py").write_text("")
    assert open_submission(folder, assignment).sha256 != first


def test_a_lone_notebook_is_a_submission(tmp_path, assignment):
    notebook = tmp_path / "S9.ipynb"
    notebook.write_text("{}")
    alone, folder = open_submission(notebook, assignment), open_submission(tmp_path, assignment)
    assert alone.variants["basic"].requested.file == alone.root / "S9.ipynb"
    assert folder.variants["basic"].requested.file == folder.root


def test_what_is_graded_is_what_was_hashed_whatever_becomes_of_the_original(write, assignment):
    folder = write(model="x = 1")
    submission = open_submission(folder, assignment)
    assert submission.sha256 == open_submission(folder, assignment).sha256
    (folder / "model.py").write_text("x = 2")
    assert (submission.root / "model.py").read_text() == "x = 1"
    assert submission.sha256 != open_submission(folder, assignment).sha256


def test_the_copy_stays_as_long_as_anything_made_of_the_submission(write, assignment):
    submission = open_submission(write(model="x = 1"), assignment)
    root = submission.root
    submission = replace(submission, source="renamed")
    gc.collect()
    assert (root / "model.py").exists()
    del submission
    gc.collect()
    assert not root.exists()


@pytest.mark.parametrize("make", [
    lambda path: path.symlink_to("/etc/passwd"), lambda path: path.symlink_to("/nowhere"),
    os.mkfifo, os.mkdir,
])  # fmt: skip
def test_a_manifest_that_is_no_plain_file_is_not_read(write, assignment, make):
    folder = write(model="x = 1")
    make(folder / "submission.toml")
    with pytest.raises(UsageError, match=r"submission\.toml: not a plain file; expected one, got a link"):
        open_submission(folder, assignment)


def test_a_file_that_is_hidden_or_a_pipe_is_no_submission(tmp_path, assignment):
    (tmp_path / ".model.py").write_text("x = 1")
    with pytest.raises(UsageError, match=r"\.model\.py: not a submission; expected a plain file"):
        open_submission(tmp_path / ".model.py", assignment)
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(UsageError, match=r"pipe\.py: expected a \.py file, a notebook, a folder"):
        open_submission(tmp_path / "pipe.py", assignment)


def test_a_name_longer_than_any_file_has_is_not_there(assignment):
    with pytest.raises(UsageError, match="no such file or folder"):
        open_submission("x" * 300, assignment)


@pytest.mark.parametrize("name", ["Model.PY", "S9.IPYNB"])
def test_a_capital_suffix_is_taken_in_alone_in_a_folder_by_the_manifest_and_by_its_class(
    tmp_path, assignment, name
):
    folder, taken = tmp_path / "work", name.partition(".")[0] + "." + name.partition(".")[2].lower()
    folder.mkdir()
    (folder / name).write_text("{}")
    alone = open_submission(folder / name, assignment)
    assert alone.variants["basic"].requested.file == alone.root / taken
    whole = open_submission(folder, assignment, class_name=f"{name}:Net")
    assert whole.variants["basic"].requested.file == whole.root / taken
    (folder / "submission.toml").write_text(f'[variants.basic]\nfile = "{name}"\nclass = "Net"\n')
    named = open_submission(folder, assignment)
    assert named.variants["basic"].requested.file == named.root / taken


def test_a_path_names_a_file_whose_letters_are_composed_otherwise(tmp_path, assignment):
    folder = tmp_path / "e\u0301te\u0301"
    folder.mkdir()
    (folder / "mode\u0301le.py").write_text("x = 1")
    submission = open_submission(tmp_path / "été" / "modéle.py", assignment)
    assert submission.variants["basic"].requested.file == submission.root / "modéle.py"


def test_a_name_that_is_not_utf_8_is_hashed_like_any_other(tmp_path, assignment):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / os.fsdecode(b"mod\xe9le.py")).write_text("x = 1")
    assert len(open_submission(folder, assignment).sha256) == 64
