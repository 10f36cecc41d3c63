"""From a line of the roster to sources in the store's folder."""

import io
import os
import shutil
import subprocess
import tarfile
import time

import pytest

from harness.base.errors import HarnessError
from harness.cohort.ingest import ingest, reopened
from harness.cohort.platforms.roster import Listed
from harness.cohort.store.leases import claim
from harness.cohort.store.objects import ABANDONED_S, Objects, tree_sha256
from harness.cohort.store.repository import enter, enter_config

NET = "from torch import nn\n\n\nclass Net(nn.Module):\n    pass\n"


@pytest.fixture
def objects(tmp_path) -> Objects:
    return Objects(tmp_path / "files")


@pytest.fixture
def given(tmp_path, objects, config):
    """Hand in what lies at a path below the test's folder."""

    def handed_in(name: str):
        return ingest(Listed("ada", str(tmp_path / name), name), config, objects)

    return handed_in


def test_a_folder_s_sources_are_copied_and_known_by_their_content(tmp_path, objects, given):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text(NET)
        (tmp_path / name / "weights.json").write_text("[1]")
        (tmp_path / name / "photo.png").write_bytes(name.encode())
    one, other = given("one"), given("other")
    assert one.sources_sha256 == other.sources_sha256
    copied = objects.path(one.sources_sha256)
    assert sorted(path.name for path in copied.iterdir()) == ["model.py", "weights.json"]
    (tmp_path / "other" / "weights.json").write_text("[2]")
    assert given("other").sources_sha256 != one.sources_sha256


def test_a_file_is_copied_without_what_lies_beside_it(tmp_path, objects, given):
    for name in ("ada.py", "bob.py"):
        (tmp_path / name).write_text(NET)
    ada = given("ada.py")
    assert (ada.file, ada.problem) == ("ada.py", "")
    assert [path.name for path in objects.path(ada.sources_sha256).iterdir()] == ["ada.py"]


def test_an_archive_is_handed_in_as_the_folder_in_it(tmp_path, objects, given):
    with tarfile.open(tmp_path / "ada.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("project/model.py")
        entry.size = len(NET)
        archive.addfile(entry, io.BytesIO(NET.encode()))
    ada = given("ada.tar.gz")
    assert [path.name for path in objects.path(ada.sources_sha256).iterdir()] == ["model.py"]
    assert (ada.source, ada.file) == ("ada.tar.gz", "")


def test_a_repository_is_fetched_and_named_by_its_commit(tmp_path, objects, config):
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "model.py").write_text(NET)
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *words], cwd=repository, check=True)
    address = f"file://{repository}"
    ada = ingest(Listed("ada", address, address), config, objects)
    assert ada.source.startswith(f"{address} at commit ")
    assert [path.name for path in objects.path(ada.sources_sha256).iterdir()] == ["model.py"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("ada.zip", "not a zip", "ada.zip: cannot be unpacked; expected an archive that is whole"),
        ("ada/notes.txt", "", "expected submission.toml, a .py file or a notebook, got none"),
        ("ada/submission.toml", "[[", "submission.toml: not valid TOML"),
    ],
)
def test_what_cannot_be_opened_is_its_student_s_fault_and_says_why(
    tmp_path, objects, given, name, text, problem
):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    ada = given(name.partition("/")[0])
    assert problem in ada.problem
    assert ada.problem_cause == "student"
    assert problem in (objects.path(ada.sources_sha256) / "problem.txt").read_text()


def test_an_address_that_does_not_answer_is_a_matter_of_the_infrastructure(tmp_path, objects, config):
    address = f"file://{tmp_path}/nowhere"
    assert ingest(Listed("ada", address, address), config, objects).problem_cause == "infrastructure"


def test_more_than_the_assignment_allows_is_said_before_anything_is_run(tmp_path, given):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "model.py").write_text(NET)
    (tmp_path / "ada" / "submission.toml").write_text(
        '[variants.basic]\nfile = "model.py"\nclass = "Net"\nrecipe = { epochs = 5000 }\n'
    )
    assert "epochs: outside the assignment's limits; expected 1 to 60, got 5000" in given("ada").problem


def test_a_recipe_of_one_s_own_is_another_key(tmp_path, given):
    found = set()
    for epochs in (5, 6):
        (tmp_path / "ada").mkdir(exist_ok=True)
        (tmp_path / "ada" / "model.py").write_text(NET)
        (tmp_path / "ada" / "submission.toml").write_text(
            f'[variants.basic]\nfile = "model.py"\nclass = "Net"\nrecipe = {{ epochs = {epochs} }}\n'
        )
        found.add(given("ada").recipe_sha256)
    assert len(found) == 2


def test_what_was_handed_in_is_opened_again_from_the_store(tmp_path, store, config):
    (tmp_path / "ada.py").write_text(NET)
    listed = Listed("ada", str(tmp_path / "ada.py"), "ada.py")
    enter_config(store, config)
    enter(store, ingest(listed, config, store.objects), config)
    (tmp_path / "ada.py").unlink()
    (work,) = claim(store, config.run_key, "rules", 9, "one", 60)
    submission = reopened(work, config, store.objects)
    assert submission.variants["basic"].requested.file.read_text() == NET
    shutil.rmtree(store.objects.path(work.sources_sha256))
    with pytest.raises(HarnessError, match=r"no such folder; expected the sources of ada.py. Name"):
        reopened(work, config, store.objects)


def test_an_artefact_folder_is_complete_when_it_has_its_name_and_is_kept_once(objects):
    found = []
    for _ in range(2):
        with objects.unfinished() as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / "a.txt").write_text("a")
            found.append(objects.adopt(folder))
    assert found[0] == found[1] == tree_sha256(objects.path(found[0]))
    assert (objects.path(found[0]) / "sub" / "a.txt").read_text() == "a"
    assert list((objects.root / "unfinished").iterdir()) == []


def test_what_was_left_unfinished_long_ago_is_removed_and_nothing_else(objects):
    for name, age_s in (("old", ABANDONED_S + 60), ("new", 60)):
        folder = objects.root / "unfinished" / name
        folder.mkdir()
        os.utime(folder, (time.time() - age_s,) * 2)
    objects.clean()
    assert [path.name for path in (objects.root / "unfinished").iterdir()] == ["new"]


def test_a_broken_archive_whose_name_is_not_utf_8_is_entered(tmp_path, objects, config):
    path = tmp_path / os.fsdecode(b"ad\xe4.zip")
    path.write_text("not a zip")
    assert "cannot be unpacked" in ingest(Listed("ada", str(path), "ada.zip"), config, objects).problem


def test_a_folder_with_names_that_are_not_utf_8_is_handed_in(tmp_path, objects, given):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / os.fsdecode(b"mod\xe9le.py")).write_text(NET)
    ada = given("ada")
    assert ada.problem == ""
    assert [path.name for path in objects.path(ada.sources_sha256).iterdir()] == ["mod\\xe9le.py"]


def test_a_file_with_a_capital_suffix_is_handed_in(tmp_path, objects, given):
    (tmp_path / "Ada.PY").write_text(NET)
    ada = given("Ada.PY")
    assert (ada.file, ada.problem) == ("Ada.py", "")
    assert [path.name for path in objects.path(ada.sources_sha256).iterdir()] == ["Ada.py"]


@pytest.mark.parametrize("behind", ["bob", "bob/model.py", "nowhere"])
def test_a_link_is_not_followed_whatever_is_behind_it(tmp_path, given, behind):
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "model.py").write_text(NET)
    (tmp_path / "eve").symlink_to(tmp_path / behind)
    eve = given("eve")
    assert eve.problem == "eve: a link; expected the submission itself. Put the file or folder there."
    assert eve.problem_cause == "student"


def test_what_is_wrong_is_said_without_the_place_of_the_class(tmp_path, given):
    (tmp_path / "ada").mkdir()
    problem = given("ada").problem
    assert problem.startswith("ada: expected submission.toml, a .py file or a notebook, got none")
    assert str(tmp_path) not in problem
