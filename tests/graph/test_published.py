"""Receptive fields that others have published, for networks that torchvision builds.

Source: table 1 of Araujo, Norris, Sim 2019, doi 10.23915/distill.00021. Where torchvision's network is
another one, the difference is worked out beside its number.
"""

import pytest
import torch
from torchvision import models

from harness.graph.view import View
from harness.loader.export import architecture_of

# In the ResNets of the paper (TF-Slim) the last unit of a block has the stride, in torchvision's the first
# unit of the next block. Its 3x3 convolution then still runs at the smaller jump: 8 instead of 16 px in
# layer2, 16 instead of 32 in layer3, 32 instead of 64 in layer4.
EARLIER_STRIDES = (16 - 8) + (32 - 16) + (64 - 32)


def field_of(name, size, **arguments):
    torch.manual_seed(0)
    model = getattr(models, name)(weights=None, **arguments)
    architecture, _ = architecture_of(model, (3, size, size))
    return View(architecture, architecture.eval)


@pytest.mark.parametrize(
    ("name", "published"),
    [("alexnet", 195), ("resnet50", 483 - EARLIER_STRIDES)],
)
def test_the_field_is_the_published_one(name, published):
    view = field_of(name, 224)
    assert view.is_exact
    assert view.receptive_field_px == published


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "published"),
    [
        ("vgg16", 224, 212),
        ("resnet101", 224, 1027 - EARLIER_STRIDES),
        ("resnet152", 224, 1507 - EARLIER_STRIDES),
        ("inception_v3", 299, 1311),
    ],
)
def test_the_field_of_a_deep_network_is_the_published_one(name, size, published):
    arguments = {"aux_logits": False, "init_weights": False} if name == "inception_v3" else {}
    view = field_of(name, size, **arguments)
    assert view.receptive_field_px == published
