"""One submission from its files to its record: whatever is wrong with it ends as a finding."""

import runpy
from textwrap import dedent

import pytest
from safetensors.torch import save_file

from harness.assignment.spec import parse_assignment
from harness.graph.ir import Architecture, to_json
from harness.loader.client import Loaded
from harness.loader.export import architecture_of
from harness.pipeline.grade import grade, grade_variants, judged_by_rules, variants_to_train
from harness.pipeline.loading import in_sandbox
from harness.pipeline.probing import Probed
from harness.pipeline.recording import record as record_of
from harness.pipeline.reproduce import assignment_of, reproduce
from harness.pipeline.task import Loads, Settings, Task
from harness.record.record import load_record
from harness.report.files import write_reports
from harness.report.html import render_html
from harness.sources.requested import Requested
from harness.sources.submission import Answered, Submission, open_submission

HEAD = """
    import torch
    from torch import nn

    class {name}(nn.Module):
        def __init__(self, num_classes=10):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.fc = nn.Linear(4, num_classes)
"""
FORWARD = """
        def forward(self, x):
            return self.fc(self.conv(x).relu().mean((2, 3)))
"""
BATCH_MATES = """
        def forward(self, x):
            x = self.conv(x).relu()
            return self.fc((x - x.mean(0)).mean((2, 3)))
"""
UNKNOWN_OP = """
        def forward(self, x):
            x = torch.special.bessel_j0(self.conv(x)) + self.conv(x)
            return self.fc(x.mean((2, 3)))
"""
VOLUMES = """
        def forward(self, x):
            x = self.conv(x).unsqueeze(2)
            grid = self.fc.weight[:3, :3].expand(x.shape[0], 1, 1, 3, 3)
            return self.fc(nn.functional.grid_sample(x, grid).mean((2, 3, 4)))
"""
NAN = """
            nn.init.constant_(self.conv.weight, float("nan"))
"""
DIVIDES = """
        def forward(self, x):
            return self.fc(self.conv(x).relu().mean((2, 3))) / 0
"""
FROZEN = """
            for p in self.parameters():
                p.requires_grad = False
"""

CASES = {
    "seven": HEAD.format(name="Net").replace("num_classes=10", "num_classes=7") + FORWARD,
    "mates": HEAD.format(name="Net") + BATCH_MATES,
    "unknown": HEAD.format(name="Net") + UNKNOWN_OP,
    "nan": HEAD.format(name="Net") + NAN + FORWARD,
    "divides": HEAD.format(name="Net") + DIVIDES,
    "volumes": HEAD.format(name="Net") + VOLUMES,
    "frozen": HEAD.format(name="Net") + FROZEN + FORWARD,
}


@pytest.fixture
def judged(tmp_path, assignment):
    """Grade one source, in full when asked, on the embedded set."""

    def run(case: str, *, full: bool = False, **changes: object):
        file = tmp_path / "model.py"
        file.write_text(dedent(CASES[case]))
        submission = open_submission(file, assignment, class_name="Net")
        settings = Settings(tmp_path / "out", data="mini", stats_cache=tmp_path / "stats.json", **changes)
        task = Task(submission, assignment, settings, in_sandbox())
        record = grade(task, frozenset({"basic"}) if full else frozenset())
        return record.variants["basic"], {f.rule: f for f in record.variants["basic"].findings}

    return run


def test_a_network_with_seven_outputs_fails_its_head_and_is_told_why_it_was_not_run(judged):
    _, findings = judged("seven", full=True)
    assert findings["gap_linear_head"].status == "failed"
    assert "(batch, 7)" in findings["gap_linear_head"].actual
    for rule in ("untrained_at_chance", "min_accuracy"):
        assert (findings[rule].status, findings[rule].cause) == ("not_judged", "student")
        assert "(2, 7)" in findings[rule].actual


@pytest.fixture
def parsed(monkeypatch):
    """What of graphs is parsed in this process; the other processes have their own tests."""
    texts, parse = [], Architecture.model_validate_json

    def noted(text):
        texts.append(text)
        return parse(text)

    monkeypatch.setattr(Architecture, "model_validate_json", noted)
    return texts


@pytest.fixture
def plain_task(tmp_path, assignment):
    """A small network, to be trained for an epoch on the embedded set."""
    file = tmp_path / "model.py"
    file.write_text(dedent(HEAD.format(name="Net") + FORWARD))
    short = {"epochs": 1, "batch_size": 1000, "stages": (), "augmentation": ()}
    spec = assignment.model_copy(update={"recipe": assignment.recipe.at_cost(14).model_copy(update=short)})
    settings = Settings(out=tmp_path / "out", data="mini", stats_cache=tmp_path / "stats.json")
    return Task(open_submission(file, spec, class_name="Net"), spec, settings, in_sandbox())


def test_a_check_parses_a_graph_once_and_says_which_layer_matters_least(plain_task, parsed):
    record = grade(plain_task)
    assert len(parsed) == 1
    said = record.provenance["influence"]["basic"]
    assert "recipe" in record.provenance
    assert said.startswith("other weights were tried in 1 layer, and other pixels at the rim")
    assert said.partition("what moves the logits least is conv, by ")[2].endswith(
        "% of what tells images apart"
    )


def test_a_network_that_no_gpu_trains_is_not_judged_on_one_and_is_told_so_by_its_rules(judged):
    variant, findings = judged("volumes", full=True, device="cuda")
    accuracy, why = findings["min_accuracy"], "which has no repeatable gradient on CUDA"
    assert (accuracy.status, accuracy.cause, variant.trainings) == ("not_judged", "harness", ())
    assert accuracy.actual.startswith("not trained: grid_sampler (model.py:")
    assert accuracy.actual.endswith(f"samples volumes by a grid, {why}; use --device cpu")
    (warning,) = variant.facts.warnings
    assert warning.startswith("Trained on a CPU only (--device cpu or auto): grid_sampler (model.py:")


def test_an_output_that_depends_on_its_batch_mates_fails(judged):
    _, findings = judged("mates")
    assert findings["same_graph_in_eval"].status == "failed"


def test_an_unknown_operator_is_named_with_its_line_and_the_other_rules_are_judged(judged):
    _, findings = judged("unknown", full=True)
    assert findings["max_parameters"].status == "passed"
    assert findings["min_receptive_field"].status == "not_judged"
    assert findings["min_receptive_field"].cause == "harness"
    assert "aten.special_bessel_j0" in findings["min_receptive_field"].actual
    assert "model.py:" in findings["min_receptive_field"].actual
    assert (findings["min_accuracy"].status, findings["min_accuracy"].points) == ("not_judged", None)


def test_weights_that_are_no_numbers_are_never_taken_for_a_network_that_guesses(judged):
    _, findings = judged("nan")
    for rule in ("untrained_at_chance", "same_graph_in_eval"):
        assert (findings[rule].status, findings[rule].cause) == ("not_judged", "student")
        assert "the initial weights of conv.weight hold NaN" in findings[rule].actual
    assert findings["max_parameters"].status == "passed"


@pytest.mark.slow
def test_outputs_that_are_no_numbers_are_never_taken_for_guesses(judged):
    _, findings = judged("divides")
    assert findings["untrained_at_chance"].status == "not_judged"
    assert findings["untrained_at_chance"].cause == "student"
    assert "outputs that are not numbers" in findings["untrained_at_chance"].actual


@pytest.fixture
def handed_in(tmp_path, assignment, reference):
    """Make a task of the reference's graph, changed, as if it came out of the sandbox."""

    def make(change, *, written=True):
        model = runpy.run_path(str(reference / "model.py"))["Net"]()
        plan, tensors = architecture_of(model, assignment.data.input_shape)
        save_file(tensors, tmp_path / "forged.safetensors")
        forged, weights = change(plan), tmp_path / "forged.safetensors"
        loaded = Loaded("Net", forged, to_json(forged) if written else "", weights, "", "", seeds_differ=True)
        answered = {"basic": Answered(Requested(file=tmp_path, class_name=None), "basic")}
        submission, settings = Submission(tmp_path, "", answered), Settings(out=tmp_path / "out")
        return Task(submission, assignment, settings, lambda _: Loads("", {"basic": loaded})), loaded

    return make


def with_shape(shape):
    """State another shape of the first convolution in eval; `model_construct` checks nothing."""

    def change(plan):
        first = next(node for node in plan.eval.nodes if node.op == "aten.conv2d.default")
        lie = first.model_construct(**{**dict(first), "shape": shape})
        nodes = tuple(lie if node is first else node for node in plan.eval.nodes)
        return plan.model_copy(update={"eval": plan.eval.with_nodes(nodes)})

    return change


def causes(record):
    return {(finding.status, finding.cause) for finding in record.variants["basic"].findings}


def test_a_graph_that_lies_about_one_shape_is_judged_in_no_rule(handed_in):
    task, _ = handed_in(with_shape(("batch", 1, 32, 32)))
    record = grade(task)
    assert causes(record) == {("not_judged", "student")}
    said = "wrong value; expected float32 (batch, 1, 32, 32), as the exported graph says"
    assert said in record.variants["basic"].problem.message


def test_a_graph_that_breaks_the_judge_is_the_submission_s_fault_and_no_traceback(handed_in):
    task, loaded = handed_in(with_shape(5), written=False)
    record = record_of(task, judged_by_rules(task, "", {"basic": Probed(loaded)}))
    assert causes(record) == {("not_judged", "student")}
    message = record.variants["basic"].problem.message
    assert message.startswith("graph: no rule can be judged by it (TypeError: ")
    assert message.endswith("Write the model with standard layers, or ask the teacher to judge it by hand.")


@pytest.mark.slow
def test_a_network_without_anything_to_train_gets_a_scorecard_all_the_same(judged):
    variant, findings = judged("frozen", full=True)
    assert variant.training is None
    assert findings["min_accuracy"].status == "not_judged"
    assert findings["augmentation"].status == "passed"


@pytest.fixture(scope="module")
def one_of_two(tmp_path_factory, assignment, reference):
    """Run the reference's manifest without `dilated` under an assignment that asks for both."""

    def made(source: str | None = None, **policy):
        asked = {"policy": {"variants": "all", **policy}}
        spec = parse_assignment(assignment.model_dump(mode="json", by_alias=True) | asked)
        manifest = (reference / "submission.toml").read_text().partition("[variants.dilated]")[0]
        folder = tmp_path_factory.mktemp("one_of_two")
        (folder / "submission.toml").write_text(manifest)
        (folder / "model.py").write_text(source or (reference / "model.py").read_text())
        return Task(open_submission(folder, spec), spec, Settings(out=folder / "out"), in_sandbox())

    return made


@pytest.fixture(scope="module")
def graded_one_of_two(one_of_two):
    """The task without `dilated`, and what was graded of it."""
    task = one_of_two()
    return task, grade_variants(task, fields=True)


def test_a_variant_that_is_missing_has_failed_and_the_most_points_stay(graded_one_of_two):
    record = record_of(*graded_one_of_two)
    assert (record.verdict, record.points, record.max_points) == ("failed", 75, 200)
    missing = record.variants["dilated"]
    assert missing.is_missing
    assert (missing.verdict, missing.points, missing.max_points) == ("failed", 0, 100)
    (finding,) = missing.findings
    assert (finding.rule, finding.status, finding.max_points) == ("handed_in", "failed", 100)
    assert (finding.expected, finding.actual) == ("variants basic, dilated", "basic alone")
    assert "Say in submission.toml which class answers dilated" in finding.help


def test_where_the_rules_alone_are_the_grade_a_missing_variant_loses_those_alone(one_of_two):
    record = grade(one_of_two(rules_only=True))
    assert (record.points, record.max_points, record.variants["dilated"].max_points) == (75, 150, 75)


def test_where_nothing_can_be_read_nothing_is_said_to_be_missing(one_of_two):
    record = grade(one_of_two("import nothing_such\n"))
    assert (record.verdict, record.points, record.max_points) == ("not_judged", 0, 200)
    assert list(record.variants) == ["basic"]


@pytest.mark.parametrize(
    ("policy", "asked", "trained"),
    [
        ({}, [], {"basic"}),
        ({}, ["dilated"], {"dilated"}),
        ({"variants": "all"}, [], {"basic", "dilated"}),
        ({"variants": "best"}, [], {"basic", "dilated"}),
        ({"rules_only": True}, [], set()),
        ({"rules_only": True}, ["basic"], set()),
    ],
)
def test_what_is_trained_follows_from_what_counts(assignment, reference, policy, asked, trained):
    spec = parse_assignment(assignment.model_dump(mode="json", by_alias=True) | {"policy": policy})
    task = Task(open_submission(reference, spec), spec, Settings(), in_sandbox())
    assert variants_to_train(task, asked) == trained


def test_a_record_with_a_missing_variant_is_reproduced(graded_one_of_two):
    task, graded = graded_one_of_two
    record, out = record_of(task, graded), task.settings.out
    write_reports(record, out, {name: task.folder(name) for name in record.variants}, graded.measured)
    assert "Not handed in" in (out / "scorecard.md").read_text()
    assert "Not handed in" in (out / "scorecard.html").read_text()
    saved = load_record(out / "scorecard.json")
    again = reproduce(saved, out, assignment_of(saved, None), Settings(out=out / "again"), lambda *_: None)
    assert (again.first, again.result_sha256) == (None, record.result_sha256)


@pytest.mark.slow
def test_a_grade_parses_a_graph_once_from_the_sandbox_to_the_page(plain_task, parsed):
    graded = grade_variants(plain_task, frozenset({"basic"}), fields=True)
    record, out = record_of(plain_task, graded), plain_task.settings.out
    assert write_reports(record, out, {"basic": plain_task.folder("basic")}, graded.measured) == ()
    assert record.variants["basic"].training is not None
    assert (out / "basic" / "plots" / "receptive_field.png").is_file()
    assert parsed == [(out / "basic" / "architecture.json").read_bytes()]
    # The page shows what was just drawn as it would from the files.
    assert (out / "scorecard.html").read_text() == render_html(record, {"basic": plain_task.folder("basic")})
