"""What is depthwise in block 1 by what it does is said to be, with the layer that mixes it."""

import pytest
from drawn.judging import judged
from drawn.standard import built, standard

from harness.datasets.images import Data
from harness.datasets.miniature import load_mini
from harness.datasets.spec import DataSpec


@pytest.fixture(scope="session")
def mini() -> Data:
    return load_mini(DataSpec(dataset="cifar10"))


def test_a_masked_kernel_in_block_1_is_named_by_the_layer_that_mixes_it(assignment, mini):
    source = standard(
        ["self.full, self.mixed = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 1)"],
        FIRST=[
            "x = F.conv2d(x, self.full.weight * torch.eye(16)[:, :, None, None], padding=1)",
            "x = self.s1(F.relu(self.mixed(x)))",
        ],
    )
    finding = judged(built(source), assignment, mini)["depthwise_separable"]
    assert finding.status == "failed"
    assert finding.actual == "1: dw; in block 1: mixed"
    assert "what mixed mixes is computed channel by channel from neighbours" in finding.help
