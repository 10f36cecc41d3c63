"""`harness report`: a record in, files out, and the exit code that keeps an open rule from being a zero."""

import pytest
from typer.testing import CliRunner

from harness.base.errors import UsageError
from harness.cli.app import app
from harness.record.findings import Finding
from harness.record.record import Record, load_record, sealed, to_json
from harness.report.files import write_reports
from harness.report.report import chosen, formats


@pytest.fixture
def judged(record: Record, tmp_path):
    """A folder with a record whose rules were all judged."""
    only = record.model_copy(
        update={"variants": {"basic": record.variants["basic"]}, "max_points": 15, "result_sha256": ""}
    )
    return written(only, tmp_path)


def written(record, folder):
    (folder / "scorecard.json").write_text(to_json(sealed(record)))
    return folder


def run(*args):
    return CliRunner().invoke(app, ["report", *map(str, args)], standalone_mode=False)


def test_every_format_has_its_file_in_the_folder_named(judged, tmp_path):
    done = run(
        judged / "scorecard.json",
        "--format",
        "md,json,junit,gradescope,classroom50,github",
        "--out",
        tmp_path / "o",
    )
    assert not done.exception
    assert not done.return_value
    assert {path.name for path in (tmp_path / "o").iterdir()} == {
        "autograding-result.txt",
        "junit.xml",
        "release-body.md",
        "result.json",
        "results.json",
        "scorecard.json",
        "scorecard.md",
    }
    assert (tmp_path / "o" / "scorecard.json").read_bytes() == (judged / "scorecard.json").read_bytes()


def test_without_a_folder_the_files_go_beside_the_record(judged):
    run(judged / "scorecard.json", "--format", "junit")
    assert (judged / "junit.xml").is_file()


@pytest.mark.parametrize(("name", "code"), [("classroom50", 3), ("github", 3), ("gradescope", 0), ("md", 0)])
def test_a_format_that_would_show_an_open_rule_as_a_zero_exits_with_3(tmp_path, name, code, record):
    left = Finding(
        rule="dilation", status="not_judged", cause="student", expected="e", actual="a", max_points=10
    )
    dilated = record.variants["dilated"].model_copy(
        update={"findings": (left,), "verdict": "not_judged", "max_points": 10}
    )
    folder = written(record.model_copy(update={"variants": {"dilated": dilated}}), tmp_path)
    done = run(folder / "scorecard.json", "--format", name)
    assert (done.return_value or 0) == code
    said = "10 points were not judged, and this format can only show them as 0" in done.stderr
    assert said == (code == 3)


def test_a_record_that_was_changed_is_not_reported(judged):
    path = judged / "scorecard.json"
    path.write_text(path.read_text().replace('"points": 10', '"points": 15'))
    done = run(path)
    assert isinstance(done.exception, UsageError)
    assert "the result was changed after it was written" in str(done.exception)


def test_a_format_that_does_not_exist_is_refused_before_anything_is_written(judged):
    done = run(judged / "scorecard.json", "--format", "junit,gradscope")
    assert "no such format. Did you mean 'gradescope'?" in str(done.exception)
    assert not (judged / "junit.xml").exists()


def test_formats_are_read_once_each_in_the_order_named():
    assert chosen("junit, md,junit") == ["junit", "md"]
    with pytest.raises(UsageError, match="expected at least one of md, html, json, junit"):
        chosen(" , ")


def test_the_names_of_the_formats_are_those_of_the_documentation():
    assert list(formats()) == ["md", "html", "json", "junit", "gradescope", "classroom50", "github"]


def test_a_record_written_again_is_the_same_record(judged, tmp_path):
    run(judged / "scorecard.json", "--format", "json", "--out", tmp_path / "again")
    assert load_record(tmp_path / "again" / "scorecard.json") == load_record(judged / "scorecard.json")


def test_the_scorecard_written_again_is_the_one_the_grade_wrote(judged, tmp_path):
    folders = {"basic": judged / "base_model"}
    write_reports(load_record(judged / "scorecard.json"), judged, folders)
    first = {name: (judged / name).read_bytes() for name in ("scorecard.md", "scorecard.html")}
    assert b"plots/cm.png" in first["scorecard.md"]
    run(judged / "scorecard.json", "--format", "md,html")
    assert {name: (judged / name).read_bytes() for name in first} == first
