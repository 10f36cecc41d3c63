"""`harness readme`: every block of the seed README is filled from the results, or says honestly why not."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.base.errors import UsageError
from harness.cli.app import app
from harness.graph.ir import SCHEMA, Architecture, Graph
from harness.graph.ir import to_json as graph_json
from harness.record.record import Record, sealed, to_json
from harness.report.readme import SECTIONS, Book, field_sections, fill_readme, render_sections

PICTURES = {
    "base_model": ("test_samples_grid.png", "augmented_samples_grid.png", "cm.png"),
    "dilated_model": ("cm.png",),
    "combined": ("combined_acc.png", "combined_loss.png"),
}


def readme_text(newline: str = "\n") -> bytes:
    """A README with every marker, text around them, a byte that is not UTF-8, and an unknown marker."""
    lines = ["# \U0001f9e0 Two networks", "", "<!-- MINE -->", "- three strides | `a` "]
    for name in SECTIONS:
        lines += [f"**{name}**  ", f"<!-- {name} -->", "old", f"<!-- /{name} -->", "", "---"]
    return newline.join([*lines, "The end: "]).encode() + b"\xff\xfe no newline"


def inside(text: str, name: str) -> str:
    return text.split(f"<!-- {name} -->", 1)[1].split(f"<!-- /{name} -->", 1)[0]


def outside(content: bytes) -> bytes:
    for name in SECTIONS:
        content = re.sub(
            rb"(<!-- %b -->).*?(<!-- /%b -->)" % (name.encode(), name.encode()), rb"\1\2", content, flags=re.S
        )
    return content


@pytest.fixture
def both_trained(record: Record, training) -> Record:
    """Both networks trained, the second one with another name and table."""
    basic = record.variants["basic"]
    dilated = basic.model_copy(update={"class_name": "NetDilated", "summary": "Total params: 197,858"})
    return sealed(
        record.model_copy(
            update={
                "variants": {"basic": basic, "dilated": dilated},
                "provenance": record.provenance | {"train_seconds": {"basic": 1301.3}},
            }
        )
    )


@pytest.fixture
def project(both_trained, tmp_path) -> Path:
    """A project folder with a README and the results of both networks."""
    return laid_out(both_trained, tmp_path)


def laid_out(record: Record, folder: Path) -> Path:
    results = folder / "results"
    for name, files in PICTURES.items():
        (results / name / "plots").mkdir(parents=True)
        for file in files:
            (results / name / "plots" / file).write_bytes(b"png")
    (results / "scorecard.json").write_text(to_json(sealed(record)))
    (folder / "README.md").write_bytes(readme_text())
    return folder


def run(folder: Path, *args: str):
    arguments = ["readme", str(folder / "README.md"), "--results", str(folder / "results"), *args]
    return CliRunner().invoke(app, arguments, standalone_mode=False)


@pytest.fixture
def filled(project) -> str:
    assert not run(project).exception
    return (project / "README.md").read_text(errors="replace")


def test_every_block_of_the_seed_readme_is_filled(filled):
    for name in SECTIONS:
        assert inside(filled, name).strip() not in ("", "old"), name
        assert not inside(filled, name).strip().startswith("*"), name


def test_pictures_are_linked_relative_to_the_readme(filled):
    links = re.findall(r'<img src="([^"]*)" alt="([^"]*)" width="800">', filled)
    assert ("results/base_model/plots/test_samples_grid.png", "Test Samples (grid)") in links
    assert ("results/dilated_model/plots/cm.png", "Confusion Matrix — Dilated") in links
    assert ("results/combined/plots/combined_acc.png", "Accuracy — Base vs Dilated") in links
    assert len(links) == 6


def test_the_summaries_the_tables_and_the_reports_come_from_the_record(filled):
    assert "Total params: 84,322" in inside(filled, "MODEL_SUMMARY_BASE")
    assert "Total params: 197,858" in inside(filled, "MODEL_SUMMARY_DILATED")
    assert "### RF: NetDilated" in inside(filled, "RF_DILATED")
    assert "**Final RF:** 3 " in inside(filled, "RF_NET")
    table = inside(filled, "COMBINED_SUMMARY_TABLE")
    assert re.search(r"\| base\\_model +\| +84322 \| +60\.00 \| +1 \| +56\.67 \| +2 \| +1301\.3 \|", table)
    assert re.search(r"\| dilated\\_model +\|.*\| +2 \| +\| +none \|", table)
    report = inside(filled, "CLS_REPORT_BASE")
    assert re.search(r"\| macro avg +\| +0\.3780 \| +0\.5667 \| +0\.4530 \|", report)
    assert re.search(r"\| cat +\| +0\.5714 \| +0\.8000 \| +0\.6667 \| +10 \|", report)


def test_filling_again_changes_nothing_and_the_check_agrees(project):
    run(project)
    once = (project / "README.md").read_bytes()
    done = run(project)
    assert "every block is up to date" in done.stderr
    assert (project / "README.md").read_bytes() == once
    assert not run(project, "--check").return_value


def test_the_check_names_stale_blocks_exits_with_1_and_changes_nothing(project):
    run(project)
    path = project / "README.md"
    stale = path.read_bytes().replace(b"84322", b"84000")
    path.write_bytes(stale)
    done = run(project, "--check")
    assert done.return_value == 1
    assert "stale: COMBINED_SUMMARY_TABLE. Run harness readme" in " ".join(done.stderr.split())
    assert path.read_bytes() == stale


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_text_outside_the_blocks_stays_byte_for_byte(both_trained, tmp_path, newline):
    before = readme_text(newline)
    after = fill_readme(before, Book(tmp_path, tmp_path, both_trained, folders(tmp_path)), "README.md")
    assert outside(after) == outside(before)
    assert after != before
    assert after.count(b"\r\n") == (after.count(b"\n") if newline == "\r\n" else 0)


def folders(results: Path) -> dict[str, Path]:
    return {"basic": results / "base_model", "dilated": results / "dilated_model"}


def test_without_results_every_block_says_that_nothing_has_been_graded(tmp_path):
    for name, text in render_sections(Book(tmp_path, tmp_path / "results", None)).items():
        assert text.endswith("there is no results/scorecard.json yet: run harness grade.*"), name


def test_what_does_not_exist_yet_is_said_with_the_reason(record, tmp_path):
    laid_out(record, tmp_path)
    (tmp_path / "results/base_model/plots/cm.png").unlink()
    run(tmp_path)
    text = (tmp_path / "README.md").read_text(errors="replace")
    assert r"base\_model/plots/cm.png has not been drawn: run harness grade." in inside(text, "CM_BASE")
    for name in ("MODEL_SUMMARY_DILATED", "RF_DILATED", "CM_DILATED", "CLS_REPORT_DILATED"):
        assert "the submission could not be loaded; the scorecard says why." in inside(text, name)
    assert r"*`dilated_model` has not been trained: no accuracy.*" in inside(text, "COMBINED_SUMMARY_TABLE")


def test_a_picture_left_over_from_another_run_is_not_shown(both_trained, tmp_path):
    untrained = both_trained.variants["dilated"].model_copy(update={"training": None, "full": False})
    variants = both_trained.variants | {"dilated": untrained}
    laid_out(both_trained.model_copy(update={"variants": variants}), tmp_path)
    run(tmp_path)
    block = inside((tmp_path / "README.md").read_text(errors="replace"), "CM_DILATED")
    assert "dilated has not been trained yet: run harness grade --variant dilated." in block
    assert "<img" not in block


def test_a_preview_is_never_shown_as_a_grade(both_trained, tmp_path):
    basic = both_trained.variants["basic"]
    mini = basic.training.model_copy(update={"data": basic.training.data.model_copy(update={"name": "mini"})})
    variants = {"basic": basic.model_copy(update={"training": mini})}
    laid_out(both_trained.model_copy(update={"variants": variants}), tmp_path)
    run(tmp_path)
    text = (tmp_path / "README.md").read_text(errors="replace")
    assert "(preview on the embedded set, not a grade)" in inside(text, "CM_BASE")
    assert "Preview on the embedded set, not a grade." in inside(text, "CLS_REPORT_BASE")
    assert "dilated was not graded: run harness grade --variant dilated." in inside(text, "CM_DILATED")


def test_hostile_names_stay_text_and_cannot_close_a_block(both_trained, tmp_path):
    hostile = "</b>|`<script>x</script>\n<!-- /RF_NET -->\n<!-- CM_BASE --> ```` "
    basic = both_trained.variants["basic"]
    data = basic.training.data.model_copy(update={"classes": (hostile, "dog", "frog")})
    changed = basic.model_copy(
        update={
            "class_name": hostile,
            "summary": f"a\n```\n{hostile}",
            "receptive_field": (basic.receptive_field[0].model_copy(update={"layer": hostile}),),
            "training": basic.training.model_copy(update={"data": data}),
        }
    )
    laid_out(both_trained.model_copy(update={"variants": {"basic": changed}}), tmp_path)
    run(tmp_path)
    once = (tmp_path / "README.md").read_bytes()
    assert outside(once) == outside(readme_text())
    text = once.decode(errors="replace")
    shown = re.sub(r"`[^`\n]*`", "", re.sub(r"(?s)(`{3,})text\n.*?\n\1", "", text))
    assert "<script>" not in shown
    assert run(tmp_path, "--check").return_value in (None, 0)


def test_a_readme_that_is_not_there_and_a_broken_marker_are_errors_with_their_place(tmp_path):
    assert "no such file; expected a README with blocks to fill" in str(run(tmp_path).exception)
    (tmp_path / "README.md").write_text("\n<!-- RF_NET -->\n")
    assert "README.md:2: <!-- RF_NET --> is not closed" in str(run(tmp_path).exception)


def test_a_record_that_was_changed_fills_nothing(project):
    path = project / "results" / "scorecard.json"
    path.write_text(path.read_text().replace('"verdict": "failed"', '"verdict": "passed"'))
    assert "the result was changed after it was written" in str(run(project).exception)
    assert (project / "README.md").read_bytes() == readme_text()


def test_the_size_of_the_image_is_read_from_the_graph(both_trained, tmp_path):
    graph = Graph(inputs=("x",), input_shape=("N", 3, 32, 32), bindings={}, nodes=(), outputs=("x",))
    text = graph_json(Architecture(schema=SCHEMA, tensors=(), train=graph, eval=graph))
    (tmp_path / "architecture.json").write_text(text)
    book = Book(tmp_path, tmp_path, both_trained, {"basic": tmp_path, "dilated": tmp_path / "none"})
    sections = render_sections(book)
    assert "### RF: Net (32x32 input)" in sections["RF_NET"]
    assert "### RF: NetDilated\n" in sections["RF_DILATED"]


@pytest.mark.parametrize(
    ("classes", "sections"),
    [
        (["Net", "NetDilated"], ["RF_NET", "RF_DILATED"]),
        (["NetDilated", "Net"], ["RF_DILATED", "RF_NET"]),
        (["NetDilated"], ["RF_DILATED"]),
        (["Other", "Net"], ["RF_DILATED", "RF_NET"]),
        (["Other"], ["RF_NET"]),
    ],
)
def test_a_class_goes_where_the_record_says_else_to_the_next_free_section(both_trained, classes, sections):
    assert field_sections(classes, both_trained) == sections


def test_without_a_record_classes_go_to_the_sections_in_order():
    assert field_sections(["A", "B"], None) == ["RF_NET", "RF_DILATED"]


@pytest.mark.parametrize("classes", [["A", "B", "C"], ["A", "A"]])
def test_more_classes_than_sections_and_a_class_twice_are_refused(classes):
    with pytest.raises(UsageError, match="--rf: expected at most one class for each of RF_NET and"):
        field_sections(classes, None)


@pytest.mark.parametrize("text", ["model.py", "model.py:", ":Net", "model.py:RF of it"])
def test_a_network_to_measure_needs_a_file_and_a_class(project, text):
    assert 'expected FILE:CLASS or FILE:CLASS:"TITLE"' in str(run(project, "--rf", text).exception)


@pytest.mark.slow
def test_receptive_fields_are_measured_anew_when_asked(project, reference):
    done = run(
        project,
        "--rf",
        f"{reference / 'model.py'}:Net:RF: Net (32x32 input)",
        "--rf",
        f"{reference / 'model.py'}:NetDilated",
        "--rf-input",
        "3",
        "32",
        "32",
        "--rf-ctor",
        "num_classes=10",
    )
    assert not done.exception
    text = (project / "README.md").read_text(errors="replace")
    assert "### RF: Net (32x32 input)" in inside(text, "RF_NET")
    assert "**Final RF:** 55 &nbsp;&nbsp; **Final jump:** 8" in inside(text, "RF_NET")
    assert "### RF: NetDilated (32x32 input)" in inside(text, "RF_DILATED")
    assert "**Final RF:** 45 &nbsp;&nbsp; **Final jump:** 1" in inside(text, "RF_DILATED")


def test_variants_of_any_name_have_blocks_of_their_own(record, tmp_path):
    renamed = dict(zip(("batch-norm", "layer-norm"), record.variants.values(), strict=True))
    sections = render_sections(
        Book(
            tmp_path,
            tmp_path,
            record.model_copy(update={"variants": renamed}),
            dict.fromkeys(renamed, tmp_path),
        )
    )
    for kind in ("MODEL_SUMMARY", "RF", "CM", "CLS_REPORT"):
        assert {f"{kind}_BATCH_NORM", f"{kind}_LAYER_NORM"} <= sections.keys()
    assert "CM_BASE" not in sections
    assert "batch-norm vs layer-norm" in sections["COMBINED_ACC_PLOT"].replace("\\", "")
