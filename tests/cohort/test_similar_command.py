"""harness cohort similar: a store in, clusters on the terminal and a page with the evidence out."""

import pytest
from checkout import REPOSITORY
from typer.testing import CliRunner

from harness.base.errors import UsageError
from harness.cli.app import app
from harness.cohort.store.repository import enter, enter_config
from harness.cohort.store.store import opened_store

SOURCE = (REPOSITORY / "submission" / "model.py").read_text()


@pytest.fixture
def stored(tmp_path, config, handed_in):
    """A store with ada, eve who renamed what ada wrote, and bob who handed in the starter; gives its path."""
    path = tmp_path / "cohort.db"
    sources = {
        "ada": SOURCE,
        "eve": "# my own work\n" + SOURCE.replace("self.", "self.my_").replace("Net", "Modell"),
        "bob": (REPOSITORY / "templates" / "starter" / "model.py").read_text(),
    }
    with opened_store(str(path)) as store:
        enter_config(store, config)
        for name, source in sources.items():
            with store.objects.unfinished() as folder:
                (folder / "sources").mkdir()
                (folder / "sources" / "model.py").write_text(source)
                sha256 = store.objects.adopt(folder / "sources")
            enter(store, handed_in(name, sources_sha256=sha256), config)
    return path


def similar(*options):
    return CliRunner().invoke(app, ["cohort", "similar", *map(str, options)])


def test_a_renamed_copy_is_printed_and_its_lines_are_written(stored, tmp_path):
    out = tmp_path / "out"
    answer = similar("--store", stored, "--out", out)
    assert answer.exit_code == 0, answer.output
    assert "1. ada, eve\n   ada and eve: 100 % of the source\n" in answer.stdout
    assert "3 submissions compared, 1 groups of similar ones" in answer.stdout
    assert "This points, it does not judge" in answer.stdout
    assert "<strong>eve</strong>: <code>model.py</code>" in (out / "similar.html").read_text()
    assert "| ada | eve | 100 % |" in (out / "similar.md").read_text()


def test_what_the_given_starter_has_counts_for_nothing(stored, tmp_path):
    answer = similar("--store", stored, "--out", tmp_path, "--starter", REPOSITORY / "submission")
    assert "3 submissions compared, 0 groups" in answer.stdout
    assert "does not judge" not in answer.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--starter", "none"], "--starter none: no such folder. Name the folder that everyone was given."),
        (["--store", "none.db"], "--store none.db: no such file; expected a store."),
    ],
)
def test_a_mistake_is_named(stored, options, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = similar("--store", stored, *options)
    assert isinstance(answer.exception, UsageError)
    assert said in str(answer.exception)
