"""Who has handed in the same bytes, whatever the files are called."""

import pytest

from harness.cohort.store.one_student import row_of, with_the_same_bytes
from harness.cohort.store.repository import Ingested, enter, enter_config
from harness.cohort.store.store import open_store


@pytest.fixture
def same(tmp_path, config):
    """Hand in files by student, and say who has the same bytes as the first."""
    store = open_store(str(tmp_path / "cohort.db"))
    enter_config(store, config)

    def of(handed_in: dict[str, dict[str, str]], problem: str = "") -> tuple[str, ...]:
        for student, files in handed_in.items():
            with store.objects.unfinished() as folder:
                for name, text in files.items():
                    (folder / "sources" / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / "sources" / name).write_text(text)
                sha256 = store.objects.adopt(folder / "sources")
            enter(store, Ingested(student, student, None, sha256, "", "c" * 64, problem), config)
        return with_the_same_bytes(store, row_of(store, next(iter(handed_in))))

    yield of
    store.close()


def test_equal_bytes_are_found_under_other_names_and_in_other_folders(same):
    assert same(
        {
            "ada": {"model.py": "x = 1", "a/notes.txt": "n"},
            "eve": {"model.py": "x = 1", "a/notes.txt": "n"},
            "bob": {"bob/net.py": "x = 1", "n.txt": "n"},
            "cyd": {"model.py": "x = 2", "a/notes.txt": "n"},
            "dan": {"model.py": "x = 1"},
        }
    ) == ("bob", "eve")


def test_what_could_not_be_opened_equals_nothing(same):
    assert same({"ada": {"problem.txt": "no zip"}, "bob": {"problem.txt": "no zip"}}, "no zip") == ()
