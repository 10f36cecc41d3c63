import pytest
from torch import nn


def test_convolutions_and_linear_layers_are_counted_as_they_are_executed(basic, by_rule):
    finding = by_rule("weighted_layers", basic(), exactly=9)
    assert (finding.status, finding.expected) == ("passed", "exactly 9 layers with weights")
    assert finding.actual == "9: a, s1, ds.dw, ds.pw, s2, s3, dil.dw, dil.pw and 1 more"


def test_a_layer_that_runs_twice_counts_twice(exported, by_rule):
    def forward(self, x):
        return self.fc(self.conv(self.conv(x)).mean((2, 3)))

    architecture = exported(forward, conv=nn.Conv2d(3, 3, 3), fc=nn.Linear(3, 10))
    assert by_rule("weighted_layers", architecture, exactly=3).status == "passed"


@pytest.mark.parametrize(
    ("limits", "advice"), [({"at_most": 2}, "Remove 7 of"), ({"at_least": 10}, "Add 1 layer with weights.")]
)
def test_help_says_how_many_are_too_many_or_missing(basic, by_rule, limits, advice):
    assert by_rule("weighted_layers", basic(), **limits).help.startswith(advice)


def test_a_table_that_is_multiplied_with_a_map_is_a_layer(exported, by_rule):
    def forward(self, x):
        return x.mean((2, 3)) @ self.table

    architecture = exported(forward, table=nn.Parameter(nn.Linear(10, 3).weight.detach()))
    assert by_rule("weighted_layers", architecture, exactly=1).status == "passed"


def test_a_weighted_sum_written_out_may_be_a_layer(exported, by_rule):
    def forward(self, x):
        return (x.mean((2, 3))[:, None] * self.table).sum(2)

    architecture = exported(forward, table=nn.Parameter(nn.Linear(3, 10).weight.detach()))
    assert by_rule("weighted_layers", architecture, exactly=0).status == "not_judged"
