"""The same rules on networks that torch exports: what operators there are is torch's choice, not ours."""

import pytest
import torch
from torch import nn

from harness.loader.export import architecture_of


def block(c_in, c_out, **how):
    conv = nn.Conv2d(c_in, c_out, 3, padding=how.get("dilation", 1), bias=False, **how)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class Honest(nn.Module):
    """RF 3, 5 (jump 2), 9, 13 (4), 21 (8), dilated 53; tests replace `middle` (at jump 2) or `head`."""

    def __init__(self):
        super().__init__()
        self.first = block(3, 8)
        self.s1 = block(8, 16, stride=2)
        self.dw = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pw = nn.Conv2d(16, 16, 1)
        self.s2 = block(16, 16, stride=2)
        self.s3 = block(16, 32, stride=2)
        self.last = block(32, 32, dilation=2)
        self.fc = nn.Linear(32, 10)
        self.more()

    def more(self):
        pass

    def middle(self, x):
        return x

    def head(self, x):
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))

    def forward(self, x):
        x = self.middle(self.pw(self.dw(self.s1(self.first(x)))))
        return self.head(self.last(self.s3(self.s2(x))))


class SqueezeExcite(Honest):
    def more(self):
        self.down, self.up = nn.Linear(16, 4), nn.Linear(4, 16)

    def middle(self, x):
        gate = self.up(nn.functional.relu(self.down(x.mean((2, 3))))).sigmoid()
        return x * gate[:, :, None, None]


class Attention(Honest):
    def more(self):
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def middle(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return x + self.attention(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape)


class Residual(Honest):
    def more(self):
        self.side = block(16, 16)

    def middle(self, x):
        x += self.side(x)
        return nn.functional.relu(x, inplace=True)


class ChannelShuffle(Honest):
    def middle(self, x):
        n, c, h, w = x.size()
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)


class OldHead(Honest):
    def head(self, x):
        x = nn.functional.avg_pool2d(x, x.shape[2:]).view(-1, 32)
        return nn.functional.log_softmax(self.fc(nn.functional.dropout(x, 0.1, self.training)), dim=-1)


class SumHead(Honest):
    def head(self, x):
        return self.fc(x.sum((2, 3)) / (x.size(2) * x.size(3)))


class ChannelsLastNorm(Honest):
    def more(self):
        self.norm = nn.LayerNorm(16)

    def middle(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    "network", [SqueezeExcite, Attention, Residual, ChannelShuffle, OldHead, SumHead, ChannelsLastNorm]
)
def test_honest_networks_pass_every_rule_as_they_are_written(judged, network):
    verdict = judged(architecture_of(network(), (3, 32, 32))[0])
    findings = {k: v for k, v in vars(verdict).items() if k not in ("facts", "table")}
    assert {k: v.actual for k, v in findings.items() if v.status != "passed"} == {}
    assert verdict.facts.receptive_field_px == (57 if network is Residual else 53)


class MaxOfWindows(Honest):
    def middle(self, x):
        return x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))


class MaxOfShifts(Honest):
    def middle(self, x):
        return torch.where(x > x.roll(1, 2), x, x.roll(1, 2))


class Truncated(Honest):
    def middle(self, x):
        x = x * 1
        x[:, :, ::2].zero_()
        return x


class DropsInEval(Honest):
    def middle(self, x):
        return nn.functional.dropout2d(x, 0.1)


class TableInBuffer(Honest):
    def more(self):
        self.register_buffer("table", torch.ones(200_000))

    def middle(self, x):
        return x * self.table.mean()


@pytest.mark.parametrize(
    ("network", "rule", "status"),
    [
        (MaxOfWindows, "no_max_pool", "failed"),
        (MaxOfShifts, "no_max_pool", "failed"),
        (Truncated, "min_receptive_field", "not_judged"),
        (DropsInEval, "same_graph_in_eval", "failed"),
        (TableInBuffer, "max_parameters", "failed"),
    ],
)
def test_dishonest_networks_do_not_pass(judged, network, rule, status):
    finding = getattr(judged(architecture_of(network(), (3, 32, 32))[0]), rule)
    assert finding.status == status, finding
    assert finding.where or rule == "max_parameters"
