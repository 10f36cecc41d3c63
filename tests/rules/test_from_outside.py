"""A rule that is added from outside, in ten lines and a page, is found wherever rules are."""

import importlib.util
import json
import sys

import jsonschema
import pytest

from harness.assignment.spec import parse_assignment
from harness.authoring.reference import sections
from harness.authoring.schema import as_text
from harness.pipeline.grade import grade
from harness.pipeline.loading import in_sandbox
from harness.pipeline.task import Settings, Task
from harness.record import record as records
from harness.report.html import render_html
from harness.report.markdown import render_scorecard
from harness.rules.explain import overview, page
from harness.rules.registry import RULES
from harness.sources.submission import open_submission

RULE = '''\
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.verdicts import failed, passed

@rule(asks="few steps", needs="graph")
class FewSteps(NetworkRule):
    """Check that few operators are executed."""
    class Settings(RuleSettings):
        at_most: int
    def judge(self, network, settings):
        steps, most = len(network.evaluation.measured.nodes), settings.at_most
        return passed(f"{most}", f"{steps}") if steps <= most else failed(f"{most}", f"{steps}", advice="")
'''  # fmt: skip
TABLE = {
    "schema_version": 2, "id": "own", "title": "own", "data": {"dataset": "mnist"},
    "recipe": {"epochs": 1, "batch_size": 8, "lr": 0.1}, "rules": {"few_steps": {"points": 7, "at_most": 2}},
}  # fmt: skip
NETWORK = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(784, 10)

        def forward(self, x):
            return self.fc(x.flatten(1))
"""


@pytest.fixture(autouse=True)
def few_steps(tmp_path, monkeypatch):
    """The rule, in a file of its own with its page beside it."""
    (tmp_path / "few_steps.py").write_text(RULE)
    (tmp_path / "few_steps.md").write_text("# `few_steps`\n\n**Measured.** Operators.\n")
    spec = importlib.util.spec_from_file_location("few_steps", tmp_path / "few_steps.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "few_steps", module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(RULES, "few_steps", module.FewSteps)


def judged(write, tmp_path, at_most):
    rules = {"few_steps": {"points": 7, "at_most": at_most}}
    spec = parse_assignment(TABLE | {"rules": rules})
    submission = open_submission(write(model=NETWORK), spec)
    return grade(Task(submission, spec, Settings(out=tmp_path / "out"), in_sandbox()))


def test_it_is_in_the_schema():
    validator = jsonschema.Draft202012Validator(json.loads(as_text()))
    assert validator.is_valid(TABLE)
    assert not validator.is_valid(TABLE | {"rules": {"few_steps": {"at_most": "two"}}})


@pytest.mark.parametrize(("at_most", "verdict", "points"), [(9, "passed", 7), (1, "failed", 0)])
def test_it_is_judged_and_shown_in_the_scorecard_and_the_record(write, tmp_path, at_most, verdict, points):
    record = judged(write, tmp_path, at_most)
    assert (record.verdict, record.points, record.max_points) == (verdict, points, 7)
    assert "few_steps" in render_scorecard(record)
    assert "few_steps" in render_html(record, {})
    (finding,) = json.loads(records.to_json(record))["variants"]["basic"]["findings"]
    assert (finding["rule"], finding["status"], finding["asks"]) == ("few_steps", verdict, "few steps")


def test_it_is_explained_and_listed():
    assert page("few_steps").startswith("# `few_steps`")
    assert "- `few_steps`: Check that few operators are executed." in overview()
    assert "**`few_steps`**: few steps." in sections()["RULES"]
