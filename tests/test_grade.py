"""One submission from its files to its record: whatever is wrong with it ends as a finding."""

from textwrap import dedent

import pytest

from harness.grade import grade
from harness.intake.submission import open_submission
from harness.run import Run, Settings

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
            x = torch.bucketize(self.conv(x), torch.arange(4.0)).float() + self.conv(x)
            return self.fc(x.mean((2, 3)))
"""
FROZEN = """
            for p in self.parameters():
                p.requires_grad = False
"""


CASES = {
    "seven": HEAD.format(name="Net").replace("num_classes=10", "num_classes=7") + FORWARD,
    "mates": HEAD.format(name="Net") + BATCH_MATES,
    "unknown": HEAD.format(name="Net") + UNKNOWN_OP,
    "frozen": HEAD.format(name="Net") + FROZEN + FORWARD,
}


@pytest.fixture
def judged(tmp_path, assignment):
    """Grade one source, in full when asked, on the embedded set."""

    def run(case: str, *, full: bool = False):
        file = tmp_path / "model.py"
        file.write_text(dedent(CASES[case]))
        submission = open_submission(file, assignment, class_name="Net")
        settings = Settings(out=tmp_path / "out", data="mini", stats_cache=tmp_path / "stats.json")
        one = Run(submission, assignment, settings, lambda *_: None)
        record = grade(one, frozenset({"basic"}) if full else frozenset())
        return record.variants["basic"], {f.rule: f for f in record.variants["basic"].findings}

    return run


def test_a_network_with_seven_outputs_fails_its_head_and_is_told_why_it_was_not_run(judged):
    _, findings = judged("seven", full=True)
    assert findings["gap_linear_head"].status == "failed"
    assert "(batch, 7)" in findings["gap_linear_head"].actual
    for rule in ("untrained_at_chance", "min_accuracy"):
        assert (findings[rule].status, findings[rule].cause) == ("not_judged", "student")
        assert "(2, 7)" in findings[rule].actual


def test_an_output_that_depends_on_its_batch_mates_fails(judged):
    _, findings = judged("mates")
    assert findings["same_graph_in_eval"].status == "failed"


def test_an_unknown_operator_is_named_with_its_line_and_the_other_rules_are_judged(judged):
    _, findings = judged("unknown", full=True)
    assert findings["max_parameters"].status == "passed"
    assert findings["min_receptive_field"].status == "not_judged"
    assert findings["min_receptive_field"].cause == "harness"
    assert "aten.bucketize" in findings["min_receptive_field"].actual
    assert "model.py:" in findings["min_receptive_field"].actual
    assert (findings["min_accuracy"].status, findings["min_accuracy"].points) == ("not_judged", None)


@pytest.mark.slow
def test_a_network_without_anything_to_train_gets_a_scorecard_all_the_same(judged):
    variant, findings = judged("frozen", full=True)
    assert variant.training is None
    assert findings["min_accuracy"].status == "not_judged"
    assert findings["augmentation"].status == "passed"
